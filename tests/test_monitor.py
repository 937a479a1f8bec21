"""Watching a GAN: what is written is what G makes, the best is the best, and training notices nothing."""

import json
import math
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganbook import GAN, Checkpoint, Monitor, batches, cartoons, face_features, kernel_distance, mlp, pictures
from ganbook.plots import tile

SHAPE = (4, 4, 1)
X = np.tanh(np.random.default_rng(0).normal(size=(96, *SHAPE))).astype("float32")
HELD_OUT = np.tanh(np.random.default_rng(1).normal(size=(60, *SHAPE))).astype("float32")
LABELS = np.arange(96) % 3


def features(x):
    return x.reshape(len(x), -1)[:, :5]


@keras.saving.register_keras_serializable("test_monitor")
class AlwaysNoisy(keras.layers.Layer):
    """Draws in inference mode, too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.draws = keras.random.SeedGenerator(5)

    def call(self, x):
        return x + 0.3 * keras.random.normal(keras.ops.shape(x), seed=self.draws)


def make(*layers, shape=SHAPE, optimizer=keras.optimizers.Adam, dtype=None, rate=1e-2, **kwargs):
    keras.utils.set_random_seed(0)
    inner = [mlp(3, [8], 6), *layers]
    last = [keras.layers.Dense(math.prod(shape)), keras.layers.Activation("tanh", dtype=dtype)]
    g = keras.Sequential([*inner, *last, keras.layers.Reshape(shape, dtype=dtype)])
    d = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), mlp(math.prod(shape), [8], 1)])
    gan = GAN(g, d, 3, seed=4)
    gan.compile(optimizer(rate, **kwargs), optimizer(rate, **kwargs))
    return gan


def conditional():
    keras.utils.set_random_seed(0)
    z, c, x = keras.Input((3,)), keras.Input((), dtype="int64"), keras.Input(SHAPE)
    of_c = keras.layers.Embedding(3, 4, keras.initializers.RandomNormal(stddev=1.0))(c)
    made = keras.layers.Dense(16, "tanh")(keras.layers.Concatenate()([z, of_c]))
    g = keras.Model([z, c], keras.layers.Reshape(SHAPE)(made))
    seen = keras.layers.Concatenate()([keras.layers.Flatten()(x), keras.layers.Embedding(3, 4)(c)])
    gan = GAN(g, keras.Model([x, c], keras.layers.Dense(1)(seen)), 3)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return gan


def fit(gan, *callbacks, epochs=3, x=X, c=None, **kwargs):
    data = batches(x, c, batch_size=32, seed=1)
    return gan.fit(data, epochs=epochs, verbose=0, callbacks=[*callbacks], **kwargs).history


def noise(n, seed):
    """What `sample_z` of a GAN with this seed draws first."""
    return keras.random.normal((n, 3), seed=keras.random.SeedGenerator(seed))


def pixels(folder, epoch):
    with Image.open(folder / f"epoch-{epoch:06}.png") as picture:
        return np.asarray(picture)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def scripted(gan, biases):
    """A callback that makes of all samples one grey, another one after every epoch."""

    def on_epoch_end(epoch, logs=None):
        kernel, bias = gan.generator.layers[-3].variables
        kernel.assign(keras.ops.zeros_like(kernel) + 0.05)
        bias.assign(keras.ops.zeros_like(bias) + biases[epoch])

    return keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)


def state(gan):
    variables = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
    return [variable.numpy() for variable in variables]


def assert_same(found, wanted):
    assert [a.tobytes() for a in found] == [b.tobytes() for b in wanted]


class TestGrid:
    @pytest.mark.parametrize(("shape", "side"), [((4, 4, 1), 5), ((3, 6, 3), 2)])
    def test_is_what_g_makes_of_the_same_noise(self, tmp_path, shape, side):
        gan, wanted = make(shape=shape), []
        seen = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: wanted.append(tile(gan(noise(side**2, 11)).numpy(), side))
        )
        x = np.resize(X, (96, *shape))
        assert "kid" not in fit(gan, Monitor(tmp_path / "a" / "b", side=side, seed=11), seen, x=x)
        assert names(tmp_path / "a" / "b") == [f"epoch-00000{i}.png" for i in (1, 2, 3)]
        for epoch, picture in enumerate(wanted, 1):
            np.testing.assert_array_equal(pixels(tmp_path / "a" / "b", epoch), np.squeeze(picture))
        assert not np.array_equal(wanted[0], wanted[2])

    def test_the_seed_is_the_books(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GANBOOK_SEED", "3")
        gan = make()
        fit(gan, Monitor(tmp_path), epochs=1)
        np.testing.assert_array_equal(pixels(tmp_path, 1), tile(gan(noise(25, 3000)).numpy(), 5)[..., 0])

    def test_noise_of_layers_is_the_same_every_time(self, tmp_path):
        """Where nothing is learned, all pictures are one, though a layer draws in inference mode."""
        history = fit(make(AlwaysNoisy(), rate=1e-12), Monitor(tmp_path, HELD_OUT, features), epochs=2)
        np.testing.assert_array_equal(pixels(tmp_path, 1), pixels(tmp_path, 2))
        assert history["kid"][0] == pytest.approx(history["kid"][1], rel=1e-4)

    def test_beyond_the_range_is_cut_off(self, tmp_path):
        gan = make()
        gan.generator.layers[-2].activation = keras.activations.linear
        fit(gan, scripted(gan, [5.0, -5.0]), Monitor(tmp_path, HELD_OUT, features, side=1), epochs=2)
        assert (pixels(tmp_path, 1) == 255).all()
        assert (pixels(tmp_path, 2) == 0).all()

    @pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
    def test_small_floats(self, tmp_path, dtype):
        gan = make(dtype=dtype)
        assert gan.generator.compute_dtype == "float32"
        kid = fit(gan, Monitor(tmp_path, HELD_OUT, features), epochs=1)["kid"]
        assert gan(noise(2, 0)).dtype == dtype.removeprefix("mixed_")
        assert np.isfinite(kid).all()

    def test_averaged_weights(self, tmp_path):
        gan, wanted = make(use_ema=True, ema_momentum=0.9), []

        def before_the_swap(*_):
            weights = gan.generator.get_weights()
            averages = [v.numpy() for v in gan.g_optimizer._model_variables_moving_average]
            gan.generator.set_weights(averages)
            wanted.append(tile(gan(noise(25, 2)).numpy(), 5)[..., 0])
            gan.generator.set_weights(weights)
            assert not np.array_equal(wanted[-1], tile(gan(noise(25, 2)).numpy(), 5)[..., 0])

        first = keras.callbacks.LambdaCallback(on_epoch_end=before_the_swap)
        fit(gan, first, keras.callbacks.SwapEMAWeights(swap_on_epoch=True), Monitor(tmp_path, seed=2))
        for epoch, picture in enumerate(wanted, 1):
            np.testing.assert_array_equal(pixels(tmp_path, epoch), picture)


class TestKID:
    def by_hand(self, gan, held_out, c=None):
        samples = gan(noise(len(held_out), 6), c).numpy()
        return kernel_distance(features(held_out), features(samples))

    @pytest.mark.parametrize("n", [60, 501])  # 501: more than at once, and one is left over
    def test_by_hand(self, tmp_path, n):
        gan, wanted, held_out = make(), [], np.resize(HELD_OUT, (n, *SHAPE))
        behind = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _, logs: wanted.append((logs["kid"], self.by_hand(gan, held_out)))
        )
        history = fit(gan, Monitor(tmp_path, held_out, features, seed=6), behind)
        found, others = zip(*wanted, strict=True)
        assert history["kid"] == list(found)
        np.testing.assert_allclose(found, others, rtol=1e-5)
        assert len(set(found)) == 3

    def test_conditions(self, tmp_path):
        gan, c = conditional(), np.random.default_rng(2).choice(3, 60, p=[0.1, 0.2, 0.7])
        monitor = Monitor(tmp_path, HELD_OUT, features, c=c, seed=6)
        (kid,) = fit(gan, monitor, c=LABELS, epochs=1)["kid"]
        assert kid == pytest.approx(self.by_hand(gan, HELD_OUT, c), rel=1e-5)
        assert kid != pytest.approx(self.by_hand(gan, HELD_OUT, LABELS[:60]), rel=0.05)
        grid = tile(gan(noise(25, 6), c[:25]).numpy(), 5)[..., 0]
        np.testing.assert_array_equal(pixels(tmp_path, 1), grid)

    def test_conditions_without_held_out_pictures(self, tmp_path):
        gan = conditional()
        fit(gan, Monitor(tmp_path, c=[0, 1, 2, 2], side=2, seed=6), c=LABELS, epochs=1)
        grid = tile(gan(noise(4, 6), np.array([0, 1, 2, 2])).numpy(), 2)[..., 0]
        np.testing.assert_array_equal(pixels(tmp_path, 1), grid)

    @pytest.mark.filterwarnings("ignore:Early stopping conditioned on metric `kid`")
    def test_every(self, tmp_path):
        """The first epoch and every third; each is what a Monitor of every epoch finds there."""
        path = tmp_path / "log.csv"
        log, stop = (
            keras.callbacks.CSVLogger(path),
            keras.callbacks.EarlyStopping("kid", mode="min", patience=9),
        )
        some = fit(make(), Monitor(tmp_path / "a", HELD_OUT, features, every=3), log, stop, epochs=7)["kid"]
        each = fit(make(), Monitor(tmp_path / "b", HELD_OUT, features), epochs=7)["kid"]
        assert some == [each[0], each[2], each[5]]
        header, *rows = [line.split(",") for line in path.read_text().splitlines()]
        found = [row[header.index("kid")] for row in rows]
        assert [i for i, value in enumerate(found) if value != "NA"] == [0, 2, 5]
        assert stop.wait < 3

    def test_features_of_held_out_pictures_are_computed_once(self, tmp_path):
        seen = []

        def counting(x):
            seen.append(np.array_equal(x, HELD_OUT))
            return features(x)

        gan, monitor = make(), Monitor(tmp_path, HELD_OUT, counting)
        fit(gan, monitor)
        fit(gan, monitor, epochs=2)
        assert seen == [True] + 5 * [False]

    def test_a_folder_of_pictures(self, tmp_path):
        for i, x in enumerate(cartoons.faces(30, seed=0, size=32)[0]):
            Image.fromarray(np.round((x + 1) * 127.5).astype("uint8")).save(tmp_path / f"{i:02}.png")
        held_out, x = pictures(tmp_path, size=32), cartoons.faces(64, seed=1)[0]
        lazy, arrays = (
            fit(make(shape=(32, 32, 3)), Monitor(tmp_path / "run", h, face_features), x=x, epochs=1)["kid"]
            for h in (held_out, held_out[:])
        )
        assert lazy == arrays

    def test_network_as_features(self, tmp_path):
        network = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4)])
        gan = make()
        monitor = Monitor(tmp_path, HELD_OUT, lambda x: network.predict(x, verbose=0), seed=6)
        (kid,) = fit(gan, monitor, epochs=1)["kid"]
        samples = gan(noise(60, 6))
        wanted = kernel_distance(network(HELD_OUT).numpy(), network(samples).numpy())
        assert kid == pytest.approx(wanted, rel=1e-4)


class TestBest:
    GREYS = (1.2, 0.6, 0.1, 0.5, 1.1)  # about 0, as the held-out pictures are, in the third epoch

    def test_is_that_of_the_least_kid(self, tmp_path):
        gan = make()
        kid = fit(gan, scripted(gan, self.GREYS), Monitor(tmp_path, HELD_OUT, features), epochs=5)["kid"]
        assert kid[0] > kid[1] > kid[2] < kid[3] < kid[4]
        assert json.loads((tmp_path / "best.json").read_text()) == {"epoch": 3, "kid": kid[2]}
        best = keras.saving.load_model(tmp_path / "best.keras")
        grid = tile(best(noise(25, 0)).numpy(), 5)[..., 0]
        np.testing.assert_array_equal(grid, pixels(tmp_path, 3))
        np.testing.assert_allclose(best.layers[-3].bias, 0.1)
        assert names(tmp_path) == ["best.json", "best.keras", *(f"epoch-00000{i}.png" for i in range(1, 6))]

    def test_early_stopping(self, tmp_path):
        gan, stopping = make(), keras.callbacks.EarlyStopping("kid", mode="min", patience=1)
        monitor = Monitor(tmp_path, HELD_OUT, features)
        assert len(fit(gan, scripted(gan, self.GREYS), monitor, stopping, epochs=5)["kid"]) == 4

    def test_a_fit_that_goes_on(self, tmp_path):
        """Epochs 3 and 4 are worse than 2, and 5 is better. Each Monitor is new: it knows the files alone."""
        gan = make()

        def go_on(greys, done):
            script = scripted(gan, {done + i: grey for i, grey in enumerate(greys)})
            monitor = Monitor(tmp_path, HELD_OUT, features)
            fit(gan, script, monitor, epochs=done + len(greys), initial_epoch=done)
            return json.loads((tmp_path / "best.json").read_text())["epoch"]

        assert go_on((0.9, 0.5), 0) == 2
        assert go_on((0.8, 0.7), 2) == 2
        assert not (tmp_path / "older-best.keras").exists()
        assert go_on((0.1,), 4) == 5

    @pytest.mark.parametrize("done", [0, 2])
    def test_a_best_of_another_run_is_put_aside(self, tmp_path, done):
        """A run that begins, or goes on from an epoch before that best, is not measured against it."""
        gan = make()
        fit(gan, scripted(gan, self.GREYS), Monitor(tmp_path, HELD_OUT, features), epochs=5)
        old = (tmp_path / "best.keras").read_bytes()
        monitor = Monitor(tmp_path, HELD_OUT, features, every=3)
        script = scripted(gan, {0: 0.9, 1: 0.9, 2: 0.8})
        fit(gan, script, monitor, epochs=3, initial_epoch=done)
        assert (tmp_path / "older-best.keras").read_bytes() == old
        assert json.loads((tmp_path / "older-best.json").read_text())["epoch"] == 3
        best = keras.saving.load_model(tmp_path / "best.keras")
        np.testing.assert_allclose(best.layers[-3].bias, 0.8)

    def test_nothing_is_half_written(self, tmp_path, monkeypatch):
        gan = make()
        fit(gan, scripted(gan, [0.5]), Monitor(tmp_path, HELD_OUT, features), epochs=1)
        before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}

        def go_on():
            monitor = Monitor(tmp_path, HELD_OUT, features)
            fit(gan, scripted(gan, {1: 0.1}), monitor, epochs=2, initial_epoch=1)

        for deadly in (1, 2, 3):  # as it writes the picture, the generator, what is known of that
            times = iter(range(1, deadly))

            def fsync(_, times=times):
                if next(times, None) is None:
                    raise KeyboardInterrupt

            monkeypatch.setattr("ganbook.monitor.os.fsync", fsync)
            with pytest.raises(KeyboardInterrupt):
                go_on()
            monkeypatch.undo()
            new = {name for name in names(tmp_path) if name not in before and "writing" not in name}
            assert new == ({"epoch-000002.png"} if deadly > 1 else set())
            changed = {name for name, old in before.items() if (tmp_path / name).read_bytes() != old}
            assert changed == ({"best.keras"} if deadly > 2 else set())
        go_on()  # and what is known is of the generator again
        assert json.loads((tmp_path / "best.json").read_text())["epoch"] == 2
        assert not [name for name in names(tmp_path) if "writing" in name]


class TestTraining:
    """Is what it was without."""

    def layers(self):
        keras.utils.set_random_seed(0)  # which Dropout's own seed is drawn from
        return [keras.layers.BatchNormalization(), keras.layers.Dropout(0.3), AlwaysNoisy()]

    def test_bit_for_bit(self, tmp_path):
        def run(*callbacks):
            gan = make(*self.layers())
            random.seed(0)
            history = fit(gan, *callbacks)
            draws = [random.random(), np.random.random(), keras.random.normal(()), tf.random.normal(())]
            return gan, history, [np.asarray(d) for d in draws]

        (one, history, draws), (other, watched, others) = run(), run(Monitor(tmp_path, HELD_OUT, features))
        assert len(watched.pop("kid")) == 3
        assert watched == history
        assert_same(state(other), state(one))
        assert_same(others, draws)
        assert other.steps_per_execution == one.steps_per_execution > 1

    @pytest.mark.parametrize("every", [1, 2])
    def test_killed_and_resumed(self, tmp_path, every):
        def run(folder, epochs):
            gan = make(*self.layers())
            monitor = Monitor(tmp_path / folder / "look", HELD_OUT, features, every=every)
            history = fit(gan, monitor, Checkpoint(tmp_path / folder), epochs=epochs)
            return history, state(gan)

        history, end = run("whole", 4)
        run("killed", 2)
        resumed, other_end = run("killed", 4)
        assert resumed == history
        assert len(history["kid"]) == (4 if every == 1 else 3)
        assert_same(other_end, end)
        whole, killed = tmp_path / "whole" / "look", tmp_path / "killed" / "look"
        assert names(killed) == names(whole)
        assert len(names(whole)) == 6
        for name in set(names(whole)) - {"best.keras"}:
            assert (killed / name).read_bytes() == (whole / name).read_bytes()
        best, other = (keras.saving.load_model(path / "best.keras").get_weights() for path in (whole, killed))
        assert_same(other, best)

    def test_an_epoch_cut_short_is_left_out(self, tmp_path):
        gan = make()

        def stop(batch, logs=None):
            gan.stop_training = gan.g_optimizer.iterations >= 5  # of 3 an epoch

        stops = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        assert len(fit(gan, stops, Monitor(tmp_path, HELD_OUT, features))["kid"]) == 1
        assert "epoch-000002.png" not in names(tmp_path)
        assert json.loads((tmp_path / "best.json").read_text())["epoch"] == 1


class TestRefused:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"folder": None}, "folder=None: want the path of a folder"),
            ({"folder": ""}, "folder='': want the path of a folder"),
            (
                {"held_out": HELD_OUT},
                "features=None: want a function of pictures with held_out, or none",
            ),
            ({"features": features}, "want a function of pictures with held_out, or none"),
            ({"held_out": HELD_OUT, "features": 3}, "features=3: want a function of pictures with"),
            (
                {"held_out": HELD_OUT * 255, "features": features},
                "held_out has values from .* want floats in",
            ),
            ({"held_out": HELD_OUT[0], "features": features}, r"held_out has examples of shape \(4, 1\)"),
            ({"held_out": np.uint8(HELD_OUT), "features": features}, "held_out has dtype uint8"),
            ({"held_out": HELD_OUT[:1], "features": features}, "held_out has 1 pictures: want at least 2"),
            (
                {"held_out": HELD_OUT[:24], "features": features, "c": LABELS[:24]},
                "held_out has 24 pictures: want at least 25",
            ),
            ({"held_out": HELD_OUT, "features": features, "c": LABELS}, "c has 96 conditions: want 60"),
            ({"c": LABELS[:24]}, "c has 24 conditions: want 25"),
            ({"every": 0}, "every=0: want an int"),
            ({"side": 0}, "side=0: want an int from 1 to 100"),
            ({"side": "5"}, "side='5': want an int from 1 to 100"),
            ({"seed": -1}, "seed=-1: want an int from 0"),
        ],
    )
    def test_arguments(self, tmp_path, kwargs, message):
        with pytest.raises(ValueError, match=message):
            Monitor(**{"folder": tmp_path / "run"} | kwargs)
        assert names(tmp_path) == []

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"features": lambda x: x}, r"features\(pictures\) has examples of shape \(4, 4, 1\): want"),
            ({"features": lambda x: x[:, 0, 0, 0]}, r"features\(pictures\) has examples of shape \(\): want"),
            ({"features": lambda x: features(x)[1:]}, r"features\(pictures\) has 59 rows: want 60"),
            (
                {"features": lambda x: features(x) * np.nan},
                r"features\(pictures\) holds nan at index \(0, 0\)",
            ),
            ({"features": lambda x: "none"}, r"features\(pictures\) has dtype"),
            ({"held_out": HELD_OUT[:, :3]}, r"held_out has examples of shape \(3, 4, 1\): want \(4, 4, 1\)"),
            ({"c": LABELS[:60]}, "c has 1 arrays: want 0, which the generator takes with z"),
        ],
    )
    def test_before_the_first_step(self, tmp_path, kwargs, message):
        gan = make()
        with pytest.raises(ValueError, match=message):
            fit(gan, Monitor(**{"folder": tmp_path, "held_out": HELD_OUT, "features": features} | kwargs))
        assert int(gan.d_optimizer.iterations) == 0
        assert names(tmp_path) == []

    @pytest.mark.parametrize(
        ("c", "message"),
        [(None, "c has 0 arrays: want 1"), (np.full(25, 3), "c holds the label 3: want .* below 3")],
    )
    def test_conditions(self, tmp_path, c, message):
        gan = conditional()
        with pytest.raises(ValueError, match=message):
            fit(gan, Monitor(tmp_path, c=c), c=LABELS)
        assert int(gan.d_optimizer.iterations) == 0

    def test_no_pictures(self, tmp_path):
        gan = GAN(mlp(3, [4], 2), mlp(2, [4], 1), 3)
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        with pytest.raises(ValueError, match=r"G makes examples of shape \(2,\): want pictures"):
            fit(gan, Monitor(tmp_path / "run"), x=X[:, 0, :2, 0])
        with pytest.raises(ValueError, match=r"G makes examples of shape \(4, 2, 2\): want pictures"):
            fit(make(shape=(4, 2, 2)), Monitor(tmp_path / "run"), x=X.reshape(96, 4, 2, 2))
        assert names(tmp_path) == []

    def test_a_generator_that_cannot_be_saved(self, tmp_path):
        class Own(keras.layers.Layer):
            def __init__(self, what):
                super().__init__()

            def call(self, x):
                return x

        gan = make(Own(object()))
        with pytest.raises(NotImplementedError, match="Own"):
            fit(gan, Monitor(tmp_path, HELD_OUT, features))
        assert int(gan.d_optimizer.iterations) == 0
        fit(gan, Monitor(tmp_path), epochs=1)  # which saves none

    def test_outside_a_gan(self, tmp_path):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="other")
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match=r"a Monitor was given to other\.fit: want it in that of a GAN"):
            model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[Monitor(tmp_path)])
