"""Train the classifiers whose weights come with the package: python tools/train_classifiers.py

A few minutes on two cores; then copy the SHA-256 that it prints for each file into ganbook/classifiers.py.
The weights that are committed are the reference: other versions and processors give others in the last
digits, so every figure of the book that rests on them rests on these.
"""

import hashlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ganbook import cartoons, classifiers, digits

BATCH = 64


def trainable(of):
    """The network with Keras' usual initial weights in place of zeros."""
    net = classifiers.network(of)
    for layer in net.layers:
        if layer.weights:
            layer.kernel.assign(keras.initializers.GlorotUniform()(layer.kernel.shape))
    return net


def train(net, x, y, loss, augment, epochs):
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(x) // BATCH))
    net.compile(keras.optimizers.Adam(rate), loss=[None, loss])
    data = (
        tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0).batch(BATCH, drop_remainder=True)
    )
    net.fit(data.map(lambda x, y: (augment(x), y)), epochs=epochs, verbose=2)


def save(of, net):
    """Without the optimizer's variables, which Keras would save too."""
    bare = classifiers.network(of)
    bare.set_weights(net.get_weights())
    file = classifiers.weights_file(of)
    bare.save_weights(file)
    classifiers.SHA256[of] = hashlib.sha256(file.read_bytes()).hexdigest()
    print(f'for SHA256 in ganbook/classifiers.py: "{of}": "{classifiers.SHA256[of]}",')


def train_digits():
    (x, y), (x_test, y_test) = digits()
    net = trainable("digits")
    paper = dict(fill_mode="constant", fill_value=-1.0)
    augment = keras.Sequential(
        [
            layers.RandomRotation(0.04, **paper),
            layers.RandomTranslation(0.1, 0.1, **paper),
            layers.RandomZoom(0.15, 0.15, **paper),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    train(net, x, y, loss, lambda x: augment(x, training=True), epochs=100)
    save("digits", net)
    print("held-out digits right:", (classifiers.digit_labels(x_test) == y_test).mean())


def face_loss(y_true, outputs):
    """Cross-entropy for each factor with classes, squared error for each that is a number."""
    loss, at = 0.0, 0
    for i, k in enumerate(cartoons.FACTORS.values()):
        true, out = y_true[:, i], outputs[:, at : at + (k or 1)]
        if k is None:
            loss += 10.0 * keras.ops.square(true - out[:, 0])
        else:
            loss += keras.losses.sparse_categorical_crossentropy(true, out, from_logits=True)
        at += k or 1
    return loss


def train_faces():
    x, factors = cartoons.faces(10_000, seed=1)
    x_test, true = cartoons.faces(2_000, seed=2)
    net = trainable("faces")
    y = np.stack(list(factors.values()), axis=1).astype("float32")
    augment = keras.Sequential(
        [layers.RandomTranslation(0.03, 0.03, fill_mode="nearest"), layers.GaussianNoise(0.1)]
    )
    train(net, x, y, face_loss, lambda x: augment(x, training=True), epochs=40)
    save("faces", net)
    read = classifiers.face_factors(x_test)
    for name, k in cartoons.FACTORS.items():
        what = "right" if k else "mean error"
        value = (read[name] == true[name]).mean() if k else np.abs(read[name] - true[name]).mean()
        print(f"held-out faces, {name} {what}: {value:.4f}")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    train_digits()
    train_faces()
