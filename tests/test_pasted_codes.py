"""What the classes and functions of the chapters on labels and codes do when they are pasted and used."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from pasted import classes_of, normal, one_step, pasted, true

import ganbook
from ganbook import mlp


def few(K=3):
    """Nine labelled points, three of each class."""
    return normal(9, 2), np.arange(9) % K


def names_classes(kind, feature_matching=True):
    """The unlabelled cost against an explicit softmax of K + 1 classes; the labels' against brute force."""
    net, (x, y) = mlp(2, (8,), 3), few()
    gan = kind(mlp(4, (8,), 2), net, 4, x[:3], y[:3], weight=2.0)  # one of each class
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    real, z = normal(6, 2, seed=1), ops.convert_to_tensor(normal(6, 4, seed=2))
    logits, made = np.array(net(real), "float64"), np.array(net(gan.G(z)), "float64")
    believed = 1 - 1 / (1 + np.exp(logits).sum(1)), 1 / (1 + np.exp(made).sum(1))
    unlabelled = -0.5 * sum(np.log(p).mean() for p in believed)
    named = np.array(net(x[:3]), "float64")
    wrong = np.log(np.exp(named).sum(1)) - named[np.arange(3), y[:3]]
    paid = np.array([float(gan.d_loss(ops.convert_to_tensor(real), z)) for _ in range(100)])
    # The batch of labelled examples is drawn anew each time: its mean is the mean of all.
    assert paid.mean() - 2 * unlabelled == pytest.approx(
        wrong.mean(), abs=4 * wrong.std() / np.sqrt(5000) + 1e-5
    )
    plain = ganbook.FeatureMatching if feature_matching else ganbook.GAN
    known = plain.g_loss(gan, ops.convert_to_tensor(real), z)
    assert float(gan.g_loss(ops.convert_to_tensor(real), z)) == pytest.approx(float(known), rel=1e-5)
    gan.fit(normal(16, 2), batch_size=16, verbose=0)
    labels_are_checked(lambda net, x, y: kind(mlp(4, (8,), 2), net, 4, x, y))


def labels_are_checked(make):
    x, y = few()
    for net, a, b, said in (
        (mlp(2, (8,), 3), x, np.where(y == 2, 3, y), "want 0..K-1"),
        (mlp(2, (8,), 1), x, 0 * y, "net 1 outputs"),
        (mlp(2, (8,), 3), x, np.minimum(y, 1), r"y lacks \[2\]"),
        (mlp(2, (8,), 3), x, y[:8], "want"),
        (mlp(5, (8,), 3), x, y, r"x, y have shapes \(9, 2\)"),
    ):
        with pytest.raises(ValueError, match=said):
            make(net, a, b)


def learns_from_labels(kind):
    """Two heaps far apart are told apart after some steps, and what a rival adds is at least 0."""
    net, y = mlp(2, (8,), 2), np.arange(64) % 2
    x = normal(64, 2) + 6 * y[:, None].astype("float32") - 3
    model = kind(net, x[:4], y[:4], 0.5, steps=100)
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(
        tf.data.Dataset.from_tensor_slices(x).batch(32).repeat(),
        steps_per_epoch=100,
        verbose=0,
        shuffle=False,
    )
    assert (np.array(net(x)).argmax(1) == y).mean() == 1
    assert float(model.unlabelled(ops.convert_to_tensor(x))) >= 0
    labels_are_checked(kind)


def believes_itself(kind):
    """At the start nothing, at the end strength times the cost of the likeliest class."""
    net, x = mlp(2, (8,), 3), normal(7, 2)
    model = kind(net, *few(), 0.5, steps=10)
    model.compile(keras.optimizers.SGD(0.0))
    assert float(model.unlabelled(ops.convert_to_tensor(x))) == 0
    model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=10, verbose=0, shuffle=False)
    logits = np.array(net(x), "float64")
    cost = (np.log(np.exp(logits).sum(1)) - logits.max(1)).mean()
    assert float(model.unlabelled(ops.convert_to_tensor(x))) == pytest.approx(0.5 * cost, abs=1e-5)
    learns_from_labels(kind)


def halves_apart(kind):
    """Every other example is data, the rest samples: a net whose Z is 1 pays log 2, whatever it says."""
    net, x = mlp(2, (8,), 3), normal(8, 2)
    model = kind(net, *few(), 2.0)
    Z = np.exp(np.array(net(x), "float64")).sum(1)
    cost = -0.5 * (np.log(Z[::2] / (1 + Z[::2])).mean() + np.log(1 / (1 + Z[1::2])).mean())
    assert float(model.unlabelled(ops.convert_to_tensor(x))) == pytest.approx(2 * cost, abs=1e-5)
    assert np.isclose(float(kind(with_log_softmax(net), *few()).unlabelled(x)), np.log(2), atol=1e-6)


def with_log_softmax(net):
    """The same labels, and Z = 1 everywhere."""
    return keras.Sequential([keras.Input((2,)), *net.layers, layers.Activation("log_softmax")])


def stays_put(kind):
    """Of a linear net the divergence is known, and no shift of its length changes more than the one found."""
    net, x = mlp(2, (), 2), ops.convert_to_tensor(0.1 * normal(5, 2))
    model = kind(net, *few(2), 0.3)

    def change(shift):
        p, q = (
            np.exp(a) / np.exp(a).sum(1, keepdims=True) for a in (np.array(net(x)), np.array(net(x + shift)))
        )
        return (p * np.log(p / q)).sum(1)

    angles = np.linspace(0, 2 * np.pi, 200)
    around = [0.3 * np.float32([[np.cos(t), np.sin(t)]]) for t in angles]
    assert float(model.changed(x, around[7])) == pytest.approx(change(around[7]).mean(), abs=1e-5)
    most = np.max([change(shift) for shift in around], axis=0).mean()
    found = [float(model.unlabelled(x)) for _ in range(5)]
    assert max(found) <= most + 1e-5
    assert min(found) > 0.7 * most  # one step of power iteration is exact for two classes, up to the sign
    learns_from_labels(kind)


def entropies(p):
    """-sum p log p of each row, term by term."""
    return np.array([-sum(a * np.log(a) for a in row if a > 0) for row in p])


def categorical(on_data, on_samples=lambda q: 0.0):
    """CatGAN's costs against a table: J_D is on_data(p) + on_samples(q) for answers p and q."""

    def check(kind):
        real, fake = normal(6, 3), normal(6, 3, seed=1)
        p, q = (np.exp(a) / np.exp(a).sum(-1, keepdims=True) for a in (real, fake))
        cost = kind()
        assert float(cost.d_loss(real, fake)) == pytest.approx(on_data(p) + on_samples(q), abs=1e-5)
        wanted = entropies(q).mean() - entropies([q.mean(0)])[0]
        assert float(cost.g_loss(fake)) == pytest.approx(wanted, abs=1e-5)
        many = [np.stack([a, a[::-1]], axis=1) for a in (real, fake)]  # two games of the same examples
        assert float(cost.d_loss(*many)) == pytest.approx(float(cost.d_loss(real, fake)), abs=1e-5)
        one_step(ganbook.GAN, discriminator=mlp(2, (8,), 3), loss=cost)

    return check


def whole_categorical(kind):
    evenness = lambda p: entropies([p.mean(0)])[0]  # noqa: E731
    categorical(lambda p: entropies(p).mean() - evenness(p), lambda q: -entropies(q).mean())(kind)
    one_hot = np.float32([[50, 0, 0], [0, 50, 0]])
    assert float(kind().d_loss(one_hot, np.zeros((4, 3), "float32"))) == pytest.approx(-np.log(2) - np.log(3))
    with pytest.raises(ValueError, match="D has 1 output: want at least 2"):
        kind().d_loss(normal(4, 1), normal(4, 1))


def popular(kind):
    """G's cost has the marginal entropy with the other sign."""
    sure = np.float32([[50, 0], [0, 50]])
    assert float(kind().g_loss(sure)) == pytest.approx(np.log(2), abs=1e-6)
    assert float(kind().g_loss(sure[:1])) == pytest.approx(0, abs=1e-6)


def in_groups(kind):
    """Groups of eight, sure and alike within a group: no evenness, though the batch is even."""
    codes = np.tile(np.arange(8), 8)  # example i * 8 + j is the i-th of group j
    logits = 50 * np.eye(8, dtype="float32")[codes]
    assert float(kind().d_loss(logits, logits)) == pytest.approx(0, abs=1e-5)
    assert float(kind().g_loss(logits)) == pytest.approx(0, abs=1e-5)
    logits = 50 * np.eye(8, dtype="float32")[np.arange(16) // 2]  # two groups, each of all eight
    assert float(kind().g_loss(logits)) == pytest.approx(-np.log(8), abs=1e-5)


def refunded(kind):
    """Even groups of eight sure answers get back (8 - 1) / (2 * 7), the variance being unbiased."""
    logits = 50 * np.eye(8, dtype="float32")[np.repeat(np.arange(8), 8)]
    assert float(kind().g_loss(logits)) == pytest.approx(-np.log(8) - 1 / 2, abs=1e-5)


def data_as_samples(kind):
    gan, x = one_step(kind, discriminator=mlp(2, (8,), 3)), ops.convert_to_tensor(normal(6, 2))
    wanted = gan.loss.d_loss(gan.D(x[::2]), gan.D(x[1::2]))
    assert float(gan.d_loss(x, normal(6, 4))) == float(wanted)


def labelled(kind):
    """J_D of a linear D, with one example to draw from, and its gradient against differences."""
    few, label = normal(1, 2, seed=5), np.array([2])
    gan = kind(mlp(4, (8,), 2), mlp(2, (), 3), 4, few, label, weight=0.5)
    plain = ganbook.GAN(gan.generator, gan.discriminator, 4)
    for model in (gan, plain):
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    x, z, bias = normal(16, 2), normal(16, 4), gan.discriminator.trainable_variables[-1]
    log_p = np.asarray(ops.log_softmax(gan.discriminator(few)))[0]
    paid = float(gan.d_loss(x, z)) - float(plain.d_loss(x, z))
    assert paid == pytest.approx(-0.5 * log_p[2], abs=1e-5)
    with tf.GradientTape(persistent=True) as tape:
        extra = gan.d_loss(x, z) - plain.d_loss(x, z)
    slope = tape.gradient(extra, bias).numpy()
    assert slope == pytest.approx(0.5 * (np.exp(log_p) - [0, 0, 1]), abs=1e-5)
    for wrong in ([3], [-1]):
        with pytest.raises(ValueError, match=r"want 0\.\.2"):
            kind(gan.generator, gan.discriminator, 4, few, np.array(wrong))


def reads_codes(kind):
    """L_I against NumPy, in both costs with its weight; its gradient where it belongs and nowhere else."""
    gan = kind(mlp(7, (8,), 2), mlp(2, (8,), 6), K=4, n=1, lam=0.3, sigma=0.5)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    x, z = ops.convert_to_tensor(normal(50, 2)), gan.sample_z(50)
    c, q = z[:, 2:].numpy(), gan.discriminator(gan.G(z))[:, 1:].numpy().astype("float64")
    assert np.array_equal(np.sort(c[:, :4], axis=1), np.repeat([[0, 0, 0, 1]], 50, axis=0))
    assert np.abs(c[:, 4]).max() <= 1
    share = np.exp(q[:, :4]) / np.exp(q[:, :4]).sum(1, keepdims=True)
    density = np.exp(-2 * (c[:, 4] - q[:, 4]) ** 2) / np.sqrt(np.pi / 2)
    by_hand = np.mean(np.log(share[c[:, :4] == 1] / (1 / 4)) + np.log(density / (1 / 2)))
    assert float(gan.L_I(gan.G(z), z)) == pytest.approx(by_hand, abs=1e-5)
    plain = ganbook.GAN.d_loss(gan, x, z), ganbook.GAN.g_loss(gan, x, z)
    for cost, without in zip((gan.d_loss, gan.g_loss), plain, strict=True):
        assert float(cost(x, z)) == pytest.approx(float(without) - 0.3 * by_hand, abs=1e-5)
    with tf.GradientTape() as tape:
        told = gan.L_I(gan.G(z), z)
    players = gan.generator, gan.discriminator
    of_G, of_D = tape.gradient(told, [player.trainable_variables for player in players])
    assert min(np.abs(g).max() for g in (*of_G, *of_D)) > 0
    assert np.abs(of_D[-2][:, 0]).max() == np.abs(of_D[-1][0]) == 0  # D's own logit
    for wrong in ({"K": 5, "n": 1}, {"K": 4}, {"K": 3, "n": 1}):
        with pytest.raises(ValueError, match="wide"):
            kind(mlp(7, (8,), 2), mlp(2, (8,), 6), **wrong)
    one_step(lambda G, D, _: kind(G, D, K=2), discriminator=mlp(2, (8,), 3))


def sure(check):
    """L_I of games whose samples are z itself and whose Q reads it without fail."""

    def use(snippet):
        G, D = keras.Sequential([keras.Input((2, 12)), layers.Identity()]), ganbook.many_mlp(12, (), 11, 2)
        read = np.zeros((2, 12, 11), "float32")
        read[:, 2:, 1:] = 1000 * np.eye(10)
        D.layers[-1].kernel.assign(read)
        gan = snippet(G, D, K=10)
        z = gan.sample_z(200)
        assert z.shape == (200, 2, 12)
        assert check(float(gan.L_I(gan.G(z), z)))

    return use


def reads_codes_with_r1(kind):
    gan = kind(mlp(4, (), 2), mlp(2, (), 3), K=2, gamma=3.0)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    x, z = ops.convert_to_tensor(normal(6, 2)), gan.sample_z(6)
    with_penalty = float(gan.d_loss(x, z))
    gan.gamma, paid = 0.0, 3 / 2 * (gan.discriminator.layers[-1].kernel.numpy()[:, 0] ** 2).sum()
    assert with_penalty - float(gan.d_loss(x, z)) == pytest.approx(paid, abs=1e-5)


CLASSES = {
    "semi-supervised-classifier": learns_from_labels,
    "semi-supervised-ordinaryg": lambda kind: names_classes(kind, feature_matching=False),
    "semi-supervised-perfectg": halves_apart,
    "semi-supervised-pseudolabels": believes_itself,
    "semi-supervised-semisupervised": names_classes,
    "semi-supervised-vat": stays_put,
    "catgan-categorical": whole_categorical,
    "catgan-sure": categorical(lambda p: entropies(p).mean()),
    "catgan-even": categorical(lambda p: -entropies([p.mean(0)])[0]),
    "catgan-informed": categorical(lambda p: entropies(p).mean() - entropies([p.mean(0)])[0]),
    "catgan-ineights": in_groups,
    "catgan-refunded": refunded,
    "catgan-dataassamples": data_as_samples,
    "catgan-popular": popular,
    "catgan-labelled": labelled,
    "infogan-infogan": reads_codes,
    "infogan-manyinfogan": sure(lambda told: told == pytest.approx(np.log(10), abs=1e-5)),
    "infogan-softmaxtwice": sure(lambda told: told == pytest.approx(0.8414, abs=1e-3)),
    "infogan-freshcode": sure(lambda told: told < 0),
    "infogan-r1infogan": reads_codes_with_r1,
}


def test_every_class_is_used():
    assert set(CLASSES) == classes_of("frontiers/semi-supervised", "frontiers/catgan", "frontiers/infogan")


@pytest.mark.parametrize("name", CLASSES)
def test_pasted_alone_a_class_works(name):
    keras.utils.set_random_seed(0)
    CLASSES[name](pasted(name))


# What a function gives, where it takes numbers, arrays or nets alone.

SQUARES = np.eye(4, dtype="float32").reshape(4, 2, 2, 1)
FOUR = np.arange(1000) % 4
FIRST = ganbook.digits()[0][0][0]
FACE_D = ganbook.plain_discriminator((32, 32, 3), 4)


def no_opinion(x, training):
    return 0 * x


def fifty():
    """Colour pictures for training and as many to be judged by, of ten classes."""
    x = np.linspace(-1, 1, 50 * 3072, dtype="float32").reshape(50, 32, 32, 3)
    return 2 * [(x, np.arange(50) % 10)]


CALLS = {
    "semi-supervised-last-of": "np.allclose(last_of(np.zeros((2, 4))), 1 / 5)",
    "semi-supervised-checked": "checked(np.ones((3, 2)), np.arange(3), net)[1].dtype == tf.int32",
    "semi-supervised-cross-entropy": "np.isclose(cross_entropy(ops.zeros((3, 4)), ops.arange(3)), np.log(4))",
    "semi-supervised-named": "np.isclose(named(no_opinion, ops.ones((3, 4)), ops.arange(3)), np.log(4))",
    "semi-supervised-moons": "np.allclose(np.ptp(moons(500, 0, noise=0)[0], axis=0), [3.6, 1.8], atol=0.05)",
    "semi-supervised-complement": "np.abs(complement(50, np.zeros((1, 2)), 0, gap=1.0)).max(1).min() > 0.7",
    "semi-supervised-unit": "np.allclose(unit(3 * SQUARES), SQUARES)",
    "semi-supervised-small-digits": "[len(a) for a in small_digits(True)] == [3000, 3000, 1000, 1000]",
    "semi-supervised-adam": "float(adam(1.0, 100, average=True).learning_rate) == 1",
    "semi-supervised-generator": "generator()(np.zeros((2, 50))).shape == (2, 14, 14, 1)",
    "semi-supervised-face-classifier": "face_classifier().output_shape == (None, 4)",
    "semi-supervised-hair": "set(hair()[1].tolist()) == {0, 1, 2, 3}",
    "semi-supervised-in-colour": "0 <= in_colour(fifty, labels=10, steps=1) <= 1",
    "catgan-entropy": "np.allclose(entropy(np.array([[1, 0], [0.5, 0.5]])), [0, np.log(2)])",
    "catgan-conditional": "abs(float(conditional(np.float32([[90, 0], [0, 0]]))) - np.log(2) / 2) < 1e-6",
    "catgan-marginal": "abs(float(marginal(np.float32([[90, 0], [0, 90]]))) - np.log(2)) < 1e-6",
    "catgan-costs-by-hand": "np.allclose(costs_by_hand(np.zeros((4, 3)), np.zeros((2, 3))), [-np.log(3), 0])",
    "catgan-accuracy": "accuracy(np.array([1, 0, 1, 0]), np.array([0, 1, 0, 0]), 2) == 0.5",
    "catgan-batch-entropy": "np.isclose(batch_entropy([0.5, 0.5], 2), np.log(2) / 2)",
    "catgan-over-all-batches": "np.isclose(over_all_batches([0.5, 0.5], 2), np.log(2) / 2)",
    "catgan-fine": "abs(float(fine(np.float32([[90, 0], [0, 90]]))) - 0.5) < 1e-6",
    "catgan-small": "np.allclose(small(np.arange(16.0).reshape(1, 4, 4, 1)).ravel(), [2.5, 4.5, 10.5, 12.5])",
    "catgan-players": "[net.output_shape[1:] for net in players(20)] == [(14, 14, 1), (20,)]",
    "catgan-adam": "np.isclose(float(adam(0.1, 100, use_ema=True).learning_rate), 0.1)",
    "catgan-names": "names(np.array([0, 1, 1, 1, 2]), np.array([5, 7, 7, 3, 7]), 3).tolist() == [5, 7, 7]",
    "catgan-grid": "len(grid()) == len({tuple(c.values()) for c in grid()}) == 100",
    "infogan-coded": "coded(normal(500, 9), 3, 2).numpy()[:, 4:7].sum(0).min() > 120",
    "infogan-bound": "abs(float(bound(np.zeros((4, 2)), np.eye(2)[[0, 1, 0, 1]], 2))) < 1e-6",
    "infogan-purity": "purity(np.array([0, 0, 0, 1]), np.array([3, 3, 4, 3])) == 3 / 4",
    "infogan-agreement": "agreement(np.arange(40) // 4, (np.arange(40) // 4 + 3) % 10) == 1",
    "infogan-outputs": "outputs(net, np.ones((4, 2), 'float32')).shape == (4, 3)",
    "infogan-small-digits": "np.isclose(small_digits()[0][0, 5, 5, 0], FIRST[10:12, 10:12].mean())",
    "infogan-enlarged": "enlarged(np.arange(4.0).reshape(1, 2, 2, 1))[0, :, 0, 0].tolist() == [0, 0, 2, 2]",
    "infogan-noisy": "noisy(7).output_shape == (None, 7)",
    "infogan-digit-players": "digit_players(10)[1].output_shape == (None, 11)",
    "infogan-shown": "shown(np.array([1.0, 3.0]), '.1f') == '2.0 ± 1.4 (1.0 to 3.0)'",
    "infogan-sharing": "sharing(FACE_D, 6).output_shape == (None, 7)",
    "infogan-short-sighted": "short_sighted(FACE_D, 6).output_shape == (None, 7)",
    "infogan-binned": "binned(np.array([0.0, 0.55, 1.0])).tolist() == [0, 5, 9]",
    "infogan-information": "np.isclose(information(FOUR, FOUR), np.log(4) - 9 / 2000)",
    "infogan-grid": "len(grid()) == 35",
}


@pytest.mark.parametrize("name", CALLS)
def test_pasted_alone_a_function_works(name):
    assert true(name, CALLS[name], globals())
