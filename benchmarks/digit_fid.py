"""Digit FID after equal seconds of training: our DCGAN beside the recipes of two well-known tutorials.

    python benchmarks/digit_fid.py ganbook --seconds 30 60 120 --seed 1

One recipe a process, one line of JSON. All train on the same 4,000 digits. The tutorials' networks,
optimizers, batch sizes and losses are as documented; where a recipe is for larger pictures it loses one
doubling, so that it fits 28 x 28. FID is the Frechet distance on `ganbook.digit_features` of 4,000 samples
to the 4,000 training digits: not the Inception FID of the literature. The clock runs while a recipe trains,
tracing included, and stands still while samples are drawn and measured.
"""

import argparse
import json
import time

import keras
import tensorflow as tf
from keras import layers, ops

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


# A recipe gives the GAN, its batch size, the value of white paper, and the share of the learning rates that
# is left at the end: in the last 30 % of the time they fall to it in a straight line.


def keras_io():
    """64 x 64 from 8 x 8 in three doublings there; 28 x 28 from 7 x 7 in two here."""
    d = [keras.Input((28, 28, 1))]
    for width in (64, 128, 128):
        d += [layers.Conv2D(width, 4, 2, "same"), layers.LeakyReLU(0.2)]
    d += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)]
    g = [keras.Input((128,)), layers.Dense(7 * 7 * 128), layers.Reshape((7, 7, 128))]
    for width in (128, 256):
        g += [layers.Conv2DTranspose(width, 4, 2, "same"), layers.LeakyReLU(0.2)]
    g += [layers.Conv2D(1, 5, padding="same", activation="sigmoid")]
    gan = KerasIo(keras.Sequential(g), keras.Sequential(d), 128)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    return gan, 32, 0.0, 1.0


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


def tensorflow_tutorial():
    g = [keras.Input((100,)), layers.Dense(7 * 7 * 256, use_bias=False), layers.BatchNormalization()]
    g += [layers.LeakyReLU(0.3), layers.Reshape((7, 7, 256))]
    for width, stride in ((128, 1), (64, 2)):
        g += [layers.Conv2DTranspose(width, 5, stride, "same", use_bias=False)]
        g += [layers.BatchNormalization(), layers.LeakyReLU(0.3)]
    g += [layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh")]
    d = [keras.Input((28, 28, 1))]
    for width in (64, 128):
        d += [layers.Conv2D(width, 5, 2, "same"), layers.LeakyReLU(0.3), layers.Dropout(0.3)]
    d += [layers.Flatten(), layers.Dense(1)]
    gan = TensorFlowTutorial(keras.Sequential(g), keras.Sequential(d), 100)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    return gan, 256, -1.0, 1.0


def ours():
    """Small and quick, so that 120 s are many steps; what each part buys stands in README.md."""
    shape, width, latent_dim = (28, 28, 1), 32, 16
    x = keras.Input(shape)
    # One convolution down to 7 x 7: at 28 x 28 and 14 x 14 a discriminator spends most of its time.
    h = layers.LeakyReLU(0.2)(layers.Conv2D(64, 12, 4, "same")(x))
    h = layers.BatchNormalization()(layers.Conv2D(128, 3, 2, "same", use_bias=False)(h))
    h = layers.LeakyReLU(0.2)(h)
    # Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3): are samples too alike?
    spread = ops.mean(ops.std(h, axis=0)) * ops.ones_like(h[..., :1])
    h = layers.Flatten()(ops.concatenate([h, spread], axis=-1))
    discriminator = keras.Model(x, layers.Dense(1)(h))
    gan = ganbook.GAN(ganbook.dcgan_generator(latent_dim, shape, width), discriminator, latent_dim)
    averaged = {"use_ema": True, "ema_momentum": 0.998}  # G's weights over the last 500 steps
    d_optimizer = keras.optimizers.Adam(3e-3, beta_1=0.5)
    gan.compile(d_optimizer, keras.optimizers.Adam(3e-3, beta_1=0.5, **averaged))
    return gan, 32, -1.0, 0.05


def train(recipe, marks, seed):
    """Yield (seconds, steps, 4,000 samples in [-1, 1]) at each of the marks, seconds of training."""
    keras.utils.set_random_seed(seed)
    gan, batch_size, low, last_rate = recipe()
    (x, _), _ = ganbook.digits(low=low)
    data = ganbook.batches(x, batch_size=batch_size, seed=seed).repeat()
    optimizers = gan.d_optimizer, gan.g_optimizer
    rates = [float(optimizer.learning_rate) for optimizer in optimizers]
    # A call of fit takes as long as two steps of a small recipe; a large one would overshoot the mark.
    several = 25 if batch_size < 100 else 10
    steps, clock = 0, 0.0
    for mark in marks:
        while clock < mark:
            settle = 1 - (1 - last_rate) * max(0, clock / marks[-1] - 0.7) / 0.3
            for optimizer, rate in zip(optimizers, rates, strict=True):
                optimizer.learning_rate = settle * rate
            start = time.perf_counter()
            gan.fit(data, steps_per_epoch=several, verbose=0)
            clock += time.perf_counter() - start
            steps += several
        if gan.g_optimizer.use_ema:
            gan.g_optimizer.finalize_variable_values(gan.generator.trainable_variables)
        samples = gan.generator.predict(gan.sample_z(4000), batch_size=500, verbose=0)
        yield mark, steps, samples if low < 0 else 2 * samples - 1


RECIPES = {"tensorflow": tensorflow_tutorial, "keras-io": keras_io, "ganbook": ours}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "case", choices=[*RECIPES, "held-out"], help="held-out: no training, 1,000 real digits"
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=[30, 60, 120])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    (x, _), (x_test, _) = ganbook.digits()
    features = ganbook.digit_features(x)

    def fid(pictures):
        return round(ganbook.frechet_distance(ganbook.digit_features(pictures), features), 2)

    if args.case == "held-out":
        print(json.dumps({"case": args.case, "fid": fid(x_test)}))
        return
    seconds = sorted(args.seconds)
    # Where the rates fall towards the end, less time is another run; else it is a look on the way.
    runs = [[mark] for mark in seconds] if args.case == "ganbook" else [seconds]
    found = [
        (f"{mark:g}", steps, fid(x))
        for run in runs
        for mark, steps, x in train(RECIPES[args.case], run, args.seed)
    ]
    print(
        json.dumps(
            {
                "case": args.case,
                "seed": args.seed,
                "fid": {mark: value for mark, _, value in found},
                "steps": {mark: steps for mark, steps, _ in found},
            }
        )
    )


if __name__ == "__main__":
    main()
