"""The norms by a reference batch, against loops over examples in NumPy and Keras' batch norm."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganbook import GAN, AddReference, DropReference, ReferenceBatchNorm, VirtualBatchNorm, batches, mlp, ring

N, EPSILON = 6, 1e-3
SHAPES = [(5,), (4, 3, 2)]
NORMS = [ReferenceBatchNorm, VirtualBatchNorm]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype("float32")


def scaled(kind, shape):
    """A norm whose scale and shift are not the trivial ones."""
    norm = kind(N, epsilon=EPSILON)
    norm.build((None, *shape))
    norm.gamma.assign(np.linspace(0.5, 2, shape[-1]))
    norm.beta.assign(np.linspace(-1, 1, shape[-1]))
    return norm


def loop(kind, x, gamma, beta):
    """The definition, an example at a time, in float64."""
    y, axes = [], tuple(range(x.ndim - 1))
    for i in range(N, len(x)):
        rows = [*range(N), i] if kind is VirtualBatchNorm else range(N)
        seen = x[list(rows)].astype("float64")
        y.append((x[i] - seen.mean(axes)) / np.sqrt(seen.var(axes) + EPSILON))
    return np.array(y) * gamma + beta


def generator(kind=VirtualBatchNorm):
    return keras.Sequential(
        [
            keras.Input((3,)),
            AddReference(normal(N, 3)),
            keras.layers.Dense(16),
            kind(N),
            keras.layers.ReLU(),
            keras.layers.Dense(16),
            kind(N),
            keras.layers.ReLU(),
            DropReference(N),
            keras.layers.Dense(2),
        ]
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", NORMS)
def test_norm_is_the_loop_over_examples(kind, shape):
    x, norm = normal(N + 4, *shape), scaled(kind, shape)
    wanted = loop(kind, x, norm.gamma.numpy(), norm.beta.numpy())
    np.testing.assert_allclose(norm(x)[N:], wanted, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", NORMS)
def test_reference_rows_come_out_as_from_keras_batch_norm(kind, shape):
    x, norm = normal(N + 4, *shape), scaled(kind, shape)
    by_keras = keras.layers.BatchNormalization(epsilon=EPSILON)
    by_keras.build((None, *shape))
    by_keras.set_weights([norm.gamma, norm.beta, *by_keras.get_weights()[2:]])
    np.testing.assert_allclose(norm(x)[:N], by_keras(x[:N], training=True), atol=1e-5)


@pytest.mark.parametrize("kind", NORMS)
def test_an_example_does_not_depend_on_its_batch(kind):
    net, z = generator(kind), normal(40, 3, seed=1)
    alone = np.concatenate([net(z[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(net(z), alone, atol=1e-6)
    np.testing.assert_allclose(net(z, training=True), alone, atol=1e-6)
    others = np.concatenate([z[:1], normal(39, 3, seed=2)])
    np.testing.assert_allclose(net(others)[0], alone[0], atol=1e-6)


def test_batch_norm_in_its_place_does_depend_on_it():
    """The test above can fail."""
    x, norm = normal(8, 5), keras.layers.BatchNormalization()
    change = norm(x, training=True)[0] - norm(np.concatenate([x[:1], 2 * x[1:]]), training=True)[0]
    assert np.abs(change).max() > 0.1


@pytest.mark.parametrize("kind", NORMS)
def test_gradient_flows_through_the_reference(kind):
    """Central differences, in double precision, of a weight below the norm."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        net = generator(kind)
    finally:
        keras.config.set_dtype_policy(policy)
    z, kernel = normal(4, 3, seed=1).astype("float64"), net.layers[1].kernel
    cost = lambda: tf.reduce_sum(net(z) ** 3)  # noqa: E731
    with tf.GradientTape() as tape:
        value = cost()
    gradient = tape.gradient(value, kernel).numpy()
    assert net(z).dtype == "float64"
    start, step = kernel.numpy(), 1e-5
    for at in [(0, 0), (1, 7), (2, 15)]:
        change = np.zeros_like(start)
        change[at] = step
        kernel.assign(start + change)
        high = cost()
        kernel.assign(start - change)
        low = cost()
        kernel.assign(start)
        np.testing.assert_allclose(gradient[at], (high - low) / (2 * step), rtol=1e-4, atol=1e-7)
    reference = net.layers[0].reference.value
    with tf.GradientTape() as tape:
        tape.watch(reference)
        value = cost()
    assert np.abs(tape.gradient(value, reference)).max() > 1e-3


def test_a_gan_trains_saves_and_loads(tmp_path):
    gan = GAN(generator(), mlp(2, [8], 1), latent_dim=3, seed=0)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), steps_per_execution=5)
    before, reference = gan.generator.get_weights(), normal(N, 3)
    gan.fit(batches(ring(std=0.1).sample(640, seed=0), batch_size=32, seed=0), verbose=0)
    trained = gan.generator.layers[1].kernel
    assert np.abs(trained - before[1]).max() > 1e-3
    np.testing.assert_array_equal(gan.generator.layers[0].reference, reference)
    z = gan.sample_z(50)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded(z), gan(z))
    np.testing.assert_allclose(loaded.generator.predict(z, batch_size=7, verbose=0), gan(z), atol=1e-6)
    gan.save_weights(tmp_path / "gan.weights.h5")
    other = GAN(generator(), mlp(2, [8], 1), latent_dim=3)
    other.generator.layers[0].reference.assign(reference + 1)
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(other(z), gan(z))


def test_a_clone_has_the_reference_of_the_moment():
    net = generator()
    net.layers[0].reference.assign(normal(N, 3, seed=3))
    json.dumps(net.get_config())
    clone = keras.models.clone_model(net)
    np.testing.assert_array_equal(clone.layers[0].reference, normal(N, 3, seed=3))
    assert clone.layers[0].reference.path not in {w.path for w in clone.trainable_variables}
    assert clone.layers[2].get_config() == net.layers[2].get_config()


@pytest.mark.parametrize("kind", NORMS)
def test_arguments_and_names_come_through_the_config(kind):
    norm = kind(N, epsilon=0.25, name="norm", dtype="float64")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(norm))
    assert (again.epsilon, again.n_reference, again.name, again.dtype) == (0.25, N, "norm", "float64")
    assert kind(N).epsilon == keras.layers.BatchNormalization().epsilon
    norm.build((None, 5))
    assert [w.name for w in norm.trainable_weights] == ["gamma", "beta"]
    add = AddReference(normal(N, 3), name="add", dtype="float64")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(add))
    assert (again.name, again.dtype, again.reference.name) == ("add", "float64", "reference")


def test_drop_reference_is_what_add_reference_was_given():
    x = normal(4, 3, seed=1)
    added = AddReference(normal(N, 3))(x)
    np.testing.assert_array_equal(added, np.concatenate([normal(N, 3), x]))
    np.testing.assert_array_equal(DropReference(N)(added), x)
    assert DropReference(N)(added[:N]).shape == (0, 3)  # an empty batch


@pytest.mark.parametrize("kind", NORMS)
def test_pictures_of_any_size_have_one_statistic_a_channel(kind):
    norm = kind(N)
    norm.build((None, None, None, 2))
    x = normal(N + 2, 4, 3, 2)
    np.testing.assert_allclose(norm(x)[N:], loop(kind, x, 1.0, 0.0), atol=2e-5)


def test_mixed_precision_takes_statistics_in_single():
    norm = VirtualBatchNorm(N, dtype="mixed_float16")
    x = normal(N + 4, 5) + 300.0  # the squares are beyond half precision
    y = norm(x)
    assert y.dtype == "float16"
    wanted = loop(VirtualBatchNorm, x.astype("float16"), 1.0, 0.0)
    np.testing.assert_allclose(y[N:], wanted, atol=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: VirtualBatchNorm(0), "n_reference=0: want an int"),
        (lambda: DropReference(2.5), r"n_reference=2\.5"),
        (lambda: ReferenceBatchNorm(4, epsilon=0), "epsilon=0: want a finite number above 0"),
        (lambda: VirtualBatchNorm(4)(normal(3, 2)), "x has 3 rows: want n_reference=4"),
        (lambda: VirtualBatchNorm(4)(normal(8)), r"x has shape \(8,\)"),
        (lambda: AddReference(np.ones((3, 2), int)), "reference has dtype int64"),
        (lambda: AddReference(np.full((3, 2), np.nan)), "reference holds nan"),
        (lambda: AddReference(normal(4, 3))(normal(4, 2)), r"x has examples of shape \(2,\): want \(3,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
