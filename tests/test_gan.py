"""`GAN` against Algorithm 1 written out by hand, and as a keras.Model."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganbook import GAN, MaximumLikelihood, Minimax, NonSaturating, batches, mlp, ring

X = ring(std=0.1).sample(1024, seed=0)


def adam():
    return keras.optimizers.Adam(1e-3, beta_1=0.5)


def still():
    return keras.optimizers.SGD(0.0)


def players():
    """Small networks with batch norm and dropout, whose training and inference modes differ."""
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(16), layers.BatchNormalization(), layers.ReLU(), layers.Dense(2)]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def make(seed=0, nets=players, kind=GAN, d_steps=1, d_optimizer=None, g_optimizer=None, **compile_kwargs):
    keras.utils.set_random_seed(seed)
    gan = kind(*nets(), latent_dim=3, d_steps=d_steps)
    gan.compile(d_optimizer or adam(), g_optimizer or adam(), **compile_kwargs)
    return gan


def conditional_players(n_labels=4, n_in=3, n_x=2):
    def build(n, n_out):
        a, c = keras.Input((n,)), keras.Input((), dtype="int32")
        h = layers.Concatenate()([a, layers.Embedding(n_labels, 3)(c)])
        return keras.Model([a, c], layers.Dense(n_out)(layers.Dense(8, "relu")(h)))

    return build(n_in, n_x), build(n_x, 1)


def weights(model):
    return [w.copy() for w in model.get_weights()]


def same(a, b):
    return len(a) == len(b) > 0 and all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


class Watched(GAN):
    """Keeps what the two costs are called with."""

    def d_loss(self, x, z, c=None):
        self.__dict__.setdefault("seen_d", []).append((np.asarray(x), np.asarray(z), np.asarray(c)))
        return super().d_loss(x, z, c)

    def g_loss(self, x, z, c=None):
        self.__dict__.setdefault("seen_g", []).append((np.asarray(x), np.asarray(z), np.asarray(c)))
        return super().g_loss(x, z, c)


class TestAlgorithm1:
    @pytest.mark.parametrize("loss", [Minimax(), NonSaturating(0.9)])
    @pytest.mark.parametrize("d_steps", [1, 3])
    def test_a_train_step_is_the_algorithm_written_by_hand(self, d_steps, loss):
        """SGD by hand, Keras' cross-entropy for the costs, the same noise."""
        nets = lambda: (mlp(3, [8], 2, "tanh"), mlp(2, [8], 1, "tanh"))  # noqa: E731
        sgd = lambda: keras.optimizers.SGD(0.1)  # noqa: E731
        gan = make(nets=nets, d_steps=d_steps, d_optimizer=sgd(), g_optimizer=sgd(), loss=loss)
        G, D = (keras.models.clone_model(m) for m in (gan.generator, gan.discriminator))
        G.set_weights(gan.generator.get_weights())
        D.set_weights(gan.discriminator.get_weights())
        noise = keras.random.SeedGenerator(0)
        noise.state.assign(gan.noise_seed.state)
        bce = keras.losses.BinaryCrossentropy(from_logits=True)

        def descend(net, cost):
            with tf.GradientTape() as tape:
                value = cost()
            for w, g in zip(net.weights, tape.gradient(value, net.trainable_variables), strict=True):
                w.assign(w - 0.1 * g)
            return float(value)

        x = X[:30]
        d_values = []
        for i in range(d_steps):
            z = keras.random.normal((len(x[i::d_steps]), 3), seed=noise)
            real = x[i::d_steps]
            ones = np.ones((len(real), 1)) * loss.real_label
            d_values.append(descend(D, lambda r=real, o=ones, z=z: (bce(o, D(r)) + bce(0 * o, D(G(z)))) / 2))
        z = keras.random.normal((len(real), 3), seed=noise)
        target, sign = (0.0, -1.0) if type(loss) is Minimax else (1.0, 1.0)
        g_value = descend(G, lambda: sign * bce(np.full((len(z), 1), target), D(G(z))) / 2)

        logs = gan.train_on_batch(x, return_dict=True)
        np.testing.assert_allclose(logs["d_loss"], np.mean(d_values), rtol=1e-5)
        np.testing.assert_allclose(logs["g_loss"], g_value, rtol=1e-5)
        for ours, theirs in zip(weights(gan), [*G.weights, *D.weights], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)

    def test_a_step_of_d_moves_d_alone_and_one_of_g_g_alone(self):
        for frozen, moving in (("generator", "discriminator"), ("discriminator", "generator")):
            optimizers = {f"{frozen[0]}_optimizer": still(), f"{moving[0]}_optimizer": adam()}
            gan = make(nets=lambda: (mlp(3, [8], 2), mlp(2, [8], 1)), **optimizers)
            before = {name: weights(getattr(gan, name)) for name in (frozen, moving)}
            gan.fit(X, batch_size=64, verbose=0)
            assert same(before[frozen], weights(getattr(gan, frozen)))
            assert not same(before[moving], weights(getattr(gan, moving)))

    @pytest.mark.parametrize("d_steps", [1, 2, 5])
    def test_d_steps_minibatches_differ_and_noise_is_fresh(self, d_steps):
        gan = make(kind=Watched, d_steps=d_steps, run_eagerly=True)
        gan.train_on_batch(X[:32])
        assert (len(gan.seen_d), len(gan.seen_g)) == (d_steps, 1)
        minibatches = np.concatenate([x for x, *_ in gan.seen_d])
        np.testing.assert_array_equal(np.unique(minibatches, axis=0), np.unique(X[:32], axis=0))
        assert {len(x) for x, *_ in gan.seen_d} <= {32 // d_steps, 32 // d_steps + 1}
        noise = np.concatenate([z for _, z, _ in gan.seen_d + gan.seen_g])
        assert len(np.unique(noise)) == noise.size
        gan.train_on_batch(X[:32])
        later = np.concatenate([z for _, z, _ in gan.seen_d[d_steps:] + gan.seen_g[1:]])
        assert not np.intersect1d(noise, later).size

    def test_noise_is_standard_normal(self):
        z = np.asarray(make().sample_z(20_000))
        assert z.shape == (20_000, 3)
        np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
        np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.04)

    def test_batch_norm_trains_in_train_step_and_rests_in_sampling(self):
        gan = make(d_optimizer=still(), g_optimizer=still())
        norms = [net.layers[i] for net, i in ((gan.generator, 1), (gan.discriminator, 1))]
        before = [np.asarray(n.moving_mean).copy() for n in norms]
        z = gan.sample_z(64)
        np.testing.assert_allclose(gan(z)[:1], gan(z[:1]), atol=1e-6)  # one example, whatever its batch
        sampled = [np.asarray(n.moving_mean).copy() for n in norms]
        assert same(before, sampled)
        gan.train_on_batch(X[:64])
        assert not any(np.array_equal(b, n.moving_mean) for b, n in zip(before, norms, strict=True))
        assert np.abs(np.asarray(gan.G(z)) - np.asarray(gan(z))).max() > 1e-3

    def test_d_loss_lets_the_gradient_into_g(self):
        """Unrolled GANs differentiate through it."""
        gan = make()
        with tf.GradientTape() as tape:
            value = gan.d_loss(X[:16], gan.sample_z(16))
        slopes = tape.gradient(value, gan.generator.trainable_variables)
        assert all(s is not None for s in slopes)
        assert max(np.abs(s).max() for s in slopes) > 0

    @pytest.mark.parametrize("player", ["generator", "discriminator"])
    def test_weight_regularizers_of_a_player_count(self, player):
        """The squares of its weights, and not the other's, on top of what it pays without."""

        def nets(*regularized):
            l2 = {name: keras.regularizers.L2(1.0) for name in regularized}
            pair = [
                layers.Dense(n, kernel_regularizer=l2.get(name))
                for name, n in (("generator", 2), ("discriminator", 1))
            ]
            return [
                keras.Sequential([keras.Input((n,)), dense]) for n, dense in zip((3, 2), pair, strict=True)
            ]

        plain, gan = (
            make(nets=lambda r=r: nets(*r), d_optimizer=still(), g_optimizer=still()) for r in ((), (player,))
        )
        kernel = np.asarray(getattr(gan, player).layers[0].kernel)
        wanted, logs = (one.train_on_batch(X[:64], return_dict=True) for one in (plain, gan))
        for name in ("generator", "discriminator"):
            more = (kernel**2).sum() if name == player else 0.0
            np.testing.assert_allclose(logs[f"{name[0]}_loss"], wanted[f"{name[0]}_loss"] + more, rtol=1e-5)

    def test_seeds(self):
        runs = []
        for seed in (0, 0, 1):
            gan = make(seed)
            gan.fit(batches(X, batch_size=64), epochs=2, verbose=0)
            runs.append(weights(gan))
        assert same(runs[0], runs[1])
        assert not same(runs[0], runs[2])

    def test_every_seed_of_32_bits_is_one(self):
        for seed in (0, 2**32 - 1):
            assert GAN(*players(), latent_dim=3, seed=seed).seed == seed
        with pytest.raises(ValueError, match=f"seed={2**32}: want"):
            GAN(*players(), latent_dim=3, seed=2**32)

    def test_the_seed_argument_sets_the_noise(self):
        a, b, c = (np.asarray(GAN(*players(), latent_dim=3, seed=s).sample_z(4)) for s in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert (a != c).all()


class TestLearning:
    def test_the_ring_is_learnt(self):
        """Before, no sample is near a mode; after a few seconds most are."""
        from ganbook import high_quality_share, modes_covered

        mixture = ring(std=0.1)
        keras.utils.set_random_seed(3)
        gan = GAN(mlp(8, [64, 64], 2), mlp(2, [64, 64], 1), latent_dim=8)
        gan.compile(adam(), adam(), steps_per_execution=50)
        before = high_quality_share(gan(gan.sample_z(2000)), mixture)
        gan.fit(batches(mixture.sample(25_600, seed=1), batch_size=128), epochs=12, verbose=0)
        samples = gan(gan.sample_z(2000))
        assert high_quality_share(samples, mixture) > before + 0.3
        assert modes_covered(samples, mixture, min_samples=10) >= 5


class TestAsKerasModel:
    def test_fit_takes_arrays_tensors_datasets_and_pairs(self):
        c = np.arange(len(X)) % 4
        unordered = dict(batch_size=64, shuffle=False, verbose=0)
        dataset = tf.data.Dataset.from_tensor_slices
        results = []
        for data in ((X,), (tf.constant(X),), (dataset(X).batch(64),)):
            gan = make()
            gan.fit(*data, **(dict(verbose=0) if isinstance(data[0], tf.data.Dataset) else unordered))
            results.append(weights(gan))
        assert same(results[0], results[1])
        assert same(results[0], results[2])
        pairs = []
        for data, kwargs in (((X, c), unordered), ((dataset((X, c)).batch(64),), dict(verbose=0))):
            gan = make(nets=conditional_players)
            before = weights(gan)
            gan.fit(*data, **kwargs)
            pairs.append(weights(gan))
            assert not same(before, pairs[-1])
        assert same(*pairs)

    def test_fit_sees_the_batches_in_their_order(self):
        """The checks before training must not use up an epoch's order."""
        gan = make(kind=Watched, run_eagerly=True)
        gan.fit(batches(X, batch_size=256, seed=5), verbose=0)
        expected = [b.numpy() for b in batches(X, batch_size=256, seed=5)]
        np.testing.assert_array_equal([x for x, *_ in gan.seen_d], expected)

    def test_the_condition_reaches_both_players(self):
        gan = make(nets=conditional_players)
        z = gan.sample_z(8)
        zeros, ones = np.zeros(8, "int32"), np.ones(8, "int32")
        assert np.abs(np.asarray(gan(z, zeros)) - np.asarray(gan(z, ones))).max() > 1e-4
        assert np.abs(np.asarray(gan.D(X[:8], zeros)) - np.asarray(gan.D(X[:8], ones))).max() > 1e-4

    def test_history_is_the_mean_over_each_epoch_alone(self):
        gan = make(d_optimizer=still(), g_optimizer=still(), nets=lambda: (mlp(3, [8], 2), mlp(2, [8], 1)))
        gan.discriminator.layers[-1].set_weights([np.zeros((8, 1)), np.zeros(1)])  # D = 1/2 everywhere
        history = gan.fit(X, batch_size=64, epochs=3, verbose=0).history
        np.testing.assert_allclose(history["d_loss"], np.log(2), rtol=1e-6)
        np.testing.assert_allclose(history["g_loss"], np.log(2) / 2, rtol=1e-6)
        assert set(history) == {"d_loss", "g_loss"}

    def test_a_tracker_of_a_subclass_is_reported_and_reset(self):
        class Counting(GAN):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.seen = keras.metrics.Sum(name="seen")

            def d_loss(self, x, z, c=None):
                self.seen.update_state(tf.ones_like(x[:, 0]))
                return super().d_loss(x, z, c)

        history = make(kind=Counting).fit(X, batch_size=64, epochs=2, verbose=0).history
        assert history["seen"] == [len(X), len(X)]

    def test_predict_is_inference(self):
        gan = make()
        z = np.asarray(gan.sample_z(50))
        np.testing.assert_allclose(gan.predict(z, verbose=0), gan(z), atol=1e-6)

    @pytest.mark.parametrize("loss", [NonSaturating(0.9), MaximumLikelihood()])
    def test_a_saved_model_samples_and_trains_on_the_same(self, tmp_path, loss):
        gan = make(loss=loss, d_steps=2, steps_per_execution=4)
        gan.fit(X, batch_size=64, shuffle=False, verbose=0)
        gan.save(tmp_path / "gan.keras")
        again = keras.saving.load_model(tmp_path / "gan.keras")
        assert (type(again.loss), again.loss.real_label) == (type(loss), loss.real_label)
        assert (again.d_steps, again.steps_per_execution) == (2, 4)
        for model in (gan, again):
            model.samples = np.asarray(model(model.sample_z(16)))
            model.fit(X, batch_size=64, shuffle=False, verbose=0)
        np.testing.assert_array_equal(gan.samples, again.samples)
        assert same(weights(gan), weights(again))

    def test_every_argument_comes_through_a_config(self):
        gan = GAN(*players(), latent_dim=3, d_steps=2, seed=5, name="five")
        again = GAN.from_config(gan.get_config())
        assert (again.latent_dim, again.d_steps, again.seed, again.name) == (3, 2, 5, "five")
        np.testing.assert_array_equal(gan.sample_z(4), again.sample_z(4))
        for part in ("generator", "discriminator"):
            assert getattr(again, part).get_config() == getattr(gan, part).get_config()

    def test_weights_alone(self, tmp_path):
        gan, other = make(0), make(1)
        gan.fit(X, batch_size=64, shuffle=False, verbose=0)
        gan.save_weights(tmp_path / "gan.weights.h5")
        other.load_weights(tmp_path / "gan.weights.h5")
        for model in (gan, other):
            model.fit(X, batch_size=64, shuffle=False, verbose=0)
        assert same(weights(gan), weights(other))

    def test_backup_and_restore(self, tmp_path):
        class Killed(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    raise KeyboardInterrupt

        def train(gan, *callbacks):
            gan.fit(X, batch_size=64, shuffle=False, epochs=4, verbose=0, callbacks=callbacks)
            optimizers = gan.d_optimizer.variables + gan.g_optimizer.variables
            return [*weights(gan), *(v.numpy() for v in optimizers)]

        backup = lambda: keras.callbacks.BackupAndRestore(tmp_path)  # noqa: E731
        whole = train(make())
        with pytest.raises(KeyboardInterrupt):
            train(make(), backup(), Killed())
        assert same(whole, train(make(seed=5), backup()))

    @pytest.mark.parametrize("steps_per_execution", [1, 3, 8, 100])
    @pytest.mark.parametrize("fit", [{"epochs": 2}, {"steps_per_epoch": 10, "epochs": 3}])
    def test_steps_per_execution_changes_nothing(self, fit, steps_per_execution):
        """16 batches an epoch: nor does the number of steps, where Keras would go on to a multiple."""
        plain, grouped = make(), make(steps_per_execution=steps_per_execution)
        logs = []
        for gan in (plain, grouped):
            data = batches(X, batch_size=64, seed=3)
            data = data.repeat() if "steps_per_epoch" in fit else data
            logs.append(gan.fit(data, verbose=0, **fit).history)
            assert int(gan.d_optimizer.iterations) == (30 if "steps_per_epoch" in fit else 32)
        assert logs[0] == logs[1]
        assert same(weights(plain), weights(grouped))

    def test_no_alarm_about_tracing(self):
        """TensorFlow takes many models, each traced once, for one function traced in a loop."""

        class Kept(logging.Handler):
            def emit(self, record):
                said.append(record.getMessage())

        def speak(*_):
            tf.get_logger().warning("5 out of the last 9 calls to f triggered tf.function retracing.")
            tf.get_logger().warning("something else")

        said, handler = [], Kept()
        tf.get_logger().addHandler(handler)
        try:
            speaker = keras.callbacks.LambdaCallback(on_epoch_end=speak)
            make().fit(X[:64], batch_size=64, callbacks=[speaker], verbose=0)
            assert said == ["something else"]
            speak()
            assert len(said) == 3
        finally:
            tf.get_logger().removeHandler(handler)

    def test_steps_are_grouped_unless_a_callback_watches_them(self, tmp_path):
        class Epochs(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                seen.append("epoch")

        class Batches(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                seen.append(batch)

        each = {"on_train_batch_begin": lambda batch, logs: seen.append(batch)}
        gan = make()
        for callbacks, expected in (
            (Batches(), list(range(16))),
            ([Epochs()], ["epoch"]),
            ([Epochs(), Batches()], [*range(16), "epoch"]),
            ([keras.callbacks.LambdaCallback(**each)], list(range(16))),
        ):
            seen = []
            gan.fit(X, batch_size=64, callbacks=callbacks, verbose=0)
            assert seen == expected
        for callbacks in (None, [], keras.callbacks.BackupAndRestore(tmp_path / "b")):
            gan.fit(X, batch_size=64, callbacks=callbacks, verbose=0)
            assert gan.steps_per_execution == 25

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_mixed_precision(self, policy):
        keras.mixed_precision.set_dtype_policy(policy)
        try:
            gan = make()
            half = isinstance(gan.d_optimizer, keras.optimizers.LossScaleOptimizer)
            assert half == isinstance(gan.g_optimizer, keras.optimizers.LossScaleOptimizer)
            assert half == (policy == "mixed_float16")
            before = weights(gan)
            history = gan.fit(X, batch_size=64, epochs=3, verbose=0).history
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
        assert np.isfinite([history["d_loss"], history["g_loss"]]).all()
        assert not same(before, weights(gan))

    @pytest.mark.parametrize("d_steps", [1, 2])
    def test_mixed_float16_takes_the_steps_of_float32(self, d_steps):
        """A step of SGD shows any factor that scaling the two losses leaves behind."""

        def moves(policy):
            keras.mixed_precision.set_dtype_policy(policy)
            try:
                nets = [mlp(3, [64], 2, "tanh"), mlp(2, [64], 1, "tanh")]
                for net, start in zip(nets, starts, strict=True):
                    net.set_weights(start)
                gan = GAN(*nets, latent_dim=3, d_steps=d_steps, seed=4)
                gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
                gan.fit(X[:256], batch_size=256, shuffle=False, verbose=0)
            finally:
                keras.mixed_precision.set_dtype_policy("float32")
            return [
                np.concatenate([np.ravel(b - a) for a, b in zip(start, net.get_weights(), strict=True)])
                for start, net in zip(starts, nets, strict=True)
            ]

        starts = [mlp(3, [64], 2, "tanh").get_weights(), mlp(2, [64], 1, "tanh").get_weights()]
        for full, half in zip(moves("float32"), moves("mixed_float16"), strict=True):
            assert np.linalg.norm(full) > 0.01
            assert np.linalg.norm(half - full) < 0.01 * np.linalg.norm(full)

    def test_each_player_has_a_loss_scale_of_its_own(self):
        """D's overflows: it keeps its weights and halves its scale, and G takes its step."""
        keras.mixed_precision.set_dtype_policy("mixed_float16")
        try:
            too_large = keras.optimizers.LossScaleOptimizer(adam(), initial_scale=2.0**30)
            gan = make(nets=lambda: (mlp(3, [16], 2), mlp(2, [16], 1)), d_optimizer=too_large)
            before = [weights(player) for player in (gan.discriminator, gan.generator)]
            gan.fit(X[:64], batch_size=64, verbose=0)
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
        assert same(before[0], weights(gan.discriminator))
        assert not same(before[1], weights(gan.generator))
        assert float(gan.d_optimizer.dynamic_scale) == 2.0**29
        assert float(gan.g_optimizer.dynamic_scale) == 2.0**15

    @pytest.mark.parametrize("built", [(), (0,), (1,)])
    def test_networks_are_built_on_first_use(self, built):
        """Both, or the one that is not built."""

        def nets():
            pair = [keras.Sequential([layers.Dense(8, "relu"), layers.Dense(n)]) for n in (2, 1)]
            for i in built:
                pair[i].build((None, (3, 2)[i]))
            return pair

        gan = make(nets=nets)
        assert not gan.built
        gan.fit(X, batch_size=64, verbose=0)
        assert gan(gan.sample_z(5)).shape == (5, 2)

    @pytest.mark.parametrize(("steps", "at_once"), [(50, 25), (100, 25), (30, 15), (7, 7)])
    def test_steps_at_once_are_a_divisor_of_an_epoch(self, steps, at_once):
        gan = make()
        gan.fit(batches(X, batch_size=64).repeat(), steps_per_epoch=steps, verbose=0)
        assert gan.steps_per_execution == at_once

    def test_each_minibatch_has_its_own_conditions(self):
        """D's k minibatches, and G, see pairs that are in the data, as they are."""

        gan = make(nets=conditional_players, kind=Watched, d_steps=3, run_eagerly=True)
        x, c = X[:30], np.arange(30) % 4
        gan.train_on_batch(x, c)
        assert (len(gan.seen_d), len(gan.seen_g)) == (3, 1)
        labels = {tuple(one): label for one, label in zip(x, c, strict=True)}
        pairs = [
            (tuple(one), label)
            for xs, _, cs in gan.seen_d + gan.seen_g
            for one, label in zip(xs, cs, strict=True)
        ]
        assert len({one for one, _ in pairs}) == 30
        assert all(labels[one] == label for one, label in pairs)
        z = gan.sample_z(5)
        np.testing.assert_array_equal(gan.G(z, c[:5]), gan.generator([z.numpy(), c[:5]]))
        np.testing.assert_array_equal(gan.D(x, c), gan.discriminator([x, c]))

    def test_checking_the_data_draws_no_noise(self):
        gan = make(d_optimizer=still(), g_optimizer=still())
        expected = np.asarray(make().sample_z(4))
        with pytest.raises(ValueError, match="x holds nan"):
            gan.fit(np.full((8, 2), np.nan), verbose=0)
        with pytest.raises(ValueError, match="x has examples"):
            gan.fit(np.zeros((8, 5)), verbose=0)
        np.testing.assert_array_equal(gan.sample_z(4), expected)


def broken(value):
    x = X.copy()
    x[7, 0] = value
    return x


class TestBadInput:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: GAN(*players(), latent_dim=4), r"latent_dim=4: want that of the generator.*\(None, 3\)"),
            (lambda: GAN(*players(), latent_dim=0), "latent_dim=0: want an int of at least 1"),
            (lambda: GAN(*players(), latent_dim=3.0), "latent_dim=3.0"),
            (lambda: GAN(*players(), latent_dim=3, d_steps=0), "d_steps=0"),
            (lambda: GAN(*players(), latent_dim=3, d_steps=True), "d_steps=True"),
            (lambda: GAN("mlp", players()[1], latent_dim=3), "generator='mlp': want a keras.Model"),
            (lambda: GAN(players()[0], None, latent_dim=3), "discriminator=None: want a keras.Model"),
            (
                lambda: GAN(mlp(3, [4], 5), mlp(2, [4], 1), latent_dim=3),
                r"generator's output has examples of shape \(5,\): want \(2,\)",
            ),
            (
                lambda: GAN(mlp(3, [4], 2), mlp(2, [4], 1, out_activation="sigmoid"), latent_dim=3),
                "discriminator ends in a sigmoid: want logits",
            ),
        ],
    )
    def test_construction(self, build, message):
        with pytest.raises(ValueError, match=message):
            build()

    def test_compile(self):
        gan = GAN(*players(), latent_dim=3)
        one = adam()
        for arguments, message in (
            (("adam", adam()), "d_optimizer='adam': want a keras.optimizers.Optimizer"),
            ((adam(), None), "g_optimizer=None"),
            ((one, one), "one object: want one for each player"),
            ((adam(), adam(), "hinge"), "loss='hinge': want an object with d_loss"),
            ((adam(), adam(), keras.losses.BinaryCrossentropy()), "want an object with d_loss"),
            ((adam(), adam(), Minimax(), 0), "steps_per_execution=0: want an int of at least 1"),
        ):
            with pytest.raises(ValueError, match=message):
                gan.compile(*arguments)

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (X[:, :1], r"x has examples of shape \(1,\): want \(2,\)"),
            (X[:, None], r"x has examples of shape \(1, 2\): want \(2,\)"),
            (X.astype("int32"), "x has dtype int32: want floats in the range"),
            (broken(np.nan), r"x holds nan at index \(7, 0\)"),
            (broken(-np.inf), r"x holds -inf at index \(7, 0\)"),
        ],
    )
    def test_data(self, x, message):
        gan = make()
        before = weights(gan)
        for data in (x, tf.data.Dataset.from_tensor_slices(x).batch(64)):
            with pytest.raises(ValueError, match=message):
                gan.fit(data, verbose=0)
        assert same(before, weights(gan))

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (X[:0], r"x has shape \(0, 2\): want at least one example"),
            (tf.data.Dataset.from_tensor_slices(X[:0]).batch(4), "x is an empty dataset"),
            (np.float32(3.0), r"x has shape \(\): want at least one example"),
            (None, "x=None: want an array or a tf.data.Dataset"),
            (iter([X]), "want an array or a tf.data.Dataset"),
            (X[:33], r"a batch has 1 examples: want at least one for each of the d_steps=2"),
        ],
    )
    def test_amount_of_data(self, x, message):
        gan = make(d_steps=2)
        with pytest.raises(ValueError, match=message):
            gan.fit(x, verbose=0)

    def test_a_later_batch_smaller_than_d_steps_stops_training(self):
        gan = make(d_steps=2, d_optimizer=still(), g_optimizer=still())
        before = weights(gan.generator)[:1]
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="a batch"):
            gan.fit(tf.data.Dataset.from_tensor_slices(X[:65]).batch(64), verbose=0)
        assert same(before, weights(gan.generator)[:1])

    @pytest.mark.parametrize(("activation", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
    def test_range(self, activation, low, high):
        gan = make(nets=lambda: (mlp(3, [4], 2, out_activation=activation), mlp(2, [4], 1)))
        u = np.random.default_rng(0).uniform(low, high, (64, 2))
        gan.fit(u, verbose=0)
        for x in (u * 255, u - 0.5, u + 0.5):
            message = rf"x has values from .*: want {low} to {high}, .*{activation}"
            with pytest.raises(ValueError, match=message):
                gan.fit(x, verbose=0)

    def test_conditions(self):
        gan = make(nets=conditional_players)
        labels = np.arange(len(X)) % 4
        for c, message in (
            (labels + 1, "c holds the label 4: want labels of at least 0 and below 4"),
            (labels - 1, "c holds the label -1"),
            (labels[:-1], "c has 1023 conditions: want 1024"),
            (np.full((len(X), 2), np.nan), "c holds nan"),
        ):
            with pytest.raises(ValueError, match=message):
                gan.fit(X, c, verbose=0)
        pairs = tf.data.Dataset.from_tensor_slices((X, labels + 1)).batch(64)
        with pytest.raises(ValueError, match="c holds the label 4"):
            gan.fit(pairs, verbose=0)
        labels[-1] = 7  # in a last batch that is dropped, even
        with pytest.raises(ValueError, match="c holds the label 7"):
            gan.fit(batches(X, labels, batch_size=1000), verbose=0)

    def test_fit_arguments(self):
        gan = make()
        for name in ("validation_data", "validation_split", "sample_weight", "class_weight"):
            with pytest.raises(ValueError, match=f"{name} was given"):
                gan.fit(X, **{name: 0.5})
        with pytest.raises(ValueError, match="batch_size=-1"):
            gan.fit(X, batch_size=-1)
        with pytest.raises(ValueError, match="y was given beside a dataset"):
            gan.fit(batches(X), X)
        with pytest.raises(ValueError, match=r"a batch has 2 examples: .* d_steps=3"):
            make(d_steps=3).fit(batches(X, batch_size=2))
        weighted = tf.data.Dataset.from_tensor_slices((X, X, X[:, 0])).batch(8)
        with pytest.raises(ValueError, match=r"yields \(x, c, weight\)"):
            gan.fit(weighted)
        with pytest.raises(ValueError, match="compile was not called"):
            GAN(*players(), latent_dim=3).fit(X)
