"""Small classifiers of digits and faces that come with the package: what is drawn here, and its features.

`tools/train_classifiers.py` made their weights. Of the 1,000 held-out digits the digit classifier reads
98.5 % right. On 2,000 other faces the face classifier read every class right, and numbers with a mean error
of 0.02 at most.

They compute in float32 whatever Keras is set to. Pictures that seem to be in [0, 1] are refused.
"""

import functools
import hashlib
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ganbook import _checks, cartoons


def digit_labels(images):
    """What digit each picture looks most like, 0-9: (n,) int64.

    Args:
        images: (n, 28, 28, 1) floats in [-1, 1], ink at 1.
    """
    return _outputs("digits", images)[1].argmax(axis=1)


def digit_features(images):
    """The last hidden layer of the digit classifier, (n, 64) float32: for FID and its kin.

    Args:
        images: (n, 28, 28, 1) floats in [-1, 1], ink at 1.
    """
    return _outputs("digits", images)[0]


def face_factors(images):
    """What the classifier reads off faces: a dict like the one that `ganbook.faces` returns.

    Args:
        images: (n, 32, 32, 3) floats in [-1, 1].
    """
    outputs = _outputs("faces", images)[1]
    sizes = [k or 1 for k in cartoons.FACTORS.values()]
    parts = np.split(outputs, np.cumsum(sizes)[:-1], axis=1)
    return {
        name: part[:, 0].clip(0, 1).astype("float64") if k is None else part.argmax(axis=1)
        for (name, k), part in zip(cartoons.FACTORS.items(), parts, strict=True)
    }


def face_features(images):
    """The last hidden layer of the face classifier, (n, 64) float32.

    Args:
        images: (n, 32, 32, 3) floats in [-1, 1].
    """
    return _outputs("faces", images)[0]


SHAPES = {"digits": (28, 28, 1), "faces": (32, 32, 3)}
OUTPUTS = {"digits": 10, "faces": sum(k or 1 for k in cartoons.FACTORS.values())}
# Of the files of weights: with an altered one every figure that rests on it would be another, silently.
SHA256 = {
    "digits": "7dea06e726b1ca66a8d9bb530e4f783b5aecb314daeb651d2e3eba8bd05d1e81",
    "faces": "b486a52156da128d42179e2136379583b29eaae6a56234eb416f2b4f2601aa24",
}


# Said to every layer, so that Keras' settings at the moment of the first call leave no trace.
_FLOATS = {"dtype": "float32", "kernel_initializer": "zeros"}  # zeros use up no random number


def network(of):
    """The untrained network: pictures to [features, outputs]."""
    x = picture = keras.Input(SHAPES[of], dtype="float32")
    for width in (16, 32):
        x = layers.Conv2D(width, 5, 2, "same", data_format="channels_last", activation="relu", **_FLOATS)(x)
    x = layers.Flatten(data_format="channels_last", dtype="float32")(x)
    x = layers.Dropout(0.5, seed=0, dtype="float32")(x)
    x = features = layers.Dense(64, "relu", **_FLOATS)(x)
    return keras.Model(picture, [features, layers.Dense(OUTPUTS[of], **_FLOATS)(x)])


def weights_file(of):
    return pathlib.Path(__file__).parent / "weights" / f"{of}.weights.h5"


@functools.cache
def _trained(of):
    file = weights_file(of)
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != SHA256[of]:
        raise ValueError(
            f"{file} is missing or altered: want that of SHA-256 {SHA256[of]}; reinstall ganbook"
        )
    net = network(of)
    net.load_weights(file)
    # Not `predict`, which turns pictures into keras.config.floatx() and shares them out among devices.
    return tf.function(lambda images: net(images, training=False), reduce_retracing=True)


def _outputs(of, images):
    """Features and outputs of all pictures, float32."""
    images = _checks.pictures("images", images, shape=SHAPES[of])
    if _checks.seem_from_0_to_1(images):
        raise ValueError(
            f"images has values from {images.min():.6g} to {images.max():.6g}: want [-1, 1], "
            "such as 2 * images - 1 for those in [0, 1]"
        )
    read, few = _trained(of), 500
    parts = [read(tf.constant(images[i : i + few])) for i in range(0, len(images), few)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
