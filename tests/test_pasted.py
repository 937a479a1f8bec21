"""What the classes and functions of Parts I to III do when they are pasted and used."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from pasted import FAKE, REAL, classes_of, holds, normal, one_step, pasted, true, with_batch_norm

import ganbook
from ganbook import mlp


def largest_sample(gan):
    return np.abs(gan.G(10 * normal(100, 4))).max()


def cross_entropy(target, logits):
    return keras.losses.BinaryCrossentropy(from_logits=True)(target + 0 * logits, logits)


def normalised(kind):
    """The gradient's weights sum to one half, and go as D / (1 - D)."""
    z = ops.convert_to_tensor(FAKE)
    by_hand = -0.5 * np.log(np.exp(FAKE.astype("float64")).sum())
    assert float(kind().g_loss(z)) == pytest.approx(by_hand, rel=1e-5)
    one_step(ganbook.GAN, loss=kind())


def two_targets(loss):
    by_keras = 0.5 * (cross_entropy(0.9, REAL) + cross_entropy(0.1, FAKE))
    assert float(loss.d_loss(REAL, FAKE)) == pytest.approx(float(by_keras), rel=1e-5)
    one_step(ganbook.GAN, loss=loss)


def of_probabilities(kind):
    usual, ours = ganbook.NonSaturating(), kind()
    D = ops.sigmoid(REAL), ops.sigmoid(FAKE)
    assert float(ours.d_loss(*D)) == pytest.approx(float(usual.d_loss(REAL, FAKE)), rel=1e-4)
    assert float(ours.g_loss(D[1])) == pytest.approx(float(usual.g_loss(FAKE)), rel=1e-4)


def maxout(kind):
    layer, x = kind(3, pieces=2), normal(5, 4)
    y = np.array(layer(x))
    w, b = layer.get_weights()
    assert y == pytest.approx((x @ w + b).reshape(5, 3, 2).max(-1), abs=1e-6)


def shift(kind):
    z = normal(5, 1)
    assert np.array(kind()(z)) == pytest.approx(1 + 0.1 * z)


def restrained(kind):
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(6), layers.Reshape((3, 2))])
    judge = keras.Sequential([keras.Input((3, 2)), layers.Dense(1, kernel_initializer="zeros")])
    gan = one_step(kind, generator, judge, (3, 2))  # at first log 2 in each game: above the bound
    judge.set_weights([np.ones((2, 1)), np.zeros(1)])
    generator.set_weights([np.zeros((4, 6)), np.zeros(6)])
    x, z = normal(20, 3, 2), normal(20, 4)
    x[:, 0], x[:, 1] = 100, -100  # D is sure of the first game's data, and wrong about the second's
    real, fake = np.array(gan.D(x)), np.array(gan.D(gan.G(z)))
    by_game = (np.logaddexp(0, -real) + np.logaddexp(0, fake)).mean((0, 2)) / 2
    assert by_game.min() < 0.6 < by_game.max()
    assert float(gan.d_loss(x, z)) == pytest.approx(by_game[by_game > 0.6].sum() / 3, rel=1e-5)


def one_ruler(kind):
    """D normalises data and samples together, so it sees that the data have moved; ganbook's own does not."""
    x, z = normal(20, 2), normal(20, 4)
    for of, sees in ((kind, True), (ganbook.GAN, False)):
        gan = one_step(of, discriminator=with_batch_norm(2, 1))
        change = abs(float(gan.d_loss(x + 5, z) - gan.d_loss(x, z)))
        assert (change > 1e-3) == sees


def batch_norm_learns(kind):
    return bool(one_step(kind, generator=with_batch_norm(4, 2)).generator.layers[0].moving_mean.numpy().any())


def reaches(low, high):
    def use(kind):
        assert low < largest_sample(one_step(kind)) <= high

    return use


def two_sigmoids(kind):
    D = np.array(one_step(kind).D(normal(20, 2)))
    assert 0 < D.min() < D.max() < 1


def cube(edge):
    def use(kind):
        z = np.array(one_step(kind).sample_z(2000))
        assert 0.99 * edge < np.abs(z).max() <= edge
        assert z.std() == pytest.approx(edge / 3**0.5, rel=0.03)

    return use


def instance_noise(kind):
    line = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
    gan = one_step(kind, mlp(4, (), 1), line, shape=(1,))
    slope = line.layers[0].kernel.numpy().item()
    assert np.std(gan.D(np.zeros((5000, 1), "float32"))) == pytest.approx(0.2 * slope, rel=0.05)


def critic(kind):
    """A straight line with slope s pays 10 (s - 1)^2 - 3 s where the data are 3 away: best is 1.15."""
    gan = kind(mlp(1, (), 1), mlp(1, (), 1, initializer="ones"), 1)
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.0), steps_per_execution=50)
    gan.fit(3 + normal(6400, 1), batch_size=64, verbose=0)
    assert gan.discriminator.layers[-1].kernel.numpy().item() == pytest.approx(1.15, abs=0.05)


def small_pictures():
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(192, "tanh"), layers.Reshape((8, 8, 3))])
    discriminator = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1)])
    return generator, discriminator


def fitted(*callbacks, kind=ganbook.GAN, **fit):
    gan = kind(*small_pictures(), 4)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    data = ganbook.batches(np.tanh(normal(64, 8, 8, 3)), batch_size=16)
    return gan, gan.fit(data, callbacks=[*callbacks], verbose=0, **fit).history


def gap_of_d(kind):
    seen, held_out = normal(5, 8, 8, 3), normal(7, 8, 8, 3, seed=1)
    gan, history = fitted(kind(seen, held_out), epochs=2)
    means = [np.array(gan.discriminator(x)).mean() for x in (seen, held_out)]
    assert history["gap"][-1] == pytest.approx(means[0] - means[1], abs=1e-5)


def draws(kind):
    kept, z = [], normal(3, 4)
    gan, _ = fitted(kind(z, kept), epochs=2)
    assert len(kept) == 2
    np.testing.assert_allclose(kept[-1], gan(z), atol=1e-6)


def same_change_for_both(kind):
    """With a change that leaves nothing of a picture, D cannot tell data from samples."""
    gan = kind(*small_pictures(), 4)
    gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD())
    gan.change = lambda x: 0 * x
    x, z = normal(6, 8, 8, 3), normal(6, 4)
    assert float(gan.d_loss(ops.convert_to_tensor(x), z)) == pytest.approx(np.log(2), abs=1e-6)
    assert np.ptp(gan.D(x, training=False)) > 0.1


def cuts(kind):
    with pytest.raises(KeyboardInterrupt):
        fitted(kind(), epochs=1000)


CLASSES = {
    "balance-restrained": restrained,
    "batch-norm-joint": one_ruler,
    "costs-normalised": normalised,
    "digits-maxout": maxout,
    "digits-uniformgan": cube(3**0.5),
    "failures-cramped": reaches(0.5, 1.0),
    "failures-ofprobabilities": of_probabilities,
    "failures-reaching": reaches(1.0, 2.5),
    "failures-shift": shift,
    "failures-twofaults": lambda kind: two_sigmoids(kind) or reaches(0.5, 1.0)(kind),
    "failures-twosigmoids": two_sigmoids,
    "label-smoothing-smoothed": lambda kind: two_targets(kind(0.9, 0.1)),
    "museum-critic": critic,
    "museum-forgetful": holds(batch_norm_learns, False),
    "museum-instancenoise": instance_noise,
    "museum-labels": lambda kind: two_targets(kind(lambda: 0.9, lambda: 0.1)),
    "museum-mended": holds(batch_norm_learns),
    "museum-oneminibatch": one_ruler,
    "museum-published": critic,
    "museum-uniformnoise": cube(1.0),
    "own-pictures-augmented": same_change_for_both,
    "own-pictures-draw": draws,
    "own-pictures-gap": gap_of_d,
    "own-pictures-powercut": cuts,
}


def test_every_class_is_used():
    assert set(CLASSES) == classes_of("game", "images", "practice")


@pytest.mark.parametrize("name", CLASSES)
def test_pasted_alone_a_class_works(name):
    keras.utils.set_random_seed(0)
    CLASSES[name](pasted(name))


# What a function gives, where it takes numbers, arrays or nets alone.

CALLS = {
    "costs-prices": "np.allclose(prices(0.0), [-np.log(2) / 2, np.log(2) / 2, -1 / 2])",
    "costs-weights-of": "np.allclose(weights_of(0.0), [1 / 2, 1 / 2, 1])",
    "costs-adam": "adam(0.01).learning_rate == np.float32(0.01)",
    "costs-flat": "flat([np.ones((2, 3)), np.zeros(4)]).sum() == 6",
    "costs-cells": "cells(np.array([1.0, 3.0])) == '2 ± 1.4'",
    "first-gan-sigmoid": "sigmoid(0.0) == 0.5",
    "first-gan-make-generator": "make_generator(4)(np.ones((2, 4))).shape == (2, 28, 28, 1)",
    "first-gan-make-discriminator": "make_discriminator()(np.ones((2, 28, 28, 1))).shape == (2, 1)",
    "first-gan-moved": "moved(net, [w + 2 for w in net.get_weights()]) == pytest.approx(2)",
    "minimax-noise-slices": "np.allclose(noise_slices(3).sum(), 0)",
    "minimax-small-net": "small_net()(np.ones((5, 1))).shape == (5, 1)",
    "optimum-c-by-quadrature": "abs(C_by_quadrature(stats.norm(), stats.norm()) + np.log(4)) < 1e-6",
    "optimum-value": "value(np.zeros(1), np.zeros(1)) == pytest.approx(-np.log(4))",
    "optimum-c-of": "C_of(half, half) == pytest.approx(-np.log(4))",
    "optimum-descend": "np.allclose(descend(np.array([0.3, 0.7]), half, 1.0, 20)[-1], [0.3, 0.7])",
    "training-change": "change(net, [w - 1 for w in net.get_weights()]) == pytest.approx(1)",
    "training-newly-drawn": "np.ptp(newly_drawn(net)[0] - net.get_weights()[0]) > 0",
    "two-players-log-p": "np.allclose(np.exp(log_p(np.eye(2), half)), 1 / 4)",
    "two-players-posterior": "np.allclose(posterior(np.eye(2), 0.3, half, half), 0.3)",
    "dcgan-transposed": "transposed(np.ones(3), np.ones(4)).tolist() == [1, 2, 2, 2, 2, 1]",
    "dcgan-taps": "np.ptp(taps(4)) == 0 < np.ptp(taps(3))",
    "dcgan-make-generator": "make_generator(resize=True)(np.ones((2, 64))).shape == (2, 28, 28, 1)",
    "dcgan-make-discriminator": "make_discriminator(pool=True)(np.ones((2, 28, 28, 1))).shape == (2, 1)",
    "dcgan-work": "work((net, net)) == 2 * 2 * 3",
    "dcgan-patches": "np.allclose(patches(normal(2, 28, 28, 1)).mean(-1), 0, atol=1e-5)",
    "dcgan-rhythm": "rhythm(np.ones((2, 8, 8))) == 0",
    "dcgan-without-norm": "len(without_norm(ganbook.dcgan_discriminator((8, 8, 1))).weights) == 4 + 2",
    "dcgan-mist": "mist(np.indices((1, 9, 9, 1)).sum(0) * 2 / 255) == pytest.approx(1)",
    "dcgan-length": "length(np.full(3, -2)) == 2",
    "digits-make-generator": "abs(make_generator(x)(np.zeros((1, 64))) - x.mean(0)).numpy().max() < 1e-5",
    "digits-make-discriminator": "make_discriminator(x)(x).shape == (4, 1)",
    "digits-pictures": "pictures(np.ones((2, 784))).shape == (2, 28, 28, 1)",
    "digits-unequal": "0 < unequal(ganbook.faces(200, seed=0)[0]) < 0.1",
    "digits-roughness": "roughness(np.arange(12.0).reshape(1, 2, 6, 1)) == 1",
    "digits-moved": "moved(np.eye(1, 784), 1, 1).argmax() == 29",
    "evaluation-parzen": "np.allclose(parzen(np.zeros((1, 1)), 1, 1.0), stats.norm.logpdf(0))",
    "evaluation-pixels": "pixels(-np.ones((2, 3, 3))).tolist() == [[0.0] * 9] * 2",
    "evaluation-kernel": "kernel(np.ones((1, 4)), np.ones((2, 4))).tolist() == [[8, 8]]",
    "evaluation-kept": "kept(half[None], half[None]) == 0",
    "balance-every": "every((1, 2), 3)[0].tolist() == [1] * 6 + [2] * 6",
    "balance-layered": "layered(np.array([1, 3])).tolist() == [[32, 32], [0, 32], [0, 32]]",
    "batch-norm-batch-norm": "np.allclose(batch_norm(np.array([3.0, 5.0])), [-1, 1])",
    "batch-norm-formula": "formula(0, 4) == 0.5",
    "batch-norm-within-batch": "within_batch(np.array([[1.0, -1.0], [2.0, -2.0]])) == pytest.approx(-1)",
    "batch-norm-virtual-batch-norm": "virtual_batch_norm(normal(6, 3), 4).shape == (2, 3)",
    "batch-norm-face-generator": "face_generator(layers.ReLU)(np.ones((2, 8))).shape == (2, 32, 32, 3)",
    "batch-norm-warmth": "warmth(np.ones((2, 4, 4, 3))).tolist() == [0, 0]",
    "batch-norm-forger": "forger()(np.float32([[3]])) == 3",
    "batch-norm-detective": "detective()(np.ones((2, 1))).shape == (2, 1)",
    "failures-grower": "grower(3, resize=True)(np.ones((2, 16))).shape == (2, 16, 16, 1)",
    "failures-looker": "looker()(np.ones((2, 16, 16, 1))).shape == (2, 1)",
    "failures-grid-share": "grid_share(np.indices((16, 16)).sum(0)[None, ..., None] % 2) == pytest.approx(1)",
    "label-smoothing-price": "abs(price(REAL, 0.9) - cross_entropy(0.9, REAL)) < 1e-5",
    "label-smoothing-pays": "pays(0.0, 1.0, 1.0, 0.9, 0.1) == pytest.approx(2 * np.log(2))",
    "label-smoothing-half-time": "half_time([8, 7, 3, 0], every=10) == 20",
    "labels-told-the-label": "told_the_label(net, 1, 1)([np.ones((5, 1))] * 2).shape == (5, 3)",
    "labels-ring-nets": "[n.outputs[0].shape[1] for n in ring_nets()] == [2, 1]",
    "labels-judge": "judge(lambda x, c, width: net(x), (2,), 2, 0)([np.ones((5, 2))] * 2).shape == (5, 3)",
    "museum-distinct": "distinct(np.linspace(0, 2 * np.pi, 8)) == 7",
    "museum-cost": "cost(1, 0) == pytest.approx(np.log(2))",
    "museum-norm-each": "keras.Sequential(norm_each())(np.ones((5, 4, 3))).shape == (5, 4, 3)",
    "museum-small-gan": "small_gan()(np.ones((5, 8))).shape == (5, 2)",
    "own-pictures-sizes": "sizes(ganbook.plain_discriminator((16, 16, 3), 2)) == (8, 2)",
    "own-pictures-networks": "networks(16)[0](np.ones((2, 32))).shape == (2, 16, 16, 3)",
    "own-pictures-make": "make(16, width=2)(np.ones((2, 32))).shape == (2, 16, 16, 3)",
    "own-pictures-work": "work(ganbook.plain_discriminator((8, 8, 1), 2)) == 16 * 36 * 2 + 64 * 2 * 4",
    "own-pictures-thumbnails": "abs(thumbnails(REAL.reshape(2, 5, 5, 1), 1)[1] - REAL[25:].mean()) < 1e-5",
    "own-pictures-small": "small()(np.ones((2, 16))).shape == (2, 16, 16, 3)",
    "own-pictures-judged": "judged(-np.ones((2, 16, 16, 3))).shape == (2, 64)",
    "own-pictures-upside-down": "np.allclose(upside_down(x[..., None, None], 1.0), x[:, ::-1, None, None])",
    "own-pictures-rise": "rise({'kid': [4, 2, 3, 3, 3]}) == 1.5",
    "own-pictures-from-normal": "np.std(from_normal(ganbook.GAN(*small_pictures(), 4)).weights[0]) < 0.03",
    "own-pictures-complaint": "complaint(255 * np.ones((20, 16, 16, 3))) != ''",
}


@pytest.mark.parametrize("name", CALLS)
def test_pasted_alone_a_function_works(name):
    assert true(name, CALLS[name], globals())
