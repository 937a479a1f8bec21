"""Two replicas on two logical CPUs: one device's parameters, to rounding; resumed to the bit; own noise."""

import subprocess
import sys

# In a process of its own: logical devices are set before TensorFlow starts.
DEVICES = """
import sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from ganbook import GAN, Checkpoint, batches, mlp, ring
"""

CODE = """
class NoiseFromData(GAN):  # the same noise for an example, whatever the replica
    def d_loss(self, x, z, c=None):
        return super().d_loss(x, 1.5 * x, c)

    def g_loss(self, x, z, c=None):
        return super().g_loss(x, 1.5 * x, c)

def train(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        gan = NoiseFromData(mlp(2, [16], 2, "tanh"), mlp(2, [16], 1, "tanh"), latent_dim=2)
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    start = gan.get_weights()
    gan.fit(ring(std=0.1).sample(1024, seed=0), batch_size=128, shuffle=False, verbose=0)
    return start, gan.get_weights()

start, one = train(tf.distribute.get_strategy())
_, two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for a, b in zip(one, two, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
assert max(np.abs(a - b).max() for a, b in zip(start, one)) > 1e-3

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():  # Keras would fail while it traces
    gan = GAN(mlp(2, [16], 2), mlp(2, [16], 1), latent_dim=2)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), steps_per_execution=5)
try:
    gan.fit(ring().sample(64, seed=0), verbose=0)
except ValueError as error:
    assert "steps_per_execution=5: want 1, or none given, on 2 devices" in str(error), error
    print("same")
"""


RESUMED = """
def train(folder, epochs):
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        gan = GAN(mlp(2, [16], 2, "tanh"), mlp(2, [16], 1, "tanh"), latent_dim=2)
        gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01))
    data = batches(ring(std=0.1).sample(1024, seed=0), batch_size=128)
    history = gan.fit(data, epochs=epochs, verbose=0, callbacks=[Checkpoint(folder)]).history
    return gan.get_weights(), history

whole = train(sys.argv[1] + "/whole", 4)
train(sys.argv[1] + "/part", 2)
resumed = train(sys.argv[1] + "/part", 4)
assert whole[1] == resumed[1] and len(whole[1]["d_loss"]) == 4
if all(np.array_equal(a, b) for a, b in zip(whole[0], resumed[0], strict=True)):
    print("same")
"""


NOISE = """
def draws(seed):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        gan = GAN(mlp(2, [16], 2), mlp(2, [16], 1), latent_dim=2, seed=seed)
    seen = []
    for _ in range(3):
        for z in strategy.experimental_local_results(strategy.run(lambda: gan.sample_z(4))):
            seen.append(z.numpy())
    return seen

one, again, other = draws(1), draws(1), draws(2)
assert len(np.unique(np.concatenate(one))) == 6 * 4 * 2  # no number twice, on either replica
assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
assert not np.intersect1d(np.concatenate(one), np.concatenate(other)).size
alone = GAN(mlp(2, [16], 2), mlp(2, [16], 1), latent_dim=2, seed=1)
assert np.array_equal(alone.sample_z(4), one[0])  # what one device draws

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():  # in fit too, and in a method of a variant
    class Kept(GAN):
        def d_loss(self, x, z, c=None):
            own = keras.random.uniform((1,), seed=self.noise_seed)
            tf.print(z[0, 0], own[0], output_stream="file://" + sys.argv[1])
            return super().d_loss(x, z, c)

    gan = Kept(mlp(2, [16], 2), mlp(2, [16], 1), latent_dim=2)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
gan.fit(ring(std=0.1).sample(64, seed=0), batch_size=16, verbose=0)
numbers = open(sys.argv[1]).read().split()
assert len(numbers) == len(set(numbers)) == 2 * 2 * 4, numbers
print("same")
"""


def says(code, *arguments):
    command = [sys.executable, "-c", DEVICES + code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "same", result.stderr[-2000:]


def test_mirrored_strategy():
    says(CODE)


def test_checkpoint(tmp_path):
    says(RESUMED, str(tmp_path))


def test_noise_differs_from_replica_to_replica(tmp_path):
    says(NOISE, str(tmp_path / "noise"))
