"""What the classes and functions of the first chapters of Part IV do when they are pasted and used."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from pasted import classes_of, holds, normal, one_step, pasted, true

import ganbook
from ganbook import mlp


def dirac(kind, rate):
    """The smallest game, of the chapter on convergence: data 0, samples theta = 1, logits psi x, psi = 1."""
    gan = pasted("convergence-dirac")(kind)
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    return gan


def descent(theta, psi):
    """(-dJ_G/dtheta, -dJ_D/dpsi) of that game, by hand."""
    return np.array([psi / (1 + np.exp(theta * psi)), -theta / (1 + np.exp(-theta * psi))]) / 2


def consensus(kind):
    gan = dirac(kind, 0.1)
    gan.gamma = 3.0
    x, z, extra = np.zeros((4, 1)), np.zeros((4, 1)), 3 / 2 * (descent(1, 1) ** 2).sum()
    assert float(gan.d_loss(x, z)) == pytest.approx((np.log(2) + np.log1p(np.e)) / 2 + extra, rel=1e-5)
    assert float(gan.g_loss(x, z)) == pytest.approx(np.log1p(np.exp(-1)) / 2 + extra, rel=1e-5)
    one_step(kind)


def extragradient(kind):
    gan, w = dirac(kind, 0.3), np.ones(2)
    gan.fit(np.zeros((8, 1), "float32"), batch_size=8, verbose=0)
    there = [v.numpy().item() for v in gan.trainable_variables]
    assert there == pytest.approx(w + 0.3 * descent(*(w + 0.3 * descent(*w))), abs=1e-6)


def optimistic(kind):
    """Twice Adam's own step, less the step before: for gradients that do not depend on the place."""
    places, at, ago = {}, 0.0, 0.0
    for of in (kind, ganbook.ManyAdam):
        optimizer, v = of(0.1, games=2), keras.Variable(np.zeros((2, 3)))
        optimizer.build([v])
        places[of] = []
        for k in range(4):
            optimizer.apply([ops.full((2, 3), 0.5 - 0.4 * k)], [v])
            places[of].append(v.numpy()[0, 0])
    for step, now in zip(np.diff(places[ganbook.ManyAdam], prepend=0), places[kind], strict=True):
        at, ago = at + 2 * step - ago, step
        assert now == pytest.approx(at, abs=1e-6)


def average_of_weights(kind):
    kept, average = [], kind()
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: kept.append(gan.generator.get_weights()[0]),
    )
    gan = dirac(ganbook.GAN, 0.1)
    gan.fit(np.zeros((8, 1), "float32"), batch_size=8, epochs=2, verbose=0, callbacks=[average, keep])
    assert average.weights[0] == pytest.approx(0.9 * (0.9 * 1 + 0.1 * kept[0]) + 0.1 * kept[1], abs=1e-6)


def packed(m):
    """D gets m examples at once, and a pack that is not full is left out."""

    def check(kind):
        gan = one_step(kind, discriminator=mlp(2 * m, (8,), 1))
        x = normal(4 * m + 1, 2)
        by_hand = gan.discriminator(x[:-1].reshape(4, 2 * m))
        assert np.allclose(gan.D(x), by_hand)

    return check


def similarities(over):
    """Half of a batch of two kinds is alike: each example sees `over` as many."""

    def check(kind):
        layer = kind(B=3, C=2)
        x = np.repeat([[0.0, 0.0], [1e4, -7e3]], 4, axis=0).astype("float32")
        assert np.allclose(layer(x)[:, 2:], over(3, 7), atol=1e-3)
        assert kind(B=3, C=2)(normal(6, 5, 2)).shape == (6, 5, 5)
        for wrong in ({"B": 0}, {"C": 0}):
            with pytest.raises(ValueError, match="want at least 1"):
                kind(**wrong)

    return check


def batch_deviation(kind):
    x = normal(50, 3)
    out = kind()(x)
    assert np.allclose(out[:, :3], x)
    assert np.allclose(out[:, 3], x.std(axis=0).mean(), atol=1e-5)


def unrolled(kind, through_d):
    """G's gradient in z against differences: equal if the gradient goes through D's steps."""
    gan = kind(mlp(4, (8,), 2, "tanh"), mlp(2, (8,), 1, "tanh"), 4, K=3, rate=2.0)
    plain = ganbook.GAN(gan.generator, gan.discriminator, 4)
    for model in (gan, plain):
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    x, z, bias = normal(64, 2), normal(64, 4), gan.generator.trainable_variables[-1]
    before = [w.numpy() for w in gan.discriminator.weights]
    with tf.GradientTape() as tape:
        cost = gan.g_loss(x, z)
    slope = tape.gradient(cost, bias).numpy()
    assert all(np.array_equal(w, v.numpy()) for w, v in zip(before, gan.discriminator.weights, strict=True))
    ends = []
    for step in (0.01, -0.01):
        bias.assign_add([step, 0.0])
        ends.append(float(gan.g_loss(x, z)))
        bias.assign_add([-step, 0.0])
    assert (abs(slope[0] - (ends[0] - ends[1]) / 0.02) < 1e-3) == through_d
    gan.K = 0
    assert float(gan.g_loss(x, z)) == float(plain.g_loss(x, z))
    for wrong in ({"K": -1}, {"K": 1.5}, {"rate": 0.0}):
        with pytest.raises(ValueError, match="want an int"):
            kind(gan.generator, gan.discriminator, 4, **wrong)
    one_step(kind)


def margin(kind):
    cost = kind()
    assert float(cost.d_loss(np.float32([1, 5]), np.float32([-1, -3]))) == 0
    assert float(cost.d_loss(np.float32([0, 0]), np.float32([0, 2]))) == 1 + 2
    one_step(ganbook.GAN, loss=cost)


def clips(kind):
    assert np.abs(kind(0.1)(normal(3, 4))).max() == pytest.approx(0.1)
    assert kind(**kind(0.1).get_config()).c == 0.1
    for c in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=f"c={c}: want"):
            kind(c)


def spectral(kind):
    """Mixed into a dense layer; a convolution's kernel is refused."""
    stretches_nothing(type("Mixed", (kind, layers.Dense), {}), (5, 4))
    with pytest.raises(ValueError, match="want dense"):
        type("Mixed", (kind, layers.Conv2D), {})(3, 3)(normal(1, 8, 8, 2))


def stretches_nothing(kind, shape):
    """After calls in training the largest singular value is 1, out of training too, and u rests there."""
    layer, x = kind(3), normal(*shape)
    layer(x)
    layer.kernel.assign(5 * layer.kernel)
    for _ in range(100):
        layer(x, training=True)
    u = layer.u.numpy()
    y = layer(x).numpy()
    assert np.array_equal(layer.u.numpy(), u)
    W = layer.kernel.numpy()
    W = W / np.linalg.svd(W, compute_uv=False)[..., :1, None]
    np.testing.assert_allclose(y, np.einsum("b...i,...ij->b...j", x, W), atol=1e-4)


def pairs_only(kind):
    """D's cost is of differences: log 2 where D is flat, and the same if D is lifted by a constant."""
    gan, x, z = one_step(kind), ops.convert_to_tensor(normal(6, 2)), normal(6, 4)
    before = [float(cost(x, z)) for cost in (gan.d_loss, gan.g_loss)]
    gan.discriminator.layers[-1].bias.assign([7.0])
    assert [float(cost(x, z)) for cost in (gan.d_loss, gan.g_loss)] == pytest.approx(before, abs=1e-4)
    for w in gan.discriminator.trainable_variables:
        w.assign(0 * w)
    assert float(gan.d_loss(x, z)) == pytest.approx(np.log(2), abs=1e-6)


def pairs_with_r1(kind):
    gan, x, z = one_step(kind, discriminator=mlp(2, (), 1)), ops.convert_to_tensor(normal(6, 2)), normal(6, 4)
    with_penalty = float(gan.d_loss(x, z))
    gan.gamma, paid = 0.0, kind.gamma / 2 * (gan.discriminator.layers[-1].kernel.numpy() ** 2).sum()
    assert with_penalty - float(gan.d_loss(x, z)) == pytest.approx(paid, abs=1e-5)


def wgan_gp(kind):
    """A straight critic has one slope, wherever t falls."""
    gan, x, z = one_step(kind, discriminator=mlp(2, (), 1)), ops.convert_to_tensor(normal(6, 2)), normal(6, 4)
    slope = np.linalg.norm(gan.discriminator.layers[-1].kernel.numpy())
    paid = float(gan.d_loss(x, z)) - float(gan.loss.d_loss(gan.D(x), gan.D(gan.G(z))))
    assert paid == pytest.approx(kind.weight * (slope - 1) ** 2, abs=1e-5)


def louder(kind):
    gan, x = one_step(kind), normal(5, 2)
    np.testing.assert_allclose(gan.D(x), 20 * gan.discriminator(x), rtol=1e-5)


CLASSES = {
    "convergence-average": average_of_weights,
    "convergence-consensus": consensus,
    "convergence-extragradient": extragradient,
    "convergence-optimistic": optimistic,
    "convergence-point": holds(lambda kind: np.ptp(kind()(normal(5, 1))), 0),
    "diversity-minibatchdiscrimination": similarities(lambda alike, others: alike / others),
    "diversity-minibatchstd": batch_deviation,
    "diversity-minibatchsum": similarities(lambda alike, others: alike),
    "diversity-packedgan": packed(2),
    "diversity-packs4": packed(4),
    "unrolled-lookahead": lambda kind: unrolled(kind, through_d=False),
    "unrolled-unrolled": lambda kind: unrolled(kind, through_d=True),
    "wasserstein-clip": clips,
    "wasserstein-hinge": margin,
    "wasserstein-louder": louder,
    "wasserstein-manyspectral": lambda kind: stretches_nothing(kind, (5, 2, 4)),
    "wasserstein-relativistic": pairs_only,
    "wasserstein-relativisticr1": pairs_with_r1,
    "wasserstein-spectral": spectral,
    "wasserstein-spectraldense": lambda kind: stretches_nothing(kind, (5, 4)),
    "wasserstein-wgangp": wgan_gp,
}


def test_every_class_is_used():
    chapters = "convergence", "diversity", "unrolled", "wasserstein"
    assert set(CLASSES) == classes_of(*(f"frontiers/{chapter}" for chapter in chapters))


@pytest.mark.parametrize("name", CLASSES)
def test_pasted_alone_a_class_works(name):
    keras.utils.set_random_seed(0)
    CLASSES[name](pasted(name))


# What a function gives, where it takes numbers, arrays or nets alone.

CALLS = {
    "convergence-bilinear": "bilinear([2, 3]).tolist() == [-3, 2]",
    "convergence-radius": "radius(np.array([[3, 4], [0, 1]])).tolist() == [5, 1]",
    "convergence-sigmoid": "sigmoid(0.0) == 0.5",
    "convergence-minimax": "np.allclose(minimax([0, 4]), [1, 0])",
    "convergence-non-saturating": "np.allclose(non_saturating([4, 0]), [0, -1])",
    "convergence-jacobian": "np.allclose(jacobian(lambda w: w[:1] * w[1], half), [[0.5, 0.5]])",
    "convergence-critical": "critical(0.25, 0.5) == pytest.approx(0.5, abs=1e-6)",
    "convergence-half-square": "half_square(np.zeros(2)).tolist() == [0]",
    "convergence-dirac": "abs(dirac().D(np.ones((1, 1))) - 1).numpy().max() == 0",
    "diversity-by-loops": "np.allclose(by_loops(np.zeros((3, 2)), np.ones((2, 4, 1))), 1)",
    "diversity-cell": "cell(np.array([1.0, 3.0]), '.1f') == '2.0 ± 1.4'",
    "diversity-pack": "np.array_equal(pack(np.arange(10.0).reshape(5, 2), 2), np.arange(8.0).reshape(2, 4))",
    "diversity-players": "players(2, (8,) * 4, 3, m=2)[1].input_shape == (None, 3, 4)",
    "diversity-product": "np.allclose(product(half, 3), np.full(8, 1 / 8))",
    "diversity-total-variation": "np.isclose(total_variation(half, np.array([1.0, 0.0])), 0.5)",
    "unrolled-shrunk": "shrunk(np.ones((2, 28, 28, 1))).shape == (2, 49)",
    "unrolled-track": "np.allclose(track(np.diag([0.5, 1.0]), 3)[0], [1, 1 / 2, 1 / 4, 1 / 8])",
    "wasserstein-w1-of-points": "w1_of_points(np.eye(2), np.eye(2)[::-1] + [0, 3]) == 3",
    "wasserstein-clipped": "clipped(net, 0.1).trainable_variables[0].constraint.c == 0.1",
    "wasserstein-slopes": "np.allclose(slopes(lambda x: ops.sum(x**2, -1), ops.ones((3, 4))), 4)",
    "wasserstein-gradient-penalty": "np.allclose(gradient_penalty(lambda x: 3 * x, *ops.ones((3, 5, 1))), 4)",
    "wasserstein-foretold": "foretold(3, 10) == pytest.approx(3.46, abs=0.01)",
    "wasserstein-operator-norm": "2.8 < operator_norm(np.full((3, 3, 1, 1), 1 / 3, 'float32')) < 3",
    "wasserstein-reshaped-norm": "reshaped_norm(np.full((3, 3, 1, 1), 1 / 3)) == pytest.approx(1)",
    "wasserstein-players": "players(ganbook.ManyDense, 0.01)[1](np.ones((3, 10, 2))).shape == (3, 10, 1)",
    "wasserstein-own-slopes": "np.allclose(own_slopes(lambda x: 3 * x, ops.ones((5, 1))), 3)",
    "wasserstein-small-critic": "small_critic(end=[layers.ReLU()])(np.ones((3, 2))).numpy().min() >= 0",
    "wasserstein-of-pairs": "1.999 < of_pairs(*np.array([[0.51, 0.49], [0.49, 0.51]]), 1.0) < 2",
}


@pytest.mark.parametrize("name", CALLS)
def test_pasted_alone_a_function_works(name):
    assert true(name, CALLS[name], globals())
