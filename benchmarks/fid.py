"""FID after equal seconds of training: our recipes beside those of two well-known tutorials.

    python benchmarks/fid.py digits ganbook --seconds 30 60 120 --seed 1
    python benchmarks/fid.py faces keras-io

One recipe a process, one line of JSON. All train on the same 4,000 digits or 6,000 faces. The tutorials'
networks, optimizers, batch sizes and losses are as documented; where a recipe is for larger pictures it loses
one doubling, so that it fits. FID is the Frechet distance between the features of 4,000 samples and those
of the training pictures, on `ganbook.digit_features` or `face_features`: not the Inception FID of the
literature. The clock runs while a recipe trains, tracing included, and stands still while samples are drawn
and measured.
"""

import argparse
import json
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from PIL import Image
from sklearn.cluster import KMeans

import ganbook


class KerasIo(ganbook.GAN):
    """keras.io's example "DCGAN to generate face images": noisy labels, 1 for samples and 0 for data."""

    def d_loss(self, x, z, c=None):
        real, fake = self.D(x), self.D(self.G(z))
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        noise = 0.05 * keras.random.uniform((2, tf.shape(real)[0], 1), seed=self.noise_seed)
        return 0.5 * (bce(noise[0], real) + bce(1.0 + noise[1], fake))

    def g_loss(self, x, z, c=None):
        return ops.mean(ops.softplus(self.D(self.G(z))))  # labels 0: taken for data


# A recipe takes pictures in [-1, 1] and gives the GAN, its data, and the share of the learning rates that is
# left at the end: in the last 30 % of the time they fall to it in a straight line.


def keras_io(x, seed):
    """64 x 64 from 8 x 8 in three doublings there; 28 x 28 or 32 x 32 in two here."""
    size, channels = x.shape[1], x.shape[-1]
    d = [keras.Input(x.shape[1:])]
    for width in (64, 128, 128):
        d += [layers.Conv2D(width, 4, 2, "same"), layers.LeakyReLU(0.2)]
    d += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)]
    g = [keras.Input((128,)), layers.Dense((size // 4) ** 2 * 128)]
    g += [layers.Reshape((size // 4, size // 4, 128))]
    for width in (128, 256):
        g += [layers.Conv2DTranspose(width, 4, 2, "same"), layers.LeakyReLU(0.2)]
    g += [layers.Conv2D(channels, 5, padding="same", activation="sigmoid")]
    gan = KerasIo(keras.Sequential(g), keras.Sequential(d), 128)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    return gan, ganbook.batches((x + 1) / 2, batch_size=32, seed=seed), 1.0


class TensorFlowTutorial(ganbook.GAN):
    """TensorFlow's tutorial "Deep Convolutional GAN": one batch of noise, both players step at once."""

    def train_step(self, data):
        z = self.sample_z(tf.shape(data)[0])
        with tf.GradientTape(persistent=True) as tape:
            real, fake = self.D(data), self.D(self.G(z))
            # The tutorial sums the two halves; Adam does not mind the factor.
            d_loss, g_loss = self.loss.d_loss(real, fake), self.loss.g_loss(fake)
        for loss, player, optimizer in (
            (d_loss, self.discriminator, self.d_optimizer),
            (g_loss, self.generator, self.g_optimizer),
        ):
            weights = player.trainable_variables
            optimizer.apply(tape.gradient(loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


def tensorflow_tutorial(x, seed):
    size, channels = x.shape[1], x.shape[-1]
    g = [keras.Input((100,)), layers.Dense((size // 4) ** 2 * 256, use_bias=False)]
    g += [layers.BatchNormalization(), layers.LeakyReLU(0.3), layers.Reshape((size // 4, size // 4, 256))]
    for width, stride in ((128, 1), (64, 2)):
        g += [layers.Conv2DTranspose(width, 5, stride, "same", use_bias=False)]
        g += [layers.BatchNormalization(), layers.LeakyReLU(0.3)]
    g += [layers.Conv2DTranspose(channels, 5, 2, "same", use_bias=False, activation="tanh")]
    d = [keras.Input(x.shape[1:])]
    for width in (64, 128):
        d += [layers.Conv2D(width, 5, 2, "same"), layers.LeakyReLU(0.3), layers.Dropout(0.3)]
    d += [layers.Flatten(), layers.Dense(1)]
    gan = TensorFlowTutorial(keras.Sequential(g), keras.Sequential(d), 100)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    return gan, ganbook.batches(x, batch_size=256, seed=seed), 1.0


def adam(rate, **more):
    return keras.optimizers.Adam(rate, beta_1=0.5, **more)


def our_faces(x, seed):
    """What each part of it buys stands in README.md."""
    gan = ganbook.R1GAN(
        ganbook.dcgan_generator(32, x.shape[1:]), ganbook.plain_discriminator(x.shape[1:]), latent_dim=32
    )
    # At 4e-3, or with beta_2 = 0.999, a run of two minutes can break.
    gan.compile(adam(3e-3, beta_2=0.99), adam(3e-3, beta_2=0.99, use_ema=True, ema_momentum=0.99))
    return gan, ganbook.batches(x, batch_size=32, seed=seed), 0.05


def our_digits(x, seed, n_kinds=30):
    """What each part of it buys stands in README.md.

    No label is used: the kinds of digits are found by k-means, and G and D are told the kind. The k-means
    are part of the time.
    """
    kind = KMeans(n_kinds, n_init=1, random_state=seed).fit_predict(x.reshape(len(x), -1))
    c = np.eye(n_kinds, dtype="float32")[kind]
    gan = ganbook.GAN(told_generator(16, x.shape[1:], n_kinds), told_discriminator(x.shape[1:], n_kinds), 16)
    gan.compile(adam(3e-3), adam(3e-3, use_ema=True, ema_momentum=0.99))
    gan.kinds = c  # of all 4,000, to draw as many of each
    return gan, ganbook.batches(x, c, batch_size=32, seed=seed), 0.05


def told_generator(latent_dim, shape, n_kinds):
    z, c = keras.Input((latent_dim,)), keras.Input((n_kinds,))
    net = ganbook.dcgan_generator(latent_dim + n_kinds, shape, width=32)
    return keras.Model([z, c], net(ops.concatenate([z, c], axis=-1)))


def told_discriminator(shape, n_kinds):
    x, c = keras.Input(shape), keras.Input((n_kinds,))
    # One convolution down to 7 x 7: at 28 x 28 and 14 x 14 a discriminator spends most of its time.
    h = layers.LeakyReLU(0.2)(layers.Conv2D(64, 12, 4, "same")(x))
    h = layers.BatchNormalization()(layers.Conv2D(128, 3, 2, "same", use_bias=False)(h))
    h = layers.LeakyReLU(0.2)(h)
    # Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3): are samples too alike?
    spread = ops.mean(ops.std(h, axis=0)) * ops.ones_like(h[..., :1])
    h = layers.Flatten()(ops.concatenate([h, spread], axis=-1))
    # Projection (Miyato and Koyama 2018, arXiv:1802.05637): the kind enters as an inner product.
    told = ops.sum(h * layers.Dense(h.shape[-1], use_bias=False)(c), axis=-1, keepdims=True)
    return keras.Model([x, c], layers.Dense(1)(h) + told)


class Clock(keras.callbacks.Callback):
    """Let the rates fall with the time, look at each mark while it stands still, stop at the last."""

    def __init__(self, marks, last_rate, look, elapsed):
        super().__init__()
        self.marks, self.last_rate, self.look, self.elapsed = marks, last_rate, look, elapsed

    def on_train_begin(self, logs=None):
        self.optimizers = self.model.d_optimizer, self.model.g_optimizer
        self.rates = [float(optimizer.learning_rate) for optimizer in self.optimizers]
        self.since, self.left = time.perf_counter(), list(self.marks)

    def on_epoch_begin(self, epoch, logs=None):
        settle = 1 - (1 - self.last_rate) * max(0, self.elapsed / self.marks[-1] - 0.7) / 0.3
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.learning_rate = settle * rate

    def on_epoch_end(self, epoch, logs=None):
        self.elapsed += time.perf_counter() - self.since
        if self.elapsed >= self.left[0]:
            mark = self.left.pop(0)
            self.model.stop_training = not self.left
            if self.left:  # at the last one, when the averages are in their place
                self.look(mark, epoch + 1)
        self.since = time.perf_counter()


def train(recipe, x, marks, seed, look):
    """Train until the last of the marks, seconds of training, and call look(gan, mark, steps) at each."""
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    gan, data, last_rate = recipe(x, seed)
    # What fit does between two epochs takes as long as two steps of a small recipe; a large one would
    # overshoot the mark.
    several = 10 if recipe is tensorflow_tutorial else 25
    begun = time.perf_counter() - start  # k-means, say
    clock = Clock(marks, last_rate, lambda mark, epochs: look(gan, mark, epochs * several), begun)
    fit = gan.fit(data.repeat(), steps_per_epoch=several, epochs=10**6, verbose=0, callbacks=[clock])
    look(gan, marks[-1], len(fit.epoch) * several)


TUTORIALS = {"tensorflow": tensorflow_tutorial, "keras-io": keras_io}
RECIPES = {"digits": TUTORIALS | {"ganbook": our_digits}, "faces": TUTORIALS | {"ganbook": our_faces}}


def pictures(of):
    """What is trained on, other pictures, and the features that judge."""
    if of == "digits":
        (x, _), (others, _) = ganbook.digits()
        return x, others, ganbook.digit_features
    return ganbook.faces(6000, seed=0)[0], ganbook.faces(4000, seed=1)[0], ganbook.face_features


def samples(gan, low, n=4000, few=500):
    """n samples in [-1, 1]; kinds, where there are any, as often as in the data."""
    z, c, made = gan.sample_z(n), getattr(gan, "kinds", None), []
    for i in range(0, n, few):
        some = None if c is None else c[i : i + few]
        made.append(gan(z[i : i + few], some).numpy())
    made = np.concatenate(made)
    return made if low < 0 else 2 * made - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("of", choices=RECIPES)
    parser.add_argument(
        "case", choices=[*RECIPES["digits"], "held-out"], help="held-out: no training, real pictures"
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=[30, 60, 120])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--png", help="where to write 2 x 12 samples of the last mark, above 2 x 12 pictures")
    args = parser.parse_args()
    x, others, features_of = pictures(args.of)
    features, fid, steps = features_of(x), {}, {}

    def distance(pictures):
        return round(ganbook.frechet_distance(features_of(pictures), features), 2)

    if args.case == "held-out":
        print(json.dumps({"of": args.of, "case": args.case, "fid": distance(others)}))
        return

    def look(gan, mark, n_steps):
        made = samples(gan, 0.0 if args.case == "keras-io" else -1.0)
        fid[f"{mark:g}"], steps[f"{mark:g}"] = distance(made), n_steps
        if args.png and mark == max(args.seconds):
            rows = ganbook.plots.tile(np.concatenate([made[:24], others[:24]]).clip(-1, 1), columns=12)
            Image.fromarray(rows.squeeze()).save(args.png)

    marks = sorted(args.seconds)
    # Where the rates fall towards the end, less time is another run; else it is a look on the way.
    for run in [[mark] for mark in marks] if args.case == "ganbook" else [marks]:
        train(RECIPES[args.of][args.case], x, run, args.seed, look)
    print(json.dumps({"case": args.case, "seed": args.seed, "fid": fid, "steps": steps}))


if __name__ == "__main__":
    main()
