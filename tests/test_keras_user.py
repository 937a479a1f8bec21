"""`GAN` used as one uses any `keras.Model`: callbacks, saving, settings, conditions, precision."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from ganbook import GAN, MaximumLikelihood, NonSaturating, batches, dcgan_discriminator, mlp, ring

X = ring(std=0.1).sample(512, seed=0)
LABELS = np.arange(512) % 3


def adam(rate=1e-3, **more):
    return keras.optimizers.Adam(rate, beta_1=0.5, **more)


def new(kind=GAN, nets=None, d=1, d_optimizer=None, g_optimizer=None, seed=0, **compile_arguments):
    keras.utils.set_random_seed(seed)
    nets = nets() if callable(nets) else nets or (mlp(2, [8], 2, "tanh"), mlp(2, [8], 1, "tanh"))
    gan = kind(*nets, latent_dim=2, d_steps=d)
    gan.compile(d_optimizer or adam(), g_optimizer or adam(), **compile_arguments)
    return gan


def dataset(*arrays, size=64):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(size)


def conditional_nets():
    def build(n_out):
        a, c = keras.Input((2,)), keras.Input((), dtype="int32")
        h = layers.Concatenate()([a, layers.Embedding(3, 2)(c)])
        return keras.Model([a, c], layers.Dense(n_out)(h))

    return build(2), build(1)


def unbuilt():
    return tuple(keras.Sequential([layers.Dense(8, "tanh"), layers.Dense(n)]) for n in (2, 1))


def weights(model):
    return [w.copy() for w in model.get_weights()]


def same(a, b):
    return len(a) == len(b) > 0 and all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


def state(gan):
    """Weights, both optimizers and the random states."""
    variables = [*gan.weights, *gan._seed_states(), *gan.d_optimizer.variables, *gan.g_optimizer.variables]
    return [v.numpy().copy() for v in variables]


def rates(gan):
    return [float(optimizer.learning_rate) for optimizer in (gan.d_optimizer, gan.g_optimizer)]


@pytest.fixture
def policy(request):
    keras.mixed_precision.set_dtype_policy(request.param)
    yield request.param
    keras.mixed_precision.set_dtype_policy("float32")


class TestCallbacks:
    def test_learning_rate_scheduler_moves_both_rates(self):
        gan = new()
        halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        gan.fit(X, epochs=3, verbose=0, callbacks=[halved])
        np.testing.assert_allclose(rates(gan), [1e-3 / 8] * 2, rtol=1e-6)

    def test_rates_that_differ_are_scheduled_each_by_itself(self):
        gan = new(d_optimizer=adam(4e-3), g_optimizer=adam(1e-3))
        halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        gan.fit(X, epochs=2, verbose=0, callbacks=[halved])
        np.testing.assert_allclose(rates(gan), [1e-3, 2.5e-4], rtol=1e-6)

    def test_reduce_on_plateau_moves_both_rates(self):
        gan = new(d_optimizer=adam(4e-3), g_optimizer=adam(1e-3))
        never_better = {"mode": "min", "min_delta": 99.0, "patience": 1}
        plateau = keras.callbacks.ReduceLROnPlateau("d_loss", factor=0.1, **never_better)
        gan.fit(X, epochs=2, verbose=0, callbacks=[plateau])
        np.testing.assert_allclose(rates(gan), [4e-4, 1e-4], rtol=1e-6)

    def test_a_schedule_in_each_optimizer(self):
        """SGD with a schedule, against SGD whose rate is set by hand before each epoch of one step."""

        def schedule(first):
            return keras.optimizers.schedules.ExponentialDecay(first, 1, 0.5)

        gan = new(
            d_optimizer=keras.optimizers.SGD(schedule(0.4)), g_optimizer=keras.optimizers.SGD(schedule(0.1))
        )
        by_hand = new(d_optimizer=keras.optimizers.SGD(0.4), g_optimizer=keras.optimizers.SGD(0.1))
        whole = {"batch_size": 512, "shuffle": False, "verbose": 0}
        gan.fit(X, epochs=3, **whole)
        for epoch in range(3):
            by_hand.d_optimizer.learning_rate, by_hand.g_optimizer.learning_rate = (
                first * 0.5**epoch for first in (0.4, 0.1)
            )
            by_hand.fit(X, **whole)
        for a, b in zip(weights(gan), weights(by_hand), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("averaged", ["g", "dg"])
    def test_averages_of_weights_are_those_by_hand(self, averaged):
        """use_ema: the averages of the weights after each step, in the weights when training ends."""
        optimizers = {f"{p}_optimizer": adam(0.1, use_ema=True, ema_momentum=0.5) for p in averaged}
        gan, plain = new(**optimizers), new(d_optimizer=adam(0.1), g_optimizer=adam(0.1))
        if "d" not in averaged:
            gan.d_optimizer.learning_rate = 0.1
        whole = {"batch_size": 512, "shuffle": False, "verbose": 0}
        average = dict.fromkeys(averaged)
        for _ in range(3):
            plain.fit(X, **whole)
            for p in averaged:
                now = weights(plain.generator if p == "g" else plain.discriminator)
                average[p] = (
                    now
                    if average[p] is None
                    else [0.5 * a + 0.5 * b for a, b in zip(average[p], now, strict=True)]
                )
        gan.fit(X, epochs=3, **whole)
        for p in "dg":
            player = "generator" if p == "g" else "discriminator"
            wanted = average.get(p) or weights(getattr(plain, player))
            for a, b in zip(weights(getattr(gan, player)), wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    def test_swap_ema_weights_shows_averages_between_epochs(self):
        gan = new(g_optimizer=adam(0.1, use_ema=True, ema_momentum=0.9))
        seen = []
        looks = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(weights(gan.generator)),
            on_epoch_begin=lambda epoch, logs: seen.append(weights(gan.generator)),
        )
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        gan.fit(X, epochs=2, batch_size=64, shuffle=False, verbose=0, callbacks=[swap, looks])
        plain = new(g_optimizer=adam(0.1))
        plain.fit(X, batch_size=64, shuffle=False, verbose=0)
        raw = weights(plain.generator)
        assert max(np.abs(a - b).max() for a, b in zip(seen[1], raw, strict=True)) > 1e-3  # averages
        for a, b in zip(seen[2], raw, strict=True):  # and back before the second epoch
            np.testing.assert_allclose(a, b, atol=1e-5)

    def test_swap_ema_weights_without_averages_is_an_error(self):
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        with pytest.raises((ValueError, AttributeError), match="use_ema"):
            new().fit(X, verbose=0, callbacks=[swap])

    def test_tensorboard_sees_the_rates(self, tmp_path):
        """What it would write: the package that writes it need not be installed."""
        gan = new(d_optimizer=adam(4e-3), g_optimizer=adam(1e-3))
        board = keras.callbacks.TensorBoard(tmp_path)
        board._model = gan
        written = board._collect_learning_rate({})
        several = hasattr(keras.callbacks.LearningRateScheduler, "_update_optimizer_lr")  # since Keras 3.14
        np.testing.assert_allclose([*written.values()], [4e-3, 1e-3] if several else [4e-3], rtol=1e-6)

    def test_early_stopping_puts_the_best_weights_back(self):
        gan, seen = new(), []
        looks = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(weights(gan)))
        never_better = {"mode": "min", "min_delta": 99.0, "patience": 1}
        stop = keras.callbacks.EarlyStopping("g_loss", restore_best_weights=True, **never_better)
        gan.fit(X, epochs=5, verbose=0, callbacks=[looks, stop])
        assert len(seen) == 2
        assert same(seen[0], weights(gan))

    def test_a_list_of_callbacks_that_keras_made(self):
        gan, seen = new(), []
        epochs = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        made = keras.callbacks.CallbackList([epochs], add_history=True, model=gan, epochs=2)
        gan.fit(X, epochs=2, verbose=0, callbacks=made)
        assert seen == [0, 1]

    def test_optimizer_is_set_by_compile_alone(self):
        gan = new()
        assert gan.optimizer.optimizers == [gan.d_optimizer, gan.g_optimizer]
        assert len(gan.optimizer.variables) == len(gan.d_optimizer.variables + gan.g_optimizer.variables)
        gan.fit(X, batch_size=64, verbose=0)
        assert int(gan.optimizer.iterations) == 8
        only = type("Half", (), {"d_loss": NonSaturating().d_loss})()
        with pytest.raises(ValueError, match=r"loss=.*Half.*want an object with d_loss"):
            new(loss=only)
        with pytest.raises(ValueError, match="want d_optimizer and g_optimizer"):
            gan.optimizer = adam()

    def test_summary_counts_everything(self, capsys):
        gan = new()
        gan.summary()
        assert "Optimizer params" in capsys.readouterr().out


class TestEvaluate:
    def test_against_the_costs_by_hand(self):
        """Batches of 200, 200 and 112 examples: means over examples, in inference mode."""
        nets = (
            mlp(2, [8], 2),
            keras.Sequential([keras.Input((2,)), layers.Dense(8), layers.Dropout(0.5), layers.Dense(1)]),
        )
        gan = new(nets=nets)
        gan.fit(X, verbose=0)
        noise = keras.random.SeedGenerator(0)
        noise.state.assign(gan.noise_seed.state)
        before = state(gan)
        found = gan.evaluate(X, batch_size=200, verbose=0, return_dict=True)
        assert same(before, state(gan))
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        d_sum = g_sum = 0.0
        for x in (X[:200], X[200:400], X[400:]):
            z1, z2 = (keras.random.normal((len(x), 2), seed=noise) for _ in range(2))
            real, fake, again = (nets[1](a, training=False) for a in (x, nets[0](z1), nets[0](z2)))
            d_sum += len(x) * float(bce(tf.ones_like(real), real) + bce(tf.zeros_like(fake), fake)) / 2
            g_sum += len(x) * float(bce(tf.ones_like(again), again)) / 2
        np.testing.assert_allclose([found["d_loss"], found["g_loss"]], [d_sum / 512, g_sum / 512], rtol=1e-5)

    def test_training_goes_on_as_if_nothing_had_been_evaluated(self):
        one, two = new(), new()
        for gan in (one, two):
            gan.fit(X, shuffle=False, verbose=0)
            if gan is two:
                assert gan.evaluate(dataset(X), verbose=0) == gan.evaluate(dataset(X), verbose=0)
            gan.fit(X, shuffle=False, verbose=0)
        assert same(state(one), state(two))

    def test_errors_are_in_our_words(self):
        labels = LABELS.copy()
        labels[300] = 7
        with pytest.raises(ValueError, match="a layer met the label 7"):
            new(nets=conditional_nets).evaluate(dataset(X, labels), verbose=0)

    def test_pairs_and_test_on_batch(self):
        gan = new(nets=conditional_nets)
        both = gan.evaluate(X, LABELS, batch_size=512, verbose=0)
        assert np.isfinite(both).all()
        before = weights(gan)
        gan.test_on_batch(X, LABELS)
        assert same(weights(gan), before)

    def test_bad_input(self):
        gan = new()
        with pytest.raises(ValueError, match=r"x has examples of shape \(1,\)"):
            gan.evaluate(X[:, :1])
        with pytest.raises(ValueError, match="sample_weight was given"):
            gan.evaluate(X, sample_weight=X[:, 0])
        with pytest.raises(ValueError, match="compile was not called"):
            GAN(mlp(2, [4], 2), mlp(2, [4], 1), 2).evaluate(X)
        with pytest.raises(ValueError, match="steps=0: want an int of at least 1"):
            gan.evaluate(dataset(X), steps=0)
        with pytest.raises(ValueError, match=r"callbacks\[1\]='a': want a keras.callbacks.Callback"):
            gan.evaluate(X, callbacks=[keras.callbacks.Callback(), "a"])
        with pytest.raises(ValueError, match="x is an empty dataset"):
            gan.evaluate(dataset(X[:0]))

    def test_one_example_is_enough_whatever_d_steps_is(self):
        gan = new(d=4)
        assert np.isfinite(gan.evaluate(X[:1], verbose=0)).all()
        assert np.isfinite(gan.evaluate(dataset(X[:65]), steps=2, verbose=0)).all()


class TestBuildAndSave:
    def test_built_while_both_networks_are(self):
        generator, discriminator = unbuilt()
        gan = GAN(generator, discriminator, latent_dim=2)
        assert not gan.built
        generator.build((None, 2))
        assert not gan.built
        discriminator.build((None, 2))
        assert gan.built
        gan.built = False  # Keras may set what it likes
        assert gan.built

    def test_a_call_builds_and_draws_no_noise(self):
        gan = new(nets=unbuilt)
        state = gan.noise_seed.state.numpy()
        gan.build((None, 2))
        assert gan.built
        np.testing.assert_array_equal(state, gan.noise_seed.state)
        other = new(nets=unbuilt)
        assert other(other.sample_z(3)).shape == (3, 2)
        assert other.built

    def test_weights_into_unbuilt_networks(self, tmp_path):
        gan = new(nets=unbuilt)
        gan.fit(X, verbose=0)
        gan.save_weights(tmp_path / "a.weights.h5")
        for build in (lambda g: g.build((None, 2)), lambda g: None):
            other = new(nets=unbuilt, seed=1)
            build(other)
            other.load_weights(tmp_path / "a.weights.h5")
            assert same(weights(gan), weights(other))
            z = np.ones((4, 2), "float32")
            np.testing.assert_array_equal(gan(z), other(z))

    def test_build_says_what_it_needs(self, tmp_path):
        with pytest.raises(ValueError, match=r"z_shape has examples of shape \(3,\): want \(2,\)"):
            new(nets=unbuilt).build((None, 3))

        class NeedsLabels(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(2)

            def call(self, inputs):
                z, c = inputs
                return self.dense(ops.concatenate([z, ops.one_hot(c, 3)], axis=-1))

        gan = new(nets=(NeedsLabels(), unbuilt()[1]))
        with pytest.raises(ValueError, match="generator and the discriminator of GAN cannot be built"):
            gan.load_weights(tmp_path / "a.weights.h5")

    @pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a", "a.weights.h5", "a.pb"])
    def test_save_says_what_works(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("mine")
        with pytest.raises(ValueError, match=r"want a name that ends in \.keras.*save_weights"):
            new().save(path)
        assert path.read_text() == "mine"

    def test_the_old_format_says_so_too(self, tmp_path):
        with pytest.raises(ValueError, match=r"want gan.save with a name that ends in \.keras"):
            keras.saving.save_model(new(), tmp_path / "a.h5")

    def test_an_uncompiled_gan_is_saved_too(self, tmp_path):
        gan = GAN(mlp(2, [8], 2), mlp(2, [8], 1), 2)
        gan.save(tmp_path / "a.keras")
        again = keras.saving.load_model(tmp_path / "a.keras")
        assert same(weights(gan), weights(again))
        assert not again.compiled

    def test_export(self, tmp_path):
        gan = new()
        gan.fit(X, verbose=0)
        gan.export(tmp_path / "plain", verbose=False)
        z = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
        loaded = tf.saved_model.load(tmp_path / "plain")
        served = loaded.serve(z)
        np.testing.assert_allclose(served, gan(z), rtol=1e-5, atol=1e-6)

    def test_export_with_a_condition(self, tmp_path):
        gan = new(nets=conditional_nets)
        gan.export(tmp_path / "c", verbose=False)
        z, c = np.ones((4, 2), "float32"), np.array([0, 1, 2, 0], "int32")
        loaded = tf.saved_model.load(tmp_path / "c")
        served = loaded.serve(z, c)
        np.testing.assert_allclose(served, gan(z, c), rtol=1e-5, atol=1e-6)

    def test_a_loss_that_cannot_be_saved_is_said_at_compile(self, tmp_path):
        class Bare:
            d_loss, g_loss = NonSaturating().d_loss, NonSaturating().g_loss

        class Forgot(NonSaturating):
            def __init__(self, weight):
                self.weight = weight

        for loss, why in ((Bare(), "Bare has no get_config"), (Forgot(2), "Forgot has no get_config|fails")):
            with pytest.warns(UserWarning, match=why) as said:
                gan = new(loss=loss)
            assert said[0].filename == __file__  # where compile is called
            gan.save_weights(tmp_path / "a.weights.h5")
            (tmp_path / "a.keras").write_text("mine")
            with pytest.raises(ValueError, match=r"so gan.save would fail"):
                gan.save(tmp_path / "a.keras")
            assert (tmp_path / "a.keras").read_text() == "mine"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            new(loss=MaximumLikelihood())


def steps_of_d(gan):
    return int(gan.d_optimizer.iterations)


class TestSettings:
    """What is changed between two calls of fit, or by a callback, counts."""

    def test_d_steps(self):
        gan = new()
        gan.fit(dataset(X), verbose=0)
        gan.d_steps = 4
        gan.fit(dataset(X), verbose=0)
        assert steps_of_d(gan) == 8 + 32
        for bad in (0, 2.5, True):
            with pytest.raises(ValueError, match=f"d_steps={bad}: want an int"):
                gan.d_steps = bad

    @pytest.mark.parametrize(
        "change",
        [
            lambda gan: setattr(gan.loss, "real_label", 0.7),
            lambda gan: setattr(gan, "loss", MaximumLikelihood()),
            lambda gan: setattr(gan.discriminator.layers[1], "rate", 0.9),
            lambda gan: setattr(gan.d_optimizer, "beta_1", 0.9),
            lambda gan: setattr(gan.discriminator.layers[0], "trainable", False),
            lambda gan: setattr(gan.generator, "trainable", False),
            lambda gan: setattr(gan, "weight", 3.0),
            lambda gan: setattr(gan.penalty, "gamma", 3.0),
            lambda gan: gan.table.__setitem__(0, 3.0),
            lambda gan: gan.parts["a"].append(1.0),
        ],
    )
    def test_a_change_counts_as_if_it_had_been_there_from_the_start(self, change, tmp_path):
        class Penalty:
            gamma = 1.0

        class Weighted(GAN):
            def d_loss(self, x, z, c=None):
                factor = self.weight * self.penalty.gamma * self.table[0] * (1 + sum(self.parts["a"]))
                return float(factor) * super().d_loss(x, z, c)

        def fresh():
            d = [keras.Input((2,)), layers.Dense(8), layers.Dropout(0.2, seed=1), layers.Dense(1)]
            gan = new(Weighted, nets=(mlp(2, [8], 2), keras.Sequential(d)))
            gan.weight, gan.penalty, gan.table, gan.parts = 1.0, Penalty(), np.ones(2), {"a": []}
            gan.penalty.gamma = 1.0
            return gan

        whole = {"batch_size": 64, "shuffle": False, "verbose": 0}
        late, early, never = fresh(), fresh(), fresh()
        late.fit(X, **whole)
        late.save_weights(path := tmp_path / "a.weights.h5")
        early.load_weights(path)
        never.load_weights(path)
        change(late)
        change(early)
        for gan in (late, early, never):
            gan.fit(X, **whole)
        assert same(state(late), state(early))
        assert not same(state(late), state(never))

    def test_a_callback_changes_the_next_epoch(self):
        gan = new()
        more = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: setattr(gan, "d_steps", epoch + 1)
        )
        gan.fit(dataset(X), epochs=3, verbose=0, callbacks=[more])
        assert steps_of_d(gan) == 8 * (1 + 2 + 3)

    def test_train_on_batch_sees_them_too(self):
        gan = new()
        gan.train_on_batch(X[:64])
        gan.d_steps = 3
        gan.train_on_batch(X[:64])
        assert steps_of_d(gan) == 4

    def test_without_a_change_nothing_is_traced_again(self):
        traced = []

        class Counting(GAN):
            def g_loss(self, x, z, c=None):
                traced.append(1)
                return super().g_loss(x, z, c)

        gan = new(Counting)
        for _ in range(3):
            gan.fit(dataset(X), epochs=2, verbose=0)
        assert len(traced) == 1

    def test_an_optimizer_that_was_replaced(self):
        gan = new()
        gan.fit(X, verbose=0)
        gan.g_optimizer = keras.optimizers.SGD(0.0)
        before = weights(gan.generator)
        gan.fit(X, verbose=0)
        assert same(before, weights(gan.generator))
        assert gan.optimizer.optimizers[1] is gan.g_optimizer

    def test_a_network_that_was_replaced_needs_compile(self):
        gan = new()
        gan.fit(X, verbose=0)
        gan.generator = mlp(2, [4], 2)
        with pytest.raises(
            ValueError, match=r"g_optimizer was built before the generator had .*compile again"
        ):
            gan.fit(X, verbose=0)

    def test_a_layer_that_was_frozen_at_first(self):
        nets = mlp(2, [8], 2), mlp(2, [8], 1)
        nets[0].layers[0].trainable = False
        gan = new(nets=nets)
        before = weights(nets[0].layers[0])
        gan.fit(X, verbose=0)
        assert same(before, weights(nets[0].layers[0]))
        nets[0].layers[0].trainable = True
        with pytest.raises(ValueError, match=r"g_optimizer was built before .*compile again"):
            gan.fit(X, verbose=0)


class TestGivenAndUsed:
    def test_arrays_are_shuffled_and_of_datasets_keras_does_not_complain(self):
        class Kept(GAN):
            def d_loss(self, x, z, c=None):
                seen.append(np.asarray(x))
                return super().d_loss(x, z, c)

        seen = []
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*shuffle.*")
            new(Kept, run_eagerly=True).fit(dataset(X, size=128), verbose=0)
        np.testing.assert_array_equal(np.concatenate(seen), X)
        seen.clear()
        new(Kept, run_eagerly=True).fit(X, batch_size=128, verbose=0)
        assert not np.array_equal(np.concatenate(seen), X)
        np.testing.assert_array_equal(np.unique(np.concatenate(seen), axis=0), np.unique(X, axis=0))

    @pytest.mark.parametrize(
        "name", ["loss_weights", "metrics", "weighted_metrics", "optimizer", "auto_scale_loss", "lr"]
    )
    def test_compile(self, name):
        with pytest.raises(ValueError, match=f"{name} was given to compile: want some of d_optimizer"):
            new(**{name: [1, 100]})

    @pytest.mark.parametrize("name", ["workers", "max_queue_size", "learning_rate"])
    def test_fit(self, name):
        with pytest.raises(ValueError, match=f"{name} was given to fit: want some of x, y"):
            new().fit(X, **{name: 1})
        for other in ("validation_steps", "validation_freq", "class_weight"):
            with pytest.raises(ValueError, match=f"{other} was given"):
                new().fit(X, **{other: 1})

    def test_labels_that_no_network_takes(self):
        gan, before = new(), None
        before = state(gan)
        for data in ((dataset(X, LABELS),), (X, LABELS), (batches(X, LABELS),)):
            with pytest.raises(
                ValueError, match="the data have 1 conditions c, and the generator takes 1 inputs"
            ):
                gan.fit(*data, verbose=0)
        half = new(nets=(conditional_nets()[0], mlp(2, [4], 1)))
        with pytest.raises(ValueError, match="the discriminator takes 1 inputs: want data without"):
            half.fit(X, LABELS, verbose=0)
        assert same(before, state(gan))

    def test_labels_that_are_missing(self):
        with pytest.raises(
            ValueError, match="the data have no condition c, and the generator takes 2 inputs"
        ):
            new(nets=conditional_nets).fit(X, verbose=0)

    @pytest.mark.parametrize(
        ("cost", "message"),
        [
            (
                lambda r, f: ops.relu(1 - r) + ops.relu(1 + f),
                r"d_loss of .*returned shape \(\d+|None, 1\): want a scalar",
            ),
            (lambda r, f: None, "returned None: want a scalar"),
            (lambda r, f: [1.0], r"returned \[1.0\]: want a scalar"),
        ],
    )
    def test_a_cost_that_is_no_scalar(self, cost, message):
        class Loose(GAN):
            def d_loss(self, x, z, c=None):
                return cost(self.D(x), self.D(self.G(z)))

        gan = new(Loose)
        before = weights(gan)
        with pytest.raises(ValueError, match="want a scalar"):
            gan.fit(X, verbose=0)
        assert same(before, weights(gan))
        with pytest.raises(ValueError, match=message):
            gan.train_on_batch(X[:8])


class TestConditions:
    class Both(GAN):
        """c = (labels, pictures): one-hot joined to z, as keras.io's conditional GAN does, in G itself."""

        def G(self, z, c=None, training=True):
            labels, other = c
            return self.generator(ops.concatenate([z, ops.one_hot(labels, 3), other], -1), training=training)

        def D(self, x, c=None, training=True):
            labels, other = c
            return self.discriminator(
                ops.concatenate([x, ops.one_hot(labels, 3), other], -1), training=training
            )

    @pytest.mark.parametrize("structure", [tuple, list, dict])
    @pytest.mark.parametrize("d", [1, 3])
    def test_any_structure(self, structure, d):
        class Kept(self.Both):
            def G(self, z, c=None, training=True):
                seen.append(c)
                c = (c["a"], c["b"]) if isinstance(c, dict) else c
                return super().G(z, c, training)

            def D(self, x, c=None, training=True):
                c = (c["a"], c["b"]) if isinstance(c, dict) else c
                if tf.executing_eagerly() and len(x) > 2:
                    first = [tuple(row) for row in np.asarray(x)]
                    pairs.extend(zip(first, np.asarray(c[0]), strict=True))
                return super().D(x, c, training)

        seen, pairs = [], []
        c = {"a": LABELS, "b": X} if structure is dict else structure([LABELS, X])
        c_of = {"a": LABELS, "b": X} if structure is dict else (LABELS, X)
        gan = new(Kept, nets=(mlp(7, [8], 2), mlp(7, [8], 1)), d=d, run_eagerly=True)
        gan.fit(X, c, batch_size=60, verbose=0)
        gan.fit(tf.data.Dataset.from_tensor_slices((X, c_of)).batch(60), verbose=0)
        assert isinstance(seen[-1], dict if structure is dict else (tuple, list))
        known = {tuple(row): label for row, label in zip(X, LABELS, strict=True)}
        of_data = [(row, label) for row, label in pairs if row in known]
        assert len(of_data) >= 2 * 512
        assert all(known[row] == label for row, label in of_data)

    def test_several_inputs_of_functional_networks(self):
        def build(n_out):
            a, c, e = keras.Input((2,)), keras.Input((), dtype="int32"), keras.Input((2,))
            h = layers.Concatenate()([a, layers.Embedding(3, 2)(c), e])
            return keras.Model([a, c, e], layers.Dense(n_out)(h))

        gan = new(nets=(build(2), build(1)))
        before = weights(gan)
        gan.fit(X, (LABELS, X), verbose=0)
        assert not same(before, weights(gan))
        z = gan.sample_z(4)
        parts = [tf.constant(part) for part in (LABELS[:4], X[:4])]
        np.testing.assert_allclose(gan(z, tuple(parts)), gan.generator([z, *parts]))

    def test_bad_ones_are_named(self):
        gan = new(self.Both, nets=(mlp(7, [8], 2), mlp(7, [8], 1)))
        with pytest.raises(ValueError, match="c has 511 conditions: want 512"):
            gan.fit(X, (LABELS, X[1:]), verbose=0)
        with pytest.raises(ValueError, match="c holds nan"):
            gan.fit(X, (LABELS, X * np.nan), verbose=0)

    def test_a_plain_list_of_labels(self):
        one, two = new(nets=conditional_nets), new(nets=conditional_nets)
        one.fit(X, LABELS, shuffle=False, verbose=0)
        two.fit(X, LABELS.tolist(), shuffle=False, verbose=0)
        assert same(weights(one), weights(two))

    def test_checks_are_about_methods_that_are_not_overridden(self):
        class OneHot(GAN):
            def G(self, z, c=None, training=True):
                return self.generator(ops.concatenate([z, ops.one_hot(c, 3)], -1), training=training)

        gan = new(OneHot, nets=(mlp(5, [8], 2), conditional_nets()[1]))
        gan.fit(X, LABELS, verbose=0)

        class Probabilities(GAN):
            def D(self, x, c=None, training=True):
                p = self.discriminator(x, training=training)
                return ops.log(p + 1e-6) - ops.log(1 - p + 1e-6)

        new(Probabilities, nets=(mlp(2, [8], 2), mlp(2, [8], 1, out_activation="sigmoid"))).fit(X, verbose=0)

        class Stretched(GAN):
            def G(self, z, c=None, training=True):
                return 3 * super().G(z, c, training)

        new(Stretched, nets=(mlp(2, [8], 2, out_activation="tanh"), mlp(2, [8], 1))).fit(X, verbose=0)


def spelled(f):
    i = keras.Input((2,))
    return keras.Model(i, f(layers.Dense(1)(layers.Dense(4, "relu")(i))))


class Subclassed(keras.Model):
    def __init__(self, end):
        super().__init__()
        self.dense, self.end = layers.Dense(1), end

    def call(self, x):
        return self.end(self.dense(x))


SIGMOIDS = {
    "activation": lambda: mlp(2, [4], 1, out_activation="sigmoid"),
    "of tensorflow": lambda: mlp(2, [4], 1, out_activation=tf.nn.sigmoid),
    "a lambda": lambda: mlp(2, [4], 1, out_activation=lambda a: ops.sigmoid(a)),
    "layer": lambda: spelled(layers.Activation("sigmoid")),
    "ops": lambda: spelled(ops.sigmoid),
    "lambda layer": lambda: spelled(layers.Lambda(tf.sigmoid)),
    "formula": lambda: spelled(lambda a: 1 / (1 + ops.exp(-a))),
    "tanh": lambda: spelled(lambda a: 0.5 * (1 + ops.tanh(a / 2))),
    "then flat": lambda: spelled(lambda a: layers.Flatten()(ops.sigmoid(a))),
    "then dropout": lambda: spelled(lambda a: layers.Dropout(0.5)(ops.sigmoid(a))),
    "hard": lambda: spelled(ops.hard_sigmoid),
    "within": lambda: keras.Sequential(
        [keras.Input((2,)), layers.Dense(4), mlp(4, [], 1, out_activation="sigmoid")]
    ),
    "softmax": lambda: keras.Sequential([keras.Input((2,)), layers.Dense(2), layers.Softmax()]),
}
LOGITS = {
    "plain": lambda: mlp(2, [4], 1),
    "flat": lambda: spelled(layers.Flatten()),
    "scaled": lambda: spelled(lambda a: 3 * a),
    "swish": lambda: spelled(ops.silu),
    "tanh": lambda: spelled(lambda a: 10 * ops.tanh(a)),
    "sum of sigmoids": lambda: spelled(lambda a: layers.Dense(1)(ops.sigmoid(a))),
    "leaky": lambda: spelled(layers.LeakyReLU()),
}


class TestEnds:
    @pytest.mark.parametrize("name", SIGMOIDS)
    def test_a_sigmoid_however_it_is_spelled(self, name):
        with pytest.raises(ValueError, match=r"discriminator ends in a .*(sigmoid|softmax): want logits"):
            GAN(mlp(2, [4], 2), SIGMOIDS[name](), 2)

    @pytest.mark.parametrize("end", [ops.sigmoid, tf.sigmoid, lambda a: 1 / (1 + ops.exp(-a))])
    def test_in_a_subclass(self, end):
        gan = new(nets=(mlp(2, [4], 2), Subclassed(end)))
        with pytest.raises(ValueError, match="discriminator ends in a sigmoid: want logits"):
            gan.fit(X, verbose=0)
        new(nets=(mlp(2, [4], 2), Subclassed(lambda a: a))).fit(X, verbose=0)

    @pytest.mark.parametrize("name", LOGITS)
    def test_logits_pass(self, name):
        new(nets=(mlp(2, [4], 2), LOGITS[name]())).fit(X, verbose=0)

    @pytest.mark.parametrize(
        ("end", "low", "high"),
        [(ops.tanh, -1, 1), (lambda a: 2 * ops.tanh(a), -2, 2), (ops.relu, 0, np.inf), (ops.relu6, 0, 6)],
    )
    def test_data_beyond_what_the_generator_can_make(self, end, low, high):
        i = keras.Input((2,))
        generator = keras.Model(i, end(layers.Dense(2)(i)))
        fits = np.random.default_rng(0).uniform(low, min(high, 9), (64, 2))
        new(nets=(generator, mlp(2, [4], 1))).fit(fits, verbose=0)
        wanted = f"want {low:g} to {high:g}, all that the generator's last layer".replace("+", r"\+")
        with pytest.raises(ValueError, match=wanted):
            new(nets=(generator, mlp(2, [4], 1))).fit(fits - 1.0, verbose=0)

    def test_pictures_in_half_of_the_range(self):
        def pictures(low, high):
            return np.random.default_rng(0).uniform(low, high, (32, 8, 8, 1)).astype("float32")

        def generator(end):
            return keras.Sequential([keras.Input((2,)), layers.Dense(64, end), layers.Reshape((8, 8, 1))])

        for x in (pictures(0, 1), dataset(pictures(0, 1))):
            gan = new(nets=(generator("tanh"), dcgan_discriminator((8, 8, 1), 4)))
            with pytest.warns(
                UserWarning, match=r"x has values from .* \(tanh\) makes -1 to 1: .*2 \* x - 1"
            ):
                gan.fit(x, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for end, x in (("tanh", pictures(-1, 1)), ("sigmoid", pictures(0, 1)), (None, pictures(0, 1))):
                gan = new(nets=(generator(end), dcgan_discriminator((8, 8, 1), 4)))
                gan.fit(x, verbose=0)


class TestInOurWords:
    def test_nan_in_the_data_is_blamed_on_the_data(self):
        x, c = X.copy(), X.copy()
        x[300], c[300] = np.nan, np.inf
        gan = new()
        message = "loss became NaN in its step 5, which was not taken: the data hold .*want finite x"
        with pytest.raises(FloatingPointError, match=message):
            gan.fit(dataset(x), verbose=0)
        assert steps_of_d(gan) == 4
        gan = new(TestConditions.Both, nets=(mlp(7, [8], 2), mlp(7, [8], 1)))
        with pytest.raises(FloatingPointError, match="Inf in its step 5, which was not taken: the data hold"):
            gan.fit(tf.data.Dataset.from_tensor_slices((X, (LABELS, c))).batch(64), verbose=0)

    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_a_last_batch_too_small(self, jit_compile):
        gan = new(d=2, jit_compile=jit_compile)
        with pytest.raises(ValueError, match=r"a batch has 1 examples.*d_steps=2: want at least one"):
            gan.fit(dataset(X[:65]), verbose=0)
        assert all(np.isfinite(w).all() for w in weights(gan))

    def test_a_label_that_a_later_batch_has(self):
        labels = LABELS.copy()
        labels[300] = 7
        gan = new(nets=conditional_nets)
        with pytest.raises(
            ValueError, match=r"in train step 5 a layer met the label 7: want labels .*below 3"
        ):
            gan.fit(dataset(X, labels), verbose=0)

    def test_what_is_no_array(self):
        one, two = new(), new()
        one.fit(X, shuffle=False, verbose=0)
        two.fit(list(X), shuffle=False, verbose=0)
        assert same(weights(one), weights(two))
        for bad in ("folder", {"x": X}, {1, 2}, iter([X])):
            with pytest.raises(ValueError, match=r"want an array or a tf.data.Dataset"):
                new().fit(bad)
        with pytest.raises(ValueError, match=r"x has examples of shape \(512, 2\)"):
            new().fit([X, X])
        several = dataset(X, X).map(lambda a, b: ((a, b), LABELS[:1]))
        with pytest.raises(ValueError, match="yields several x at once"):
            new().fit(several)


class TestXla:
    """jit_compile=True takes whole groups of steps into one program."""

    class SameNoise(GAN):
        """Noise that is a function of the data, since XLA draws other noise for the same seed."""

        def d_loss(self, x, z, c=None):
            return super().d_loss(x, tf.sin(7.0 * x), c)

        def g_loss(self, x, z, c=None):
            return super().g_loss(x, tf.cos(5.0 * x), c)

    @pytest.mark.parametrize(("d", "steps"), [(1, None), (3, 3), (1, 1)])
    def test_losses_and_weights_are_those_without_it(self, d, steps):
        """8 batches an epoch: groups of 8, of 1, and of 3, 3 and 2."""
        runs = []
        for jit in (False, True):
            gan = new(self.SameNoise, d=d, steps_per_execution=steps, jit_compile=jit)
            history = gan.fit(batches(X, batch_size=64, seed=3), epochs=3, verbose=0).history
            runs.append((history, weights(gan), int(gan.g_optimizer.iterations)))
        assert runs[0][2] == runs[1][2] == 24
        for name in ("d_loss", "g_loss"):
            np.testing.assert_allclose(runs[0][0][name], runs[1][0][name], rtol=1e-5)
        for a, b in zip(runs[0][1], runs[1][1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)

    def test_a_last_batch_of_another_size(self):
        runs = []
        for jit in (False, True):
            gan = new(self.SameNoise, jit_compile=jit)
            gan.fit(dataset(X[:200]), epochs=2, verbose=0)
            runs.append(weights(gan))
            assert int(gan.g_optimizer.iterations) == 8
        for a, b in zip(*runs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    def test_conditions_and_steps_per_epoch(self):
        gan = new(nets=conditional_nets(), jit_compile=True)
        gan.fit(batches(X, LABELS, batch_size=64).repeat(), steps_per_epoch=10, epochs=2, verbose=0)
        assert int(gan.g_optimizer.iterations) == 20
        gan.train_on_batch(X[:64], LABELS[:64])
        assert int(gan.g_optimizer.iterations) == 21

    def test_noise_is_fresh_in_every_step(self):
        class Kept(GAN):
            def d_loss(self, x, z, c=None):
                self.sum.assign_add(tf.reduce_sum(z[:1], 0))
                self.squares.assign_add(tf.reduce_sum(z[:1] ** 2, 0))
                return super().d_loss(x, z, c)

        gan = new(Kept, jit_compile=True)
        gan.sum, gan.squares = tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0])
        gan.fit(dataset(X, size=2), epochs=4, verbose=0)  # 1,024 steps
        np.testing.assert_allclose(gan.sum / 1024, 0, atol=0.15)
        np.testing.assert_allclose(gan.squares / 1024, 1, atol=0.25)

    @pytest.mark.parametrize(("player", "step"), [("discriminator", 7), ("generator", 5)])
    @pytest.mark.parametrize("what", ["loss", "gradient"])
    def test_nan_is_found_when_the_group_is_over(self, player, step, what):
        class Poisoned(GAN):
            def poison(self, loss, optimizer):
                now = tf.equal(optimizer.iterations, step - 1)
                if what == "loss":
                    return tf.where(now, float("nan"), loss)
                return tf.custom_gradient(lambda a: (a, lambda g: tf.where(now, float("nan"), g)))(loss)

            def d_loss(self, x, z, c=None):
                loss = super().d_loss(x, z, c)
                return self.poison(loss, self.d_optimizer) if player == "discriminator" else loss

            def g_loss(self, x, z, c=None):
                loss = super().g_loss(x, z, c)
                return self.poison(loss, self.g_optimizer) if player == "generator" else loss

        gan = new(Poisoned, jit_compile=True)
        message = (
            rf"the {player}'s {what} became NaN or infinite in its step {step}, which XLA took, .*smaller"
        )
        with pytest.raises(FloatingPointError, match=message):
            gan.fit(dataset(X), verbose=0)

    def test_nan_in_the_data(self):
        x = X.copy()
        x[300] = np.nan
        with pytest.raises(FloatingPointError, match=r"in its step 5, which XLA took, .*: the data hold"):
            new(jit_compile=True).fit(dataset(x), verbose=0)

    def test_large_batches_are_stacked_few_at_a_time(self, monkeypatch):
        from ganbook import _xla

        monkeypatch.setattr(_xla, "STACK_BYTES", 3 * 64 * 2 * 4)
        given = [np.zeros((64, 2), "float32")] * 7 + [np.zeros((5, 2), "float32")]
        assert [len(group) for group in _xla._alike(given)] == [3, 3, 1, 1]
        gan = new(jit_compile=True)
        gan.fit(dataset(X), verbose=0)
        assert int(gan.g_optimizer.iterations) == 8

    def test_a_train_step_of_a_subclass_is_run_as_keras_runs_it(self):
        class Own(GAN):
            def train_step(self, data):
                super().train_step(data)
                return {"mine": tf.reduce_sum(data)}

        history = new(Own, jit_compile=True).fit(dataset(X), verbose=0).history
        np.testing.assert_allclose(history["mine"], [X[-64:].sum()], rtol=1e-4)


class TestPrecision:
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
    def test_three_fits_save_load_and_go_on(self, policy, tmp_path):
        gan = new()
        numbers = []
        for _ in range(3):
            gan.fit(X, shuffle=False, verbose=0)
            numbers.append(len(gan.d_optimizer.variables))
        assert len(set(numbers)) == 1
        if policy == "mixed_float16":
            gan.d_optimizer.dynamic_scale.assign(2.0**12)
        gan.save(tmp_path / "a.keras")
        gan.save_weights(tmp_path / "a.weights.h5")
        again = keras.saving.load_model(tmp_path / "a.keras")
        other = new(seed=5)
        other.load_weights(tmp_path / "a.weights.h5")
        for one in (again, other):
            assert same(state(gan), state(one))
        for one in (gan, again, other):
            one.fit(X, shuffle=False, verbose=0)
        assert same(state(gan), state(again))
        assert same(state(gan), state(other))

    @pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
    def test_compiled_anew(self, policy):
        """Keras would scale the loss of the model's one optimizer, which stands for two here."""
        gan = new()
        gan.compile(adam(), adam())
        assert all(isinstance(o, keras.optimizers.LossScaleOptimizer) for o in gan.optimizer.both)
        gan.fit(X, verbose=0)

    @pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
    def test_networks_of_float16_have_a_scale_whatever_the_policy_is_when_they_meet(self, policy):
        nets = mlp(2, [8], 2), mlp(2, [8], 1)
        keras.mixed_precision.set_dtype_policy("float32")
        gan = new(nets=nets)
        assert isinstance(gan.d_optimizer, keras.optimizers.LossScaleOptimizer)
        gan.fit(X, verbose=0)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_callbacks_and_xla(self, policy, jit_compile):
        gan = new(g_optimizer=adam(1e-3, use_ema=True), jit_compile=jit_compile)
        halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        gan.fit(X, epochs=2, verbose=0, callbacks=[halved, swap])
        np.testing.assert_allclose(rates(gan), [2.5e-4] * 2, rtol=1e-6)
        assert all(np.isfinite(w).all() for w in weights(gan))
        assert np.isfinite(gan.evaluate(X, verbose=0)).all()
