import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import ganbook
from ganbook import FeatureMatching, mlp


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def small(d=None, kind=FeatureMatching, g=None):
    keras.utils.set_random_seed(0)
    gan = kind(g or mlp(3, (8,), 2), d or mlp(2, (6, 5), 1, "tanh"), 3)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return gan


def test_g_pays_the_squared_distance_of_mean_hidden_layers():
    gan, x, z = small(), normal(16, 2), normal(12, 3)
    w1, b1, w2, b2, *_ = gan.discriminator.get_weights()
    real, made = (np.tanh(np.tanh(a @ w1 + b1) @ w2 + b2) for a in (x, gan.G(z).numpy()))
    wanted = ((real.mean(0) - made.mean(0)) ** 2).sum()
    assert float(gan.g_loss(x, z)) == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gan.features(x), real, rtol=1e-5, atol=1e-6)


def test_its_gradient_in_g_is_that_of_central_differences():
    gan, x, z = small(), normal(16, 2), normal(12, 3)
    with tf.GradientTape() as tape:
        cost = gan.g_loss(x, z)
    bias = gan.generator.trainable_variables[-1]
    gradient, before = tape.gradient(cost, bias).numpy(), bias.numpy()
    for i in range(2):
        ends = []
        for step in (0.01, -0.01):
            bias.assign(before + step * np.eye(2, dtype="float32")[i])
            ends.append(float(gan.g_loss(x, z)))
        bias.assign(before)
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 0.02, rel=1e-2, abs=1e-5)


def test_d_pays_what_it_pays_elsewhere():
    gan, x, z = small(), normal(16, 2), normal(16, 3)
    assert float(gan.d_loss(x, z)) == float(ganbook.GAN.d_loss(gan, x, z))


def test_the_noise_of_d_is_on():
    gan = small(ganbook.noisy_classifier((2,), (6,), 1))
    x = normal(16, 2)
    assert np.abs(gan.features(x) - gan.features(x)).max() > 0.1


def test_with_a_condition_and_a_functional_d():
    x, c = keras.Input((2,)), keras.Input((4,))
    d = keras.Model([x, c], layers.Dense(1)(layers.Dense(5, "tanh")(layers.Concatenate()([x, c]))))
    z, c_g = keras.Input((3,)), keras.Input((4,))
    g = keras.Model([z, c_g], layers.Dense(2)(layers.Concatenate()([z, c_g])))
    gan, x, c = small(d, g=g), normal(8, 2), normal(8, 4)
    kernel, bias = d.get_weights()[:2]
    np.testing.assert_allclose(
        gan.features(x, c), np.tanh(np.concatenate([x, c], 1) @ kernel + bias), rtol=1e-4, atol=1e-5
    )
    assert np.isfinite(gan.fit(x, c, batch_size=4, verbose=0).history["g_loss"]).all()


def test_of_many_games_it_is_the_mean():
    d = keras.Sequential([keras.Input((5, 2)), ganbook.ManyDense(6, "tanh"), ganbook.ManyDense(1)])
    g = keras.Sequential([keras.Input((3,)), layers.Dense(10), layers.Reshape((5, 2))])
    gan, x, z = small(d, g=g), normal(8, 5, 2), normal(8, 3)
    gap = gan.features(x).numpy().mean(0) - gan.features(gan.G(z)).numpy().mean(0)
    assert float(gan.g_loss(x, z)) == pytest.approx((gap**2).sum(1).mean(), rel=1e-5)


def test_it_trains_saves_and_loads(tmp_path):
    gan = small()
    gan.fit(normal(64, 2) + 3, batch_size=16, epochs=60, verbose=0)
    z = gan.sample_z(200)
    assert np.abs(gan(z).numpy().mean(0) - 3).max() < 1
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(again(z), gan(z))
    assert len(again.discriminator.weights) == 6


@pytest.mark.parametrize("d", [mlp(2, (), 1), layers.Dense(1)], ids=["one layer", "no model"])
def test_a_d_without_a_layer_before_its_last_is_refused(d):
    with pytest.raises(ValueError, match=r"discriminator=.*want a Sequential or functional model"):
        FeatureMatching(mlp(3, (8,), 2), d, 3)


def test_but_not_where_features_is_another():
    class Moments(FeatureMatching):
        def features(self, x, c=None):
            return tf.concat([x, x**2], 1)

    gan = small(mlp(2, (), 1), Moments)
    x, z = normal(16, 2), normal(16, 3)
    made = gan.G(z).numpy()
    wanted = sum(((x**k).mean(0) - (made**k).mean(0)) @ ((x**k).mean(0) - (made**k).mean(0)) for k in (1, 2))
    assert float(gan.g_loss(x, z)) == pytest.approx(wanted, rel=1e-4)
