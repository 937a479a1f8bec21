"""Training that is killed and goes on, and files that are damaged."""

import json
import os
import re
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganbook import GAN, Checkpoint, batches, mlp

# A process that has loaded TensorFlow, and forks a training process for every line that it reads: where to,
# how many epochs, Python to run first, and when to kill it: seconds after its start, or after it has saved.
TRAINER = """
import json, os, pathlib, sys, time, traceback
import h5py, keras, numpy as np
import tensorflow as tf
import ganbook

def train(folder, epochs):
    keras.utils.set_random_seed(0)
    x = np.tanh(np.random.default_rng(0).normal(size=(1000, 2))).astype("float32")
    d = keras.Sequential([ganbook.mlp(2, [32], 8), keras.layers.Dropout(0.3), keras.layers.Dense(1)])
    g = keras.Sequential([ganbook.mlp(3, [32], 8), keras.layers.BatchNormalization(), keras.layers.Dense(2)])
    gan = ganbook.GAN(g, d, 3)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.RMSprop(1e-3))
    backup = ganbook.Checkpoint(folder)
    data = ganbook.batches(x, batch_size=50)
    history = gan.fit(data, epochs=epochs, verbose=0, callbacks=[backup])
    state = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
    np.savez(f"{folder}.npz", *[v.numpy() for v in state])
    pathlib.Path(f"{folder}.json").write_text(json.dumps([history.history, history.epoch]))

for line in sys.stdin:
    folder, epochs, first, event, seconds = json.loads(line)
    before = set(pathlib.Path(folder).glob("epoch-*"))
    child = os.fork()
    if not child:
        try:
            exec(first)
            train(folder, epochs)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = 0
    while event == "saved" and set(pathlib.Path(folder).glob("epoch-*")) <= before and not status:
        time.sleep(0.002)
        ended, status = os.waitpid(child, os.WNOHANG)
        status = -1 if ended and not status else status
    if not status:
        if event:
            time.sleep(seconds)
            os.kill(child, 9)
        status = os.waitpid(child, 0)[1]
    print(max(status, 0), flush=True)
"""

X = np.random.default_rng(0).normal(size=(96, 2)).astype("float32")


@pytest.fixture(scope="module")
def trainer():
    """Trains in a process of its own: (folder, epochs, ...) to how that ended, 0 or the signal."""
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
    with subprocess.Popen([sys.executable, "-c", TRAINER], **pipes) as process:

        def run(folder, epochs, first="", event=None, seconds=0.0):
            process.stdin.write(json.dumps([str(folder), epochs, first, event, seconds]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    """What an uninterrupted run of so many epochs ends with."""
    known = {}

    def run(epochs):
        if epochs not in known:
            folder = tmp_path_factory.mktemp("whole") / "run"
            assert trainer(folder, epochs) == 0
            known[epochs] = result(folder)
        return known[epochs]

    return run


def result(folder):
    """All variables of the GAN and its optimizers, and what `fit` returned."""
    with np.load(f"{folder}.npz") as state, open(f"{folder}.json") as file:
        return [state[name] for name in state], json.load(file)


def assert_same(found, wanted):
    """To the last bit."""
    (states, past), (others, other_past) = found, wanted
    assert past == other_past
    for a, b in zip(states, others, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


def make(width=16, optimizer=keras.optimizers.Adam):
    keras.utils.set_random_seed(0)
    gan = GAN(mlp(3, [width], 2), mlp(2, [width], 1), 3)
    gan.compile(optimizer(1e-2), optimizer(1e-2))
    return gan


def fit(folder, epochs, gan=None, **kwargs):
    gan = gan or make()
    kwargs = {"x": batches(X, batch_size=32)} | kwargs
    kwargs.setdefault("callbacks", folder and [Checkpoint(folder)])
    history = gan.fit(epochs=epochs, verbose=0, **kwargs)
    state = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
    return [v.numpy() for v in state], [history.history, history.epoch]


def names(folder):
    """Its files, without the digests in their names."""
    return sorted(re.sub("-[0-9a-f]{64}", "", path.name) for path in folder.iterdir())


def newest(folder):
    return max(folder.glob("epoch-*"))


class TestKilled:
    def test_at_random_moments(self, trainer, whole, tmp_path):
        """At any: as it starts or loads, between two epochs or in one, and while it writes."""
        rng, kills, epochs = np.random.default_rng(), 0, 300
        folder = tmp_path / "run"
        while kills < 24:
            event, seconds = (
                ("start", rng.uniform(0, 1.5)) if kills % 4 == 0 else ("saved", rng.uniform(0, 0.1))
            )
            ended = trainer(folder, epochs, event=event, seconds=seconds)
            assert ended == signal.SIGKILL, "300 epochs are more than it can train between 24 kills"
            kills += 1
        assert len(list(folder.glob("epoch-*"))) >= 2
        assert trainer(folder, epochs) == 0
        assert_same(result(folder), whole(epochs))

    # Each kills itself at a certain point of the third time it writes.
    @pytest.mark.parametrize(
        "what",
        [
            "h5py.Group.create_dataset",  # the weights are in part written
            "os.fsync",  # all is written, without its name
            "pathlib.Path.replace",
            "pathlib.Path.unlink",  # the new file has its name, the old one is still there
        ],
    )
    def test_while_it_writes(self, trainer, whole, tmp_path, what):
        epochs, folder = 6, tmp_path / "run"
        owner, name = what.rsplit(".", 1)
        times = {"create_dataset": 110, "unlink": 1}.get(name, 3)  # a file has some 45 datasets
        first = (
            f"plain, calls = {what}, []\n"
            "def deadly(*args, **kwargs):\n"
            "    calls.append(1)\n"
            f"    if len(calls) == {times}: os.kill(os.getpid(), 9)\n"
            "    return plain(*args, **kwargs)\n"
            f"{owner}.{name} = deadly\n"
        )
        assert trainer(folder, epochs, first) == signal.SIGKILL
        left = ["epoch-000001.weights.h5", "epoch-000002.weights.h5"]
        left += ["epoch-000003.weights.h5" if name == "unlink" else "writing.weights.h5"]
        assert names(folder) == left
        assert trainer(folder, epochs) == 0
        assert_same(result(folder), whole(epochs))
        assert names(folder) == ["epoch-000005.weights.h5", "epoch-000006.weights.h5"]

    def test_after_the_end(self, tmp_path):
        """Run again, a program that has ended trains nothing and has the same result; and it may go on."""
        ended = fit(tmp_path / "run", 3)
        before = names(tmp_path / "run")
        assert_same(fit(tmp_path / "run", 3), ended)
        assert names(tmp_path / "run") == before
        assert_same(fit(tmp_path / "run", 5), fit(tmp_path / "other", 5))

    def test_steps_per_epoch(self, tmp_path):
        """An epoch of 2 steps out of 3 batches: the stream goes on where it was, whatever the epoch."""

        def train(folder, epochs):
            gan = make()  # first: it sets the global seed, which the order depends on too
            return fit(folder, epochs, gan, x=batches(X, batch_size=32).repeat(), steps_per_epoch=2)

        train(tmp_path / "run", 3)
        assert_same(train(tmp_path / "run", 5), train(tmp_path / "other", 5))

    def test_an_epoch_is_of_the_data(self, tmp_path):
        """Every example once, whatever Keras does with iterators; the next epoch has another order."""
        seen = []
        x = np.arange(30, dtype="float32")[:, None]
        dataset, done = Checkpoint(tmp_path).resume(make(), batches(x, batch_size=10))
        for _ in range(3):
            seen.append([int(v) for batch in dataset for v in np.ravel(batch)])
        assert done == 0
        assert [sorted(epoch) for epoch in seen] == [list(range(30))] * 3
        assert seen[0] != seen[1] != seen[2]


class TestDamaged:
    @pytest.fixture
    def folder(self, tmp_path):
        fit(tmp_path / "run", 3)
        return tmp_path / "run"

    @pytest.fixture
    def unharmed(self, tmp_path):
        return fit(tmp_path / "unharmed", 5)

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
    def test_truncated(self, folder, share, unharmed):
        """The one before it is used, and the damaged one kept out of the way."""
        path = newest(folder)
        os.truncate(path, int(share * path.stat().st_size))
        with pytest.warns(
            UserWarning, match=re.escape(f"{path} is damaged, its SHA-256 not that of its name")
        ):
            assert_same(fit(folder, 5), unharmed)
        assert "damaged-epoch-000003.weights.h5" in names(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_same(fit(folder, 5), unharmed)

    def test_any_byte_altered(self, folder, unharmed):
        path = newest(folder)
        data = bytearray(path.read_bytes())
        data[np.random.default_rng().integers(len(data))] ^= 1
        path.write_bytes(data)
        with pytest.warns(UserWarning, match="going on from epoch-000002"):
            assert_same(fit(folder, 5), unharmed)

    def test_all(self, folder):
        """Refused: to begin anew without a word would lose hours."""
        for path in folder.iterdir():
            os.truncate(path, 100)
        before, gan = names(folder), make()
        weights = gan.get_weights()
        with pytest.raises(ValueError, match="every checkpoint in it is damaged"):
            fit(folder, 5, gan)
        assert names(folder) == before
        assert all(np.array_equal(a, b) for a, b in zip(weights, gan.get_weights(), strict=True))

    @pytest.mark.parametrize("other", [{"width": 8}, {"optimizer": keras.optimizers.RMSprop}])
    def test_of_another_gan(self, folder, other):
        """Keras loads what fits before it fails; here nothing stays of that."""
        gan, before = make(**other), make(**other)
        with pytest.raises(ValueError, match=r"epoch-000003-.* is of other networks or optimizers"):
            fit(folder, 5, gan)
        assert_same(fit(None, 1, gan), fit(None, 1, before))

    def test_full_disk(self, folder, monkeypatch):
        """It says so, and what was saved is there to go on from."""

        def full(*_):
            raise OSError(28, "No space left on device")

        before = set(folder.iterdir())
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            fit(folder, 5)
        assert set(folder.glob("epoch-*")) == before
        monkeypatch.undo()
        assert_same(fit(folder, 5), fit(folder.parent / "other", 5))


class TestArguments:
    @pytest.mark.parametrize("folder", [None, "", 3, ["run"]])
    def test_folder(self, folder):
        with pytest.raises(ValueError, match=re.escape(f"folder={folder!r}: want")):
            Checkpoint(folder)

    def test_arrays_are_refused(self, tmp_path):
        """Keras shuffles them with a state that it does not save."""
        with pytest.raises(ValueError, match=r"x=ndarray: want a tf.data.Dataset beside a Checkpoint"):
            fit(tmp_path / "run", 1, x=X)
        assert not (tmp_path / "run").exists()

    def test_endless_data(self, tmp_path):
        with pytest.raises(ValueError, match="steps_per_epoch=None: want"):
            fit(tmp_path, 1, x=batches(X).repeat())

    def test_two(self, tmp_path):
        with pytest.raises(ValueError, match="callbacks holds 2 Checkpoints"):
            fit(tmp_path, 1, callbacks=[Checkpoint(tmp_path), Checkpoint(tmp_path)])

    def test_initial_epoch(self, tmp_path):
        with pytest.raises(ValueError, match="initial_epoch=1: want none"):
            fit(tmp_path, 2, initial_epoch=1)

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "run").write_text("")
        with pytest.raises(FileExistsError, match="run"):
            fit(tmp_path / "run", 1)


class TestBackupAndRestore:
    """What Keras' own lacks, and so why there is `Checkpoint`; when one of these fails, it may go."""

    def test_history(self, tmp_path):
        def train(epochs):
            backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
            return fit(None, epochs, callbacks=[backup])[1]

        train(2)
        assert len(train(4)[0]["d_loss"]) == 2

    def test_altered_byte(self, tmp_path):
        """It goes on from weights that nobody has trained."""
        gan = make()
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False, double_checkpoint=True)
        fit(None, 2, gan, callbacks=[backup])
        kernel = gan.generator.trainable_variables[0].numpy()
        path = tmp_path / "latest.weights.h5"
        data = path.read_bytes()
        at = data.index(kernel.tobytes())
        path.write_bytes(data[: at + 2] + bytes([data[at + 2] ^ 64]) + data[at + 3 :])
        other = make()
        fit(None, 2, other, callbacks=[backup])  # no epoch is left: it loads
        assert not np.array_equal(other.generator.trainable_variables[0].numpy(), kernel)


class TestNotFinite:
    """NaN that appears during training stops it, with the player and the step."""

    class Poisoned(GAN):
        """The loss of one player is made NaN at its n-th step, or its gradient alone."""

        player, at, what = "discriminator", 7, "loss"

        def poison(self, loss, optimizer):
            now = tf.equal(optimizer.iterations, self.at - 1)
            if self.what == "gradient":
                same = tf.custom_gradient(lambda x: (x, lambda g: tf.where(now, float("nan"), g)))
                return same(loss)
            return tf.where(now, tf.constant(float(self.what)), loss)

        def d_loss(self, x, z, c=None):
            loss = super().d_loss(x, z, c)
            return self.poison(loss, self.d_optimizer) if self.player == "discriminator" else loss

        def g_loss(self, x, z, c=None):
            loss = super().g_loss(x, z, c)
            return self.poison(loss, self.g_optimizer) if self.player == "generator" else loss

    def poisoned(self, player, at, what, d_steps=1):
        keras.utils.set_random_seed(0)
        gan = self.Poisoned(mlp(3, [8], 2), mlp(2, [8], 1), 3, d_steps=d_steps)
        gan.player, gan.at, gan.what = player, at, what
        gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
        return gan

    @pytest.mark.parametrize("player", ["discriminator", "generator"])
    @pytest.mark.parametrize(("what", "word"), [("nan", "NaN"), ("inf", "Inf"), ("-inf", "Inf")])
    @pytest.mark.parametrize("d_steps", [1, 2])
    def test_loss(self, player, what, word, d_steps):
        gan = self.poisoned(player, 7, what, d_steps)
        with pytest.raises(
            FloatingPointError, match=f"the {player}'s loss became .*{word} in its step 7, which"
        ):
            gan.fit(batches(X, batch_size=8), epochs=5, verbose=0)
        optimizer = gan.d_optimizer if player == "discriminator" else gan.g_optimizer
        assert int(optimizer.iterations) == 6
        assert all(np.isfinite(w).all() for w in gan.get_weights())

    @pytest.mark.parametrize("player", ["discriminator", "generator"])
    def test_gradient(self, player):
        """Samples of NaN have a loss: a ReLU makes 0 of NaN."""
        gan = self.poisoned(player, 7, "gradient")
        with pytest.raises(
            FloatingPointError, match=f"the {player}'s gradient became NaN in its step 7, which"
        ):
            gan.fit(batches(X, batch_size=8), epochs=5, verbose=0)
        assert all(np.isfinite(w).all() for w in gan.get_weights())

    def test_a_real_one(self):
        """No tricks: a learning rate far too large for a loss without a bound."""

        class Unbounded:
            def d_loss(self, real, fake):
                return keras.ops.mean(fake) - keras.ops.mean(real)

            def g_loss(self, fake):
                return -keras.ops.mean(fake)

        gan = make()
        gan.compile(keras.optimizers.SGD(1e9), keras.optimizers.SGD(1e9), Unbounded())
        with pytest.raises(FloatingPointError, match=r"the (discriminator|generator)'s"):
            gan.fit(batches(X, batch_size=8), epochs=50, verbose=0)

    def test_data_of_a_later_batch(self):
        """`fit` checks the first batch of a plain dataset; the others show in the gradient."""
        x = X.copy()
        x[50, 0] = np.nan
        gan = make()
        before = [w.copy() for w in gan.generator.get_weights()]
        with pytest.raises(
            FloatingPointError, match=r"the discriminator's \w+ became NaN in its step 7, which"
        ):
            gan.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), verbose=0)
        assert int(gan.d_optimizer.iterations) == int(gan.g_optimizer.iterations) == 6
        assert all(np.isfinite(w).all() for w in gan.get_weights())
        assert not all(np.array_equal(a, b) for a, b in zip(before, gan.generator.get_weights(), strict=True))

    def test_other_errors_of_tensorflow_pass(self):
        """A batch too small for d_steps is none of ours."""

        def short():
            yield X[:8]
            yield X[:1]

        data = tf.data.Dataset.from_generator(short, output_signature=tf.TensorSpec((None, 2), tf.float32))
        gan = self.poisoned("generator", -1, "nan", d_steps=2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="smaller than d_steps"):
            gan.fit(data, verbose=0)
