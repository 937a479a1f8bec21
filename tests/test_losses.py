"""The losses against Keras' own binary cross-entropy, closed forms and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import wasserstein_distance

from ganbook import MaximumLikelihood, Minimax, NonSaturating, Wasserstein

rng = np.random.default_rng(0)
REAL, FAKE = rng.normal(0, 3, (2, 64, 1)).astype("float32")
ALL = [Minimax(), NonSaturating(), MaximumLikelihood(), Minimax(0.9), NonSaturating(0.9), Wasserstein()]


def cross_entropy(label, logits):
    return keras.losses.BinaryCrossentropy(from_logits=True)(np.full_like(logits, label), logits).numpy()


@pytest.mark.parametrize("label", [1.0, 0.9])
@pytest.mark.parametrize("kind", [Minimax, NonSaturating, MaximumLikelihood])
def test_d_loss_is_the_mean_cross_entropy_of_the_two_minibatches(kind, label):
    expected = 0.5 * cross_entropy(label, REAL) + 0.5 * cross_entropy(0.0, FAKE)
    np.testing.assert_allclose(kind(real_label=label).d_loss(REAL, FAKE), expected, rtol=1e-6)


def test_g_losses_against_cross_entropy_and_the_odds():
    np.testing.assert_allclose(Minimax().g_loss(FAKE), -0.5 * cross_entropy(0.0, FAKE), rtol=1e-6)
    np.testing.assert_allclose(NonSaturating().g_loss(FAKE), 0.5 * cross_entropy(1.0, FAKE), rtol=1e-6)
    d = 1 / (1 + np.exp(-FAKE.astype("float64")))
    np.testing.assert_allclose(MaximumLikelihood().g_loss(FAKE), -0.5 * np.mean(d / (1 - d)), rtol=1e-5)


def test_values_at_chance():
    zero = np.zeros((8, 1), "float32")
    for loss in ALL[:3]:
        np.testing.assert_allclose(loss.d_loss(zero, zero), np.log(2), rtol=1e-6)
    costs = [loss.g_loss(zero) for loss in ALL[:3]]
    np.testing.assert_allclose(costs, [-np.log(2) / 2, np.log(2) / 2, -0.5], rtol=1e-6)


def test_the_best_answer_on_data_is_the_label():
    """One-sided smoothing: with label 0.9 J_D is least at D(x) = 0.9."""
    logits = np.linspace(-4, 8, 2401, dtype="float32")
    costs = [float(Minimax(0.9).d_loss(a, np.float32(0))) for a in logits]
    best = 1 / (1 + np.exp(-logits[np.argmin(costs)]))
    assert best == pytest.approx(0.9, abs=1e-2)


@pytest.mark.parametrize("loss", ALL)
def test_gradients_against_finite_differences(loss):
    real, fake = tf.constant(REAL[:5]), tf.constant(FAKE[:5] / 2)
    for cost, at in (
        (lambda a: loss.d_loss(a, fake), real),
        (lambda a: loss.d_loss(real, a), fake),
        (loss.g_loss, fake),
    ):
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = cost(at)
        slope = tape.gradient(value, at).numpy().ravel()
        step = np.eye(5, dtype="float32").reshape(5, 5, 1) * 1e-2
        numeric = [(float(cost(at + s)) - float(cost(at - s))) / 2e-2 for s in step]
        np.testing.assert_allclose(slope, numeric, rtol=2e-3, atol=2e-5)
        assert np.abs(slope).max() > 1e-3


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_finite_at_logits_of_1e4(loss, dtype):
    for a in (-1e4, 1e4):
        logits = tf.constant([[a], [-a]], dtype)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            costs = [loss.d_loss(logits, logits), loss.g_loss(logits)]
        assert {cost.dtype for cost in costs} == {tf.float32}
        values = [*costs, *(tape.gradient(cost, logits) for cost in costs)]
        assert all(np.isfinite(v).all() for v in values if dtype == "float32" or v.ndim == 0)


def test_maximum_likelihood_keeps_falling_beyond_saturation():
    values = [float(MaximumLikelihood().g_loss(np.float32(a))) for a in (16.9, 17.1, 20.0, 100.0, 1e4)]
    assert (np.diff(values) < 0).all()
    # along the tangent at 17
    np.testing.assert_allclose(values[3], -0.5 * np.exp(17) * (1 + 100 - 17), rtol=1e-5)


def test_a_critic_of_slope_1_proves_the_earth_movers_distance_and_no_more():
    """Where data lie right of samples f(x) = x is the best critic; any other of slope at most 1 says less."""
    data, samples = np.abs(REAL[:, 0]), -np.abs(FAKE[:, 0])
    exact = wasserstein_distance(data, samples)
    for critic, equal in ((lambda x: x, True), (np.sin, False), (np.abs, False), (lambda x: x + 7, True)):
        proved = -float(Wasserstein().d_loss(critic(data), critic(samples)))
        assert (proved == pytest.approx(exact, rel=1e-5)) == equal
        assert proved <= exact * (1 + 1e-5)
    assert float(Wasserstein().g_loss(FAKE + 7)) == pytest.approx(-FAKE.mean() - 7, rel=1e-5)


@pytest.mark.parametrize("label", [1.1, 0.0, -0.9, float("nan"), True])
def test_a_label_outside_0_1_is_refused(label):
    with pytest.raises(ValueError, match=r"real_label=.*\(0, 1\]"):
        NonSaturating(real_label=label)


@pytest.mark.parametrize("loss", ALL)
def test_config_round_trip(loss):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
