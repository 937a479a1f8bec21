import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import ganbook
from ganbook import R1GAN, penalties, r1

rng = np.random.default_rng(0)


def small(gamma=4.0, d=None, **kwargs):
    keras.utils.set_random_seed(0)
    gan = R1GAN(ganbook.mlp(3, (8,), 2), d or ganbook.mlp(2, (8,), 1, "tanh"), 3, gamma=gamma, **kwargs)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return gan


def test_of_a_plane_it_is_its_slope_squared_and_that_is_differentiated_to_twice_the_slope():
    w, x = tf.Variable([[3.0], [-4.0]]), tf.constant(rng.normal(size=(5, 2)), "float32")
    with tf.GradientTape() as tape:
        penalty = r1(lambda x: x @ w + 7.0, x)
    assert penalty.numpy() == pytest.approx(25.0)
    np.testing.assert_allclose(tape.gradient(penalty, w), [[6.0], [-8.0]])


def test_of_a_paraboloid_it_is_the_mean_over_the_batch_and_the_sum_over_all_axes():
    x = rng.normal(size=(6, 3, 4, 2)).astype("float32")
    curvature = rng.normal(size=(3, 4, 2)).astype("float32")
    found = r1(lambda x: tf.reduce_sum(curvature * x**2, axis=(1, 2, 3))[:, None], tf.constant(x))
    assert found.numpy() == pytest.approx(((2 * curvature * x) ** 2).sum() / 6, rel=1e-5)


def test_of_a_network_it_is_that_of_central_differences():
    keras.utils.set_random_seed(1)
    # Of 64 bits, and smooth: a step may not cross the kink of a leaky ReLU.
    net = keras.Sequential(
        [
            keras.Input((4, 4, 1), dtype="float64"),
            layers.Conv2D(3, 3, 2, "same", activation="tanh", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(1, dtype="float64"),
        ]
    )
    x, h = rng.normal(size=(3, 4, 4, 1)), 1e-5
    slopes = np.zeros_like(x)
    for place in np.ndindex(4, 4, 1):
        step = np.zeros((4, 4, 1))
        step[place] = h
        slopes[(slice(None), *place)] = (net(x + step) - net(x - step)).numpy()[:, 0] / (2 * h)
    assert r1(net, tf.constant(x)).numpy() == pytest.approx((slopes**2).sum() / 3, rel=1e-5)


@pytest.mark.parametrize("gamma", [0, 0.5, 4])
def test_d_pays_half_gamma_times_it_on_data_and_nothing_on_samples(gamma):
    gan = small(gamma)
    x, z = (tf.constant(rng.normal(size=(16, n)), "float32") for n in (2, 3))
    plain = ganbook.GAN.d_loss(gan, x, z)
    np.testing.assert_allclose(gan.d_loss(x, z), plain + gamma / 2 * r1(gan.D, x), rtol=1e-6)
    np.testing.assert_allclose(gan.g_loss(x, z), ganbook.GAN.g_loss(gan, x, z))
    elsewhere = gan.d_loss(x, z + 1.0) - ganbook.GAN.d_loss(gan, x, z + 1.0)
    np.testing.assert_allclose(elsewhere, gan.d_loss(x, z) - plain, atol=1e-6)


def test_a_step_of_d_goes_down_the_gradient_of_all_that_it_pays():
    """One step of SGD, beside central differences of the cost in one weight."""
    gan = small()
    gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1e-9))
    x = tf.constant(rng.normal(size=(16, 2)), "float32")
    state = gan.noise_seed.state.numpy()
    z = gan.sample_z(16)
    bias = gan.discriminator.trainable_variables[1]
    before, h, costs = bias.numpy(), np.float32(1e-2), []
    for sign in (1, -1):
        bias.assign(before + sign * h * np.eye(8, dtype="float32")[0])
        costs.append(gan.d_loss(x, z).numpy())
    bias.assign(before)
    gan.noise_seed.state.assign(state)
    gan.train_on_batch(x)
    assert before[0] - bias.numpy()[0] == pytest.approx((costs[0] - costs[1]) / (2 * h), rel=2e-2)


def test_with_conditions_the_slope_is_in_the_picture_alone():
    x, c = keras.Input((2,)), keras.Input((1,))
    z = keras.Input((3,))
    d = keras.Model([x, c], keras.ops.sum(x * c, axis=1, keepdims=True))
    g = keras.Model([z, c], layers.Dense(2)(keras.ops.concatenate([z, c], axis=1)))
    gan = R1GAN(g, d, 3, gamma=2.0)
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    x, c, z = (rng.normal(size=(8, n)).astype("float32") for n in (2, 1, 3))
    paid = gan.d_loss(*map(tf.constant, (x, z, c))) - ganbook.GAN.d_loss(gan, *map(tf.constant, (x, z, c)))
    assert paid.numpy() == pytest.approx(2 * (c**2).mean(), rel=1e-4)


def test_it_is_saved_with_its_gamma(tmp_path):
    gan = small(1.5)
    gan.fit(rng.normal(size=(64, 2)).astype("float32"), batch_size=32, verbose=0)
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    assert isinstance(again, R1GAN)
    assert again.gamma == 1.5


def test_a_gamma_that_is_changed_counts_from_the_next_fit_on():
    x = np.float32(rng.normal(size=(64, 2)))
    ends = []
    for later in (4.0, 400.0):
        gan = small(4.0, seed=0)
        gan.fit(x, batch_size=64, shuffle=False, verbose=0)
        gan.gamma = later
        gan.fit(x, batch_size=64, shuffle=False, verbose=0)
        ends.append(gan.discriminator.get_weights()[0])
    assert np.abs(ends[0] - ends[1]).max() > 1e-4


@pytest.mark.parametrize("gamma", [-1, float("nan"), float("inf"), "4", None, True])
def test_a_gamma_that_makes_no_sense(gamma):
    with pytest.raises(ValueError, match="gamma="):
        small(gamma)
    gan = small()
    with pytest.raises(ValueError, match="gamma="):
        gan.gamma = gamma
    assert gan.gamma == 4.0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_half_precision_it_is_a_float32_near_that_of_full_precision(policy):
    x = tf.constant(rng.uniform(-1, 1, (8, 8, 8, 1)), "float32")
    full = ganbook.plain_discriminator((8, 8, 1), width=4)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        half = ganbook.plain_discriminator((8, 8, 1), width=4)
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(full.get_weights())
    found = r1(half, x)
    assert found.dtype == "float32"
    assert found.numpy() == pytest.approx(r1(full, x).numpy(), rel=0.05)


def test_the_flat_d_of_the_optimum_pays_nothing_and_a_batch_norm_mixes_examples():
    """What the docstring warns of: with batch norm the sum of logits is not made of each one's own."""
    x = tf.constant(rng.normal(size=(16, 2)), "float32")
    assert r1(lambda x: 0.0 * x[:, :1], x).numpy() == 0
    norm = layers.BatchNormalization(epsilon=0.0)
    # Normalised over the batch, the sum of the logits is 0 whatever x is, and so is its slope.
    assert r1(lambda x: norm(x[:, :1], training=True), x).numpy() == pytest.approx(0, abs=1e-8)
    one_alone = [penalties.r1(lambda x: norm(x[:, :1], training=False), x[i : i + 1]) for i in range(3)]
    assert min(one_alone) > 0.1
