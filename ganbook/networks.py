"""Builders of the networks that several chapters share."""

import math

import keras
from keras import layers

from ganbook import _checks

LAST = {"data_format": "channels_last"}  # as pictures are here, whatever keras.config says


def mlp(n_in, hidden, n_out, activation="relu", out_activation=None, initializer="glorot_uniform"):
    """A multilayer perceptron, built: (batch, n_in) -> (batch, n_out).

    Args:
        hidden: the widths of the hidden layers, such as (128, 128).
        activation: of the hidden layers; out_activation: of the last one. The default, none, is right
            for a discriminator's logit and for a generator of unbounded data.
        initializer: of the kernels.

    Returns:
        keras.Sequential
    """
    n_in, n_out = _checks.positive_int("n_in", n_in), _checks.positive_int("n_out", n_out)
    hidden = _checks.sequence("hidden", hidden, "the widths of the hidden layers, such as (128, 128)")
    widths = [_checks.positive_int(f"hidden[{i}]", width) for i, width in enumerate(hidden)]
    hidden_layers = [layers.Dense(w, activation, kernel_initializer=initializer) for w in widths]
    last = layers.Dense(n_out, out_activation, kernel_initializer=initializer)
    return keras.Sequential([keras.Input((n_in,)), *hidden_layers, last])


def dcgan_generator(latent_dim, shape, width=24):
    """A small DCGAN generator, built: noise (batch, latent_dim) -> pictures in [-1, 1].

    As Radford et al. 2015 (arXiv:1511.06434) advise: transposed convolutions with stride 2, batch
    normalisation and ReLU after each, but for the last, which ends in tanh. Kernels are 4 wide, a multiple
    of the stride, so that all pixels get equally many taps.

    It begins at 8 x 8 or less, with two doublings for pictures of up to 32 x 32, three up to 64 x 64, four up
    to 128 x 128, and twice the channels a doubling further down.

    Args:
        shape: (height, width, channels) of a picture; height and width are multiples of 4, of 8 above 32,
            of 16 above 64 and so on.
        width: channels before the last layer. The paper has 128 there for pictures of 64 x 64.

    Returns:
        keras.Sequential
    """
    latent_dim, width = _checks.positive_int("latent_dim", latent_dim), _checks.positive_int("width", width)
    rows, columns, channels = _picture(shape)
    n = doublings(shape)
    first = (rows // 2**n, columns // 2**n, width * 2 ** (n - 1))
    net = keras.Sequential([keras.Input((latent_dim,))])
    net.add(layers.Dense(math.prod(first), use_bias=False))
    net.add(layers.Reshape(first))
    for i in reversed(range(n - 1)):
        net.add(layers.BatchNormalization())
        net.add(layers.ReLU())
        net.add(layers.Conv2DTranspose(width * 2**i, 4, 2, "same", **LAST, use_bias=False))
    net.add(layers.BatchNormalization())
    net.add(layers.ReLU())
    net.add(layers.Conv2DTranspose(channels, 4, 2, "same", **LAST, activation="tanh"))
    return net


def doublings(shape):
    """How often `dcgan_generator` doubles the size: until pictures of this shape come from 8 x 8 or less."""
    return max(2, math.ceil(math.log2(max(shape[:2]) / 8)))


def dcgan_discriminator(shape, width=24):
    """A small DCGAN discriminator, built: pictures -> logits (batch, 1).

    Convolutions with stride 2 and leaky ReLU, three for pictures of up to 32 x 32 and one more for each
    doubling, with batch normalisation after all but the first, on which the paper advises against it
    (arXiv:1511.06434, section 3). The first has `width` channels, each further one twice as many. Arguments
    as for `dcgan_generator`.
    """
    width = _checks.positive_int("width", width)
    net = keras.Sequential([keras.Input(_picture(shape))])
    for i in range(doublings(shape) + 1):
        net.add(layers.Conv2D(width * 2**i, 4, 2, "same", **LAST, use_bias=i == 0))
        if i > 0:
            net.add(layers.BatchNormalization())
        net.add(layers.LeakyReLU(0.2))
    net.add(layers.Flatten())
    net.add(layers.Dense(1))
    return net


def plain_discriminator(shape, width=32):
    """A discriminator without normalisation, built, for an `R1GAN`: pictures -> logits (batch, 1).

    Convolutions 6 wide with stride 2, one for pictures of up to 32 x 32 and one more for each doubling, then
    one 8 wide with stride 4; leaky ReLU after each. The first has `width` channels, each further one twice as
    many. Arguments as for `dcgan_generator`.
    """
    width = _checks.positive_int("width", width)
    net = keras.Sequential([keras.Input(_picture(shape))])
    n = doublings(shape) - 1
    for i in range(n):
        net.add(layers.Conv2D(width * 2**i, 6, 2, "same", **LAST))
        net.add(layers.LeakyReLU(0.2))
    net.add(layers.Conv2D(width * 2**n, 8, 4, "same", **LAST))
    net.add(layers.LeakyReLU(0.2))
    net.add(layers.Flatten())
    net.add(layers.Dense(1))
    return net


def coarse_discriminator(shape, width=32):
    """A quick discriminator, built: pictures -> logits (batch, 1).

    A wide kernel goes down to a quarter of the size in one step, since a discriminator spends most of its
    time at the finer resolutions; then a convolution with stride 2, batch normalisation and 2 width channels.
    Arguments as for `dcgan_generator`.
    """
    width = _checks.positive_int("width", width)
    net = keras.Sequential([keras.Input(_picture(shape))])
    net.add(layers.Conv2D(width, 12, 4, "same", **LAST))
    net.add(layers.LeakyReLU(0.2))
    net.add(layers.Conv2D(2 * width, 4, 2, "same", **LAST, use_bias=False))
    net.add(layers.BatchNormalization())
    net.add(layers.LeakyReLU(0.2))
    net.add(layers.Flatten())
    net.add(layers.Dense(1))
    return net


def noisy_classifier(shape, hidden, n_classes, noise=(0.3, 0.5)):
    """A dense classifier that sees through noise, built: pictures -> logits (batch, n_classes).

    Noise on the pixels and behind every hidden layer, in training alone, as in the discriminator of digits of
    Salimans et al. 2016 (arXiv:1606.03498, section 6.1 and its code), whose weights are normalised besides.

    Args:
        shape: of a picture, such as (28, 28, 1).
        hidden: the widths of the dense layers, ReLU, at least one; theirs are 1000, 500, 250, 250, 250.
        noise: standard deviations of the Gaussian noise, on the pixels and on the hidden layers.

    Returns:
        keras.Sequential
    """
    n_classes = _checks.positive_int("n_classes", n_classes)
    shape = _checks.sequence("shape", shape, "that of a picture, such as (28, 28, 1)")
    hidden = _checks.sequence("hidden", hidden, "the widths of the hidden layers, such as (500, 250)")
    noise = _checks.sequence("noise", noise, "two standard deviations, such as (0.3, 0.5)")
    if len(noise) != 2 or not all(_checks.is_real(std) and 0 <= std < math.inf for std in noise):
        raise ValueError(f"noise={noise}: want two standard deviations of at least 0, such as (0.3, 0.5)")
    if not hidden:
        raise ValueError("hidden=(): want at least one width")
    shape = [_checks.positive_int(f"shape[{i}]", size) for i, size in enumerate(shape)]
    net = keras.Sequential([keras.Input(shape), layers.Flatten(**LAST), layers.GaussianNoise(noise[0])])
    for i, width in enumerate(hidden):
        width = _checks.positive_int(f"hidden[{i}]", width)
        net.add(layers.Dense(width, "relu", kernel_initializer="he_normal"))
        net.add(layers.GaussianNoise(noise[1]))
    net.add(layers.Dense(n_classes))
    return net


def _picture(shape):
    shape = _checks.sequence("shape", shape, "(height, width, channels)")
    if len(shape) != 3:
        raise ValueError(f"shape={shape}: want (height, width, channels)")
    for name, size in zip(("height", "width", "channels"), shape, strict=True):
        _checks.positive_int(f"{name} in shape", size)
    step = 2 ** doublings(shape)
    if shape[0] % step or shape[1] % step:
        raise ValueError(f"shape={shape}: want height and width that are multiples of {step}")
    return shape
