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
    draws = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: gan.sample_z(5))
    history = gan.fit(data, epochs=epochs, verbose=0, callbacks=[backup, draws])
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


class Draws(keras.callbacks.Callback):
    """Draws of the GAN's noise wherever a callback is called in training."""

    def draw(self, *_, **__):
        self.model.sample_z(5)

    on_train_begin = on_epoch_begin = on_train_batch_begin = draw
    on_train_batch_end = on_epoch_end = on_train_end = draw


class Changes(keras.callbacks.Callback):
    """Changes a weight, an optimizer's moment, a rate and the logs after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        for variable in (self.model.generator.weights[0], self.model.d_optimizer.variables[-1]):
            variable.assign_add(keras.ops.full_like(variable, 0.01))
        self.model.g_optimizer.learning_rate = 1e-3 / (epoch + 1)
        logs["largest"] = np.float32(keras.ops.max(self.model.sample_z(5)))


class Killed(BaseException):
    """As SIGKILL, but that the process goes on."""


def kill(step):
    """A callback that kills training after so many steps."""
    steps = iter(range(1, step))

    def on_batch_end(*_, **__):
        if next(steps, None) is None:
            raise Killed

    return keras.callbacks.LambdaCallback(on_train_batch_end=on_batch_end)


def counting(kind, **kwargs):
    """After its first epoch nothing is good enough for it, so that all depends on what it has counted."""
    return kind(monitor="d_loss", mode="min", min_delta=10.0, **kwargs)


def averages():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


OTHERS = {
    "draws": lambda: [Draws()],
    "changes": lambda: [Changes()],
    "scheduler": lambda: [keras.callbacks.LearningRateScheduler(lambda _, rate: 0.9 * rate)],
    "plateau": lambda: [
        counting(keras.callbacks.ReduceLROnPlateau, factor=0.5, patience=1, cooldown=1),
        counting(keras.callbacks.ReduceLROnPlateau, factor=0.9, patience=3),
    ],
    "stopping": lambda: [counting(keras.callbacks.EarlyStopping, patience=4)],
    "averages": lambda: [averages(), Draws()],
    "all": lambda: [*OTHERS["scheduler"](), Draws(), averages(), *OTHERS["stopping"](), Changes()],
}


@pytest.fixture(scope="module")
def train():
    """Trains for some epochs of 3 steps, as a new process does: (folder, callbacks, ...) to the result."""
    keras.utils.set_random_seed(0)
    gan = GAN(mlp(3, [4], 2), mlp(2, [4], 1), 3)
    adam = [keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.7, name=name) for name in "dg"]
    gan.compile(*adam, steps_per_execution=1)
    variables = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
    start = [variable.numpy() for variable in variables]

    def run(folder, callbacks, epochs=6, **kwargs):
        keras.utils.set_random_seed(0)
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        return fit(folder, epochs, gan, callbacks=callbacks, **kwargs)

    run.gan = gan
    return run


class TestOtherCallbacks:
    """Wherever a Checkpoint stands among them, the run that was killed ends as the one that was not."""

    @pytest.mark.parametrize("others", OTHERS)
    def test_killed(self, train, tmp_path, others):
        def callbacks(folder):
            return [Checkpoint(tmp_path / folder), OTHERS[others]()]

        whole = train("whole", callbacks("whole"))
        with pytest.raises(Killed):
            train("killed", [*callbacks("killed"), kill(8)])
        assert names(tmp_path / "killed") == ["epoch-000001.weights.h5", "epoch-000002.weights.h5"]
        assert_same(train("killed", callbacks("killed")), whole)

    @pytest.mark.parametrize("others", OTHERS)
    def test_ended(self, train, tmp_path, others):
        """A run that was to be shorter, and one that has nothing left to do."""

        def callbacks(folder):
            return [*OTHERS[others](), [Checkpoint(tmp_path / folder)]]

        whole = train("whole", callbacks("whole"))
        assert_same(train("whole", callbacks("whole")), whole)
        train("ended", callbacks("ended"), epochs=3)
        assert_same(train("ended", callbacks("ended")), whole)

    @pytest.mark.parametrize("place", range(4))
    def test_place(self, train, tmp_path, place):
        """The result does not depend on it, nor on how the callbacks are handed over."""

        def callbacks(folder, place):
            found = OTHERS["all"]()
            return [*found[:place], Checkpoint(tmp_path / folder), *found[place:]]

        first = train("first", callbacks("first", 0))
        assert_same(train("other", callbacks("other", place)), first)

    def test_callback_list(self, train, tmp_path):
        def callbacks(folder):
            others = [Checkpoint(tmp_path / folder), Draws()]
            return keras.callbacks.CallbackList(others, add_history=True, model=train.gan, epochs=6)

        whole = train("whole", callbacks("whole"))
        train("ended", callbacks("ended"), epochs=3)
        assert_same(train("ended", callbacks("ended")), whole)

    def test_the_best_is_known(self, train, tmp_path):
        """ModelCheckpoint does not write over what was better before the kill."""
        path = tmp_path / "best.weights.h5"

        def callbacks():
            score = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=-epoch))
            best = keras.callbacks.ModelCheckpoint(path, "score", 0, True, True, mode="max")
            return [score, best, Checkpoint(tmp_path / "run")]

        train("run", callbacks(), epochs=2)
        best = path.read_bytes()
        train("run", callbacks(), epochs=4)
        assert path.read_bytes() == best

    @pytest.mark.parametrize(("kept", "monitor"), [(True, "d_loss"), (False, "g_loss"), (False, "d_loss")])
    def test_others_begin_anew(self, train, tmp_path, kept, monitor):
        """One whose weights are not in the file, and one that watches another number than before."""
        stopping = keras.callbacks.EarlyStopping

        def callbacks(monitor):
            watch = {"monitor": monitor, "restore_best_weights": kept, "patience": 9, "mode": "min"}
            return [stopping(min_delta=10.0, **watch), Checkpoint(tmp_path / "run")]

        train("run", callbacks("d_loss"), epochs=3)
        both = callbacks(monitor)
        train("run", both, epochs=5)
        assert both[0].wait == (4 if (kept, monitor) == (False, "d_loss") else 1)

    def test_averages_are_left_in_the_model(self, train, tmp_path):
        """As without a Checkpoint, to rounding, whether the last epoch is reached or a callback stops."""
        x = tf.data.Dataset.from_tensor_slices(X).batch(32)
        wanted, _ = train(None, [averages()], x=x)
        found, _ = train("run", [averages(), Checkpoint(tmp_path / "run")], x=x)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)
        stopping = counting(keras.callbacks.EarlyStopping, patience=2)
        train("stopped", [averages(), stopping, Checkpoint(tmp_path / "stopped")], epochs=50)
        found = train.gan.generator.get_weights()
        train("ended", [averages(), Checkpoint(tmp_path / "ended")], epochs=3)
        for a, b in zip(found, train.gan.generator.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_numbers_in_the_logs(self, train, tmp_path):
        numbers = {"a": np.float32(0.1), "b": np.ones(2), "c": tf.constant(3.0), "d": float("nan"), "e": 7}

        def callbacks():
            logs = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(numbers))
            return [Checkpoint(tmp_path / "run"), logs]

        train("run", callbacks(), epochs=1)
        _, (history, _) = train("run", callbacks(), epochs=2)
        for name, number in numbers.items():
            np.testing.assert_array_equal(history[name], [number, number])

    def test_what_cannot_be_saved_in_the_logs(self, train, tmp_path):
        logs = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(number=print))
        with pytest.raises(ValueError, match=r"a callback has put <built-in .*> into the logs: want"):
            train("run", [Checkpoint(tmp_path / "run"), logs])
        assert names(tmp_path / "run") == []


class TestStopped:
    """Training that ends before its time, and a process that goes on."""

    def test_within_an_epoch(self, train, tmp_path):
        """The epoch that is cut short is not taken for a whole one."""

        def stop(batch, logs=None):
            train.gan.stop_training = train.gan.g_optimizer.iterations >= 8

        whole = train("whole", [Checkpoint(tmp_path / "whole")])
        stops = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        train("run", [Checkpoint(tmp_path / "run"), stops])
        assert names(tmp_path / "run") == ["epoch-000001.weights.h5", "epoch-000002.weights.h5"]
        assert_same(train("run", [Checkpoint(tmp_path / "run")]), whole)

    def test_at_the_end_of_an_epoch(self, train, tmp_path):
        """It is saved, and a callback that would not stop again does not keep the run from going on."""

        def stop(epoch, logs=None):
            train.gan.stop_training = epoch == 2

        whole = train("whole", [Checkpoint(tmp_path / "whole")])
        stops = keras.callbacks.LambdaCallback(on_epoch_end=stop)
        train("run", [Checkpoint(tmp_path / "run"), stops])
        assert names(tmp_path / "run") == ["epoch-000002.weights.h5", "epoch-000003.weights.h5"]
        assert_same(train("run", [Checkpoint(tmp_path / "run"), stops]), whole)

    def test_more_patience(self, train, tmp_path):
        def callbacks(patience):
            stopping = counting(keras.callbacks.EarlyStopping, patience=patience)
            return [Checkpoint(tmp_path / "run"), stopping]

        assert len(train("run", callbacks(2), epochs=9)[1][1]) == 3
        assert len(train("run", callbacks(2), epochs=9)[1][1]) == 3
        assert len(train("run", callbacks(4), epochs=9)[1][1]) == 5

    @pytest.mark.parametrize("swapped", [False, True])
    def test_interrupted_and_called_again(self, train, tmp_path, swapped):
        """With the same GAN and the same callbacks, one of which may have the averages in the model."""
        whole = train("whole", [Checkpoint(tmp_path / "whole"), averages()])
        callbacks = [Checkpoint(tmp_path / "run"), averages()]
        with pytest.raises(Killed):
            train("run", [*callbacks, kill(8)])
        if swapped:
            callbacks[1].on_epoch_end(2)
        assert_same(fit(None, 6, train.gan, callbacks=callbacks), whole)

    def test_fewer_epochs_than_done(self, train, tmp_path):
        whole = train("run", [Checkpoint(tmp_path / "run")])
        before = names(tmp_path / "run")
        assert_same(train("run", [Checkpoint(tmp_path / "run")], epochs=2), whole)
        assert names(tmp_path / "run") == before


class TestSettings:
    """What `compile` is given counts, and what differs from the run so far is said."""

    def fit(self, folder, epochs, d_optimizer, g_optimizer=None, gan=None, others=()):
        gan = gan or make()
        gan.compile(d_optimizer, g_optimizer or keras.optimizers.Adam(1e-2))
        return gan, fit(folder, epochs, gan, callbacks=[Checkpoint(folder), *others])[0]

    def quietly(self, *args, **kwargs):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*other settings")
            return self.fit(*args, **kwargs)

    def test_a_new_rate_is_kept(self, tmp_path):
        adam = keras.optimizers.Adam
        _, old = self.quietly(tmp_path, 2, adam(1e-2))
        says = r"epoch-000002-.* with other settings: d_optimizer's learning_rate was 0.01 and is 0.001$"
        with pytest.warns(UserWarning, match=says) as caught:
            gan, new = self.fit(tmp_path, 2, adam(1e-3))
        assert [w.filename for w in caught if "settings" in str(w.message)] == [__file__]
        assert float(gan.d_optimizer.learning_rate) == np.float32(1e-3)
        different = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a.tobytes() != b.tobytes()]
        rate = len(gan.variables) + [v.name for v in gan.d_optimizer.variables].index("learning_rate")
        assert different == [rate]  # all else goes on
        with pytest.warns(UserWarning, match=says):
            self.fit(tmp_path, 3, adam(1e-3))
        gan, _ = self.quietly(tmp_path, 4, adam(1e-3))  # now it is that of the run
        assert float(gan.d_optimizer.learning_rate) == np.float32(1e-3)
        with pytest.warns(UserWarning, match="d_optimizer's learning_rate was 0.001 and is 0.01$"):
            self.fit(tmp_path, 4, adam(1e-2))

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ({"beta_1": 0.9}, {"beta_1": 0.5}, "beta_1 was 0.9 and is 0.5"),
            ({}, {"clipnorm": 1.0}, "clipnorm was None and is 1"),
            ({"weight_decay": 0.1}, {}, "weight_decay was 0.1 and is None"),
            (
                {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 100)},
                {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 50)},
                "learning_rate was .*'decay_steps': 100,.* and is .*'decay_steps': 50,",
            ),
        ],
    )
    def test_other_settings(self, tmp_path, old, new, says):
        self.quietly(tmp_path, 1, keras.optimizers.Adam(**old))
        self.quietly(tmp_path, 2, keras.optimizers.Adam(**old))
        with pytest.warns(UserWarning, match=f"settings: d_optimizer's {says}"):
            gan, _ = self.fit(tmp_path, 3, keras.optimizers.Adam(**new))
        config = gan.d_optimizer.get_config()
        assert all(config[name] == keras.saving.serialize_keras_object(new[name]) for name in new)

    def test_both_players(self, tmp_path):
        self.fit(tmp_path, 1, keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        says = (
            "d_optimizer's learning_rate was 0.1 and is 0.2; g_optimizer's learning_rate was 0.1 and is 0.3"
        )
        with pytest.warns(UserWarning, match=says):
            gan, _ = self.fit(tmp_path, 2, keras.optimizers.SGD(0.2), keras.optimizers.SGD(0.3))
        assert float(gan.d_optimizer.learning_rate) == np.float32(0.2)
        assert float(gan.g_optimizer.learning_rate) == np.float32(0.3)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (keras.optimizers.RMSprop, keras.optimizers.Adagrad),  # as many variables, of another meaning
            (keras.optimizers.Adam, keras.optimizers.SGD),
        ],
    )
    def test_another_class(self, tmp_path, old, new):
        self.fit(tmp_path, 1, old())
        says = f"is of other networks or .* d_optimizer's class was '{old.__name__}' and is '{new.__name__}'"
        with pytest.raises(ValueError, match=says):
            self.fit(tmp_path, 2, new())

    def test_a_schedule_in_place_of_a_rate(self, tmp_path):
        self.fit(tmp_path, 1, keras.optimizers.Adam(0.1))
        says = "is of other networks or .* d_optimizer's learning_rate was 0.1 and is .*'CosineDecay'"
        with pytest.raises(ValueError, match=says):
            self.fit(tmp_path, 2, keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9)))

    def test_the_rate_that_the_run_had_come_to(self, tmp_path):
        """Not a new one: what callbacks made of it before the kill, or in this process."""

        def others():
            return [counting(keras.callbacks.ReduceLROnPlateau, factor=0.5, patience=1)]

        gan, _ = self.quietly(tmp_path, 3, keras.optimizers.Adam(0.1), others=others())
        assert float(gan.d_optimizer.learning_rate) == np.float32(0.025)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*other settings")
            fit(None, 4, gan, callbacks=[Checkpoint(tmp_path), *others()])
        assert float(gan.d_optimizer.learning_rate) == np.float32(0.0125)
        gan, _ = self.quietly(tmp_path, 5, keras.optimizers.Adam(0.1), others=others())
        assert float(gan.d_optimizer.learning_rate) == np.float32(0.00625)

    def test_a_new_scale_of_the_loss(self, tmp_path):
        def scaled(scale):
            keras.utils.set_random_seed(0)
            gan = GAN(mlp(3, [4], 2), mlp(2, [4], 1), 3)
            return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=scale), gan

        keras.config.set_dtype_policy("mixed_float16")
        try:
            optimizer, gan = scaled(256.0)
            self.quietly(tmp_path, 1, optimizer, gan=gan)
            optimizer, gan = scaled(16.0)
            with pytest.warns(UserWarning, match="d_optimizer's initial_scale was 256 and is 16$"):
                self.fit(tmp_path, 2, optimizer, gan=gan)
            assert float(gan.d_optimizer.dynamic_scale) == 16.0
            optimizer, gan = scaled(16.0)
            self.quietly(tmp_path, 3, optimizer, gan=gan)
        finally:
            keras.config.set_dtype_policy("float32")

    def test_set_between_two_fits(self, tmp_path):
        gan, _ = self.quietly(tmp_path, 1, keras.optimizers.Adam(0.1))
        gan.d_optimizer.learning_rate = 0.01
        with pytest.warns(UserWarning, match="d_optimizer's learning_rate was 0.1 and is 0.01"):
            fit(tmp_path, 2, gan)
        assert float(gan.d_optimizer.learning_rate) == np.float32(0.01)

    def test_a_schedule_that_tells_nothing(self, tmp_path):
        class Halving(keras.optimizers.schedules.LearningRateSchedule):
            def __call__(self, step):
                return 0.1 * 0.5 ** keras.ops.cast(step, "float32")

        whole = self.quietly(tmp_path / "whole", 3, keras.optimizers.Adam(Halving()))[1]
        self.quietly(tmp_path / "run", 1, keras.optimizers.Adam(Halving()))
        found = self.quietly(tmp_path / "run", 3, keras.optimizers.Adam(Halving()))[1]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found, whole, strict=True))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(tmp_path, policy):
    """The scale of the loss is taken up too: here it doubles every 4 steps."""

    def train(folder, epochs, more=()):
        keras.utils.set_random_seed(0)
        gan = GAN(mlp(3, [16], 2), mlp(2, [16], 1), 3)
        adam = keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2)
        if policy == "mixed_float16":
            scaled = keras.optimizers.LossScaleOptimizer
            adam = [scaled(a, initial_scale=2.0**8, dynamic_growth_steps=4) for a in adam]
        gan.compile(*adam)
        result = fit(None, epochs, gan, callbacks=[Checkpoint(tmp_path / folder), *more])
        if policy == "mixed_float16":
            assert float(gan.d_optimizer.dynamic_scale) == 2.0 ** (8 + 3 * epochs // 4)
        return result

    keras.config.set_dtype_policy(policy)
    try:
        whole = train("whole", 6)
        with pytest.raises(Killed):
            train("killed", 6, [kill(8)])
        assert_same(train("killed", 6), whole)
        train("ended", 3)
        assert_same(train("ended", 6), whole)
    finally:
        keras.config.set_dtype_policy("float32")


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

    def test_another_model(self, tmp_path):
        model = keras.Sequential([keras.layers.Dense(1, name="dense")], name="plain")
        model.compile(loss="mse")
        with pytest.raises(ValueError, match=r"given to plain\.fit: want it in that of a GAN"):
            model.fit(X, X[:, :1], callbacks=[Checkpoint(tmp_path)], verbose=0)

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

            def get_config(self):
                return {}

        gan = make()
        gan.compile(keras.optimizers.SGD(1e9), keras.optimizers.SGD(1e9), Unbounded())
        with pytest.raises(FloatingPointError, match=r"the (discriminator|generator)'s"):
            gan.fit(batches(X, batch_size=8), epochs=50, verbose=0)

    def test_data_of_a_later_batch(self):
        """`fit` checks the first batch of a plain dataset; the others show in the step, and get the blame."""
        x = X.copy()
        x[50, 0] = np.nan
        gan = make()
        before = [w.copy() for w in gan.generator.get_weights()]
        with pytest.raises(
            FloatingPointError, match="loss became NaN in its step 7, which was not taken: the data"
        ):
            gan.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), verbose=0)
        assert int(gan.d_optimizer.iterations) == int(gan.g_optimizer.iterations) == 6
        assert all(np.isfinite(w).all() for w in gan.get_weights())
        assert not all(np.array_equal(a, b) for a, b in zip(before, gan.generator.get_weights(), strict=True))

    def test_another_fault_is_not_taken_for_it(self):
        """A batch too small for d_steps."""

        def short():
            yield X[:8]
            yield X[:1]

        data = tf.data.Dataset.from_generator(short, output_signature=tf.TensorSpec((None, 2), tf.float32))
        gan = self.poisoned("generator", -1, "nan", d_steps=2)
        with pytest.raises(
            ValueError, match="in train step 2 a batch has 1 examples, smaller than d_steps=2"
        ):
            gan.fit(data, verbose=0)
