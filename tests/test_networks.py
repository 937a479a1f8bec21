import keras
import numpy as np
import pytest
import tensorflow as tf

from ganbook import (
    coarse_discriminator,
    dcgan_discriminator,
    dcgan_generator,
    mlp,
    noisy_classifier,
    plain_discriminator,
)


def test_mlp_is_the_matrix_products_written_out():
    net = mlp(3, (5, 4), 2, "relu", "tanh")
    w1, b1, w2, b2, w3, b3 = net.get_weights()
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    hidden = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(net(x), np.tanh(hidden @ w3 + b3), rtol=1e-5, atol=1e-6)


def test_initializer_reaches_the_kernels():
    kernel = mlp(4, (4,), 1, initializer="orthogonal").get_weights()[0]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, (4,), 1), "n_in=0"), ((2, (4, -1), 1), r"hidden\[1\]=-1"), ((2, (4,), 1.5), "n_out=1.5")],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp(*arguments)


SHAPES = [(28, 28, 1), (32, 32, 3), (8, 16, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_dcgan_shapes_and_parameters(shape):
    generator, discriminator = dcgan_generator(10, shape, width=6), dcgan_discriminator(shape, width=5)
    pictures = generator(np.ones((3, 10), "float32"))
    assert pictures.shape == (3, *shape)
    assert discriminator(pictures).shape == (3, 1)
    cells, c = shape[0] * shape[1] // 16, shape[2]
    trainable = sum(int(np.prod(w.shape)) for w in generator.trainable_weights)
    # Dense, its batch norm's scale and shift, two transposed convolutions.
    assert trainable == 10 * cells * 12 + 2 * 12 + 16 * 12 * 6 + 2 * 6 + 16 * 6 * c + c
    left = -(-shape[0] // 8) * -(-shape[1] // 8)  # three halvings, rounded up
    trainable = sum(int(np.prod(w.shape)) for w in discriminator.trainable_weights)
    assert trainable == 16 * c * 5 + 5 + 16 * 5 * 10 + 2 * 10 + 16 * 10 * 20 + 2 * 20 + left * 20 + 1


def test_dcgan_generator_ends_in_tanh_and_treats_pixels_alike():
    """With all kernels equal, a flat map stays flat away from the border: no checkerboard built in."""
    net = dcgan_generator(4, (28, 28, 1), width=3)
    for layer in net.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(np.full(layer.kernel.shape, 0.01))
    picture = net(np.ones((1, 4), "float32")).numpy()[0, 4:-4, 4:-4, 0]
    assert np.ptp(picture) < 1e-6
    assert 0 < picture.mean() < 1
    net.layers[-1].bias.assign([100.0])
    assert net(np.ones((1, 4), "float32")).numpy().max() == 1


def test_dcgan_discriminator_normalises_all_but_its_first_convolution_and_leaks():
    kinds = [type(layer).__name__ for layer in dcgan_discriminator((28, 28, 1)).layers]
    after_first, later = kinds[1], [kinds[i + 1] for i in range(2, len(kinds)) if kinds[i] == "Conv2D"]
    assert after_first == "LeakyReLU"
    assert later == ["BatchNormalization"] * 2
    # A logit, and not a probability.
    x = np.random.default_rng(0).normal(0, 50, (200, 28, 28, 1)).astype("float32")
    logits = dcgan_discriminator((28, 28, 1))(x).numpy()
    assert logits.min() < 0 or logits.max() > 1


def test_coarse_discriminator_sees_the_whole_of_a_picture_evenly():
    """Its first kernel and stride are such that every inner pixel is taken equally often."""
    net = coarse_discriminator((32, 32, 3), width=2)
    first = net.layers[0]
    first.set_weights([np.ones_like(w) if w.ndim == 4 else w for w in first.get_weights()])
    x = tf.ones((1, 32, 32, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(first(x))
    inner = tape.gradient(total, x).numpy()[0, 4:-4, 4:-4]
    np.testing.assert_array_equal(inner, 2 * 3**2)
    assert net(x).shape == (1, 1)
    assert net.count_params() == (12**2 * 3 * 2 + 2) + 4**2 * 2 * 4 + 4 * 4 + (4 * 4 * 4 + 1)


@pytest.mark.parametrize(
    "build", [lambda **k: dcgan_generator(8, **k), dcgan_discriminator, coarse_discriminator]
)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (28, 28)}, r"shape=\(28, 28\): want \(height, width, channels\)"),
        ({"shape": (30, 28, 1)}, r"shape=\(30, 28, 1\): want height and width that are multiples of 4"),
        ({"shape": (28, 28, 0)}, "channels in shape=0: want an int"),
        ({"shape": (28, 28, 1), "width": 0}, "width=0: want an int"),
    ],
)
def test_bad_pictures(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_bad_latent_dim():
    with pytest.raises(ValueError, match="latent_dim=0"):
        dcgan_generator(0, (28, 28, 1))


def test_pictures_have_their_channels_last_whatever_keras_is_set_to():
    def nets():
        shape = (8, 8, 2)
        return dcgan_generator(3, shape), dcgan_discriminator(shape), coarse_discriminator(shape)

    usual = [net.count_params() for net in nets()]
    keras.config.set_image_data_format("channels_first")
    try:
        found = nets()
    finally:
        keras.config.set_image_data_format("channels_last")
    assert found[0].output_shape == (None, 8, 8, 2)
    assert [net.count_params() for net in found] == usual


@pytest.mark.parametrize(
    ("size", "first"), [(16, 4), (28, 7), (32, 8), (48, 6), (64, 8), (128, 8), (256, 8), (36, 9 / 2)]
)
def test_each_doubling_above_32_is_one_block_more_in_each_network(size, first):
    """The first maps are 8 x 8 or less, the last ones too, and channels double from block to block."""
    shape = (size, size, 3)
    if first != int(first):
        with pytest.raises(ValueError, match="multiples of 8"):
            dcgan_generator(4, shape)
        return
    n = int(np.log2(size / first))
    maps = [
        layer.output.shape[1:] for layer in dcgan_generator(4, shape, width=2).layers if "conv" in layer.name
    ]
    assert [m[0] for m in maps] == [first * 2 ** (i + 1) for i in range(n)]
    assert [m[-1] for m in maps] == [2 * 2**i for i in reversed(range(n - 1))] + [3]
    maps = [
        layer.output.shape[1:] for layer in plain_discriminator(shape, width=2).layers if "conv" in layer.name
    ]
    assert [m[-1] for m in maps] == [2 * 2**i for i in range(n)]
    assert [m[0] for m in maps] == [size // 2 ** (i + 1) for i in range(n - 1)] + [-(-size // 2 ** (n + 1))]
    maps = [
        layer.output.shape[1:] for layer in dcgan_discriminator(shape, width=2).layers if "conv" in layer.name
    ]
    assert [m[-1] for m in maps] == [2 * 2**i for i in range(n + 1)]


def test_the_plain_discriminator_judges_each_picture_on_its_own():
    net = plain_discriminator((28, 28, 1), width=4)
    assert not [layer for layer in net.layers if "normalization" in layer.name]
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")
    alone = np.concatenate([net(x[i : i + 1], training=True) for i in range(4)])
    np.testing.assert_allclose(net(x, training=True), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "network", [plain_discriminator, dcgan_discriminator, lambda s: dcgan_generator(3, s)]
)
@pytest.mark.parametrize("shape", [(30, 30, 1), (68, 68, 3), (64, 72, 0), (64, 64), "64"])
def test_shapes_that_no_network_is_built_for(network, shape):
    with pytest.raises(ValueError, match="shape"):
        network(shape)


def test_noisy_classifier_is_noisy_in_training_alone():
    net = noisy_classifier((4, 5, 2), (30, 20), 7)
    x = np.random.default_rng(0).normal(size=(6, 4, 5, 2)).astype("float32")
    w1, b1, w2, b2, w3, b3 = net.get_weights()
    hidden = np.maximum(np.maximum(x.reshape(6, 40) @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(net(x), hidden @ w3 + b3, rtol=1e-4, atol=1e-5)
    assert np.abs(net(x, training=True) - net(x, training=True)).min() > 0


def test_noise_of_the_noisy_classifier_has_its_deviations():
    """A net that adds up its input and its one hidden unit's noise: the variances add up too."""
    net = noisy_classifier((16,), (1,), 1, noise=(0.3, 0.5))
    for layer, kernel, bias in ((net.layers[2], np.ones((16, 1)), 100.0), (net.layers[4], [[1.0]], 0.0)):
        layer.kernel.assign(kernel)
        layer.bias.assign([bias])
    made = net(np.zeros((20_000, 16), "float32"), training=True).numpy()
    assert made.std() == pytest.approx(np.sqrt(16 * 0.3**2 + 0.5**2), rel=0.03)
    silent = noisy_classifier((16,), (3,), 2, noise=(0, 0))
    x = np.ones((2, 16), "float32")
    np.testing.assert_array_equal(silent(x, training=True), silent(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": 28}, "shape=28: want"),
        ({"shape": (28, 0, 1)}, r"shape\[1\]=0: want"),
        ({"hidden": ()}, r"hidden=\(\): want at least one"),
        ({"hidden": 5}, "hidden=5: want"),
        ({"hidden": (5, 0)}, r"hidden\[1\]=0: want"),
        ({"n_classes": 0}, "n_classes=0: want"),
        ({"noise": 0.3}, "noise=0.3: want"),
        ({"noise": (0.3,)}, r"noise=\(0.3,\): want two"),
        ({"noise": (0.3, -1)}, r"noise=\(0.3, -1\): want two"),
        ({"noise": (float("nan"), 1)}, "want two"),
    ],
)
def test_bad_input_of_the_noisy_classifier(change, message):
    with pytest.raises(ValueError, match=message):
        noisy_classifier(**{"shape": (28, 28, 1), "hidden": (5,), "n_classes": 10} | change)
