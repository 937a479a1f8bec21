"""Two replicas on two logical CPUs give the parameters of one device, to rounding."""

import subprocess
import sys

# In a process of its own: logical devices are set before TensorFlow starts.
CODE = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from ganbook import GAN, mlp, ring

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


def test_mirrored_strategy():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "same", result.stderr[-2000:]
