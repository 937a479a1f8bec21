"""The game on the ring, two MLPs of 128 x 128, in several ways: seconds to 500 steps, then steps a second.

    python benchmarks/ring.py ganbook --batch-size 256

One case a process, one line of JSON a case:

ganbook    `GAN.fit` on `ganbook.batches`, as a chapter calls them
ganbook-xla  the same with jit_compile=True: whole groups of steps are one program of XLA
one-step   the same as ganbook with steps_per_execution=1
tf-data    the same on a plain tf.data pipeline, which shuffles and batches points one by one
autotune   the same with tf.data's autotuning on, as it is by default
xla        the same `train_step` in a loop written by hand, which XLA compiles as a whole
keras-io   the `train_step` of keras.io's "DCGAN to generate face images", in `fit`
pytorch    the loop of PyTorch's "DCGAN Tutorial", with noise of its own for G's step
jax        written by hand, an epoch in one `lax.scan`: the practical limit

All have the same networks, Adam 1e-3 with beta_1 0.5, and a new order of the same 500 batches every epoch.
`first_s` is from making the networks to the return of the first 500 steps, tracing and compiling included;
`steps_s` has a figure for every later call, of 4 epochs. Frameworks are imported before the clock starts, and
where they are used: a process loads only what it measures.
"""

import argparse
import itertools
import json
import time

import numpy as np

STEPS, EPOCHS, WIDTHS, RATE, BETA_1 = 500, 4, (128, 128), 1e-3, 0.5


def points(n):
    """n points of the ring of eight, (n, 2) float32."""
    rng = np.random.default_rng(0)
    angles = 2 * np.pi * rng.integers(8, size=n) / 8
    centers = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (centers + 0.1 * rng.standard_normal((n, 2))).astype("float32")


# Each case imports what it needs and returns a function that makes everything and returns another, which
# trains for so many epochs.


def our_gan(**compile_arguments):
    import keras

    import ganbook

    gan = ganbook.GAN(ganbook.mlp(2, WIDTHS, 2), ganbook.mlp(2, WIDTHS, 1), latent_dim=2)
    d_optimizer, g_optimizer = (keras.optimizers.Adam(RATE, beta_1=BETA_1) for _ in range(2))
    gan.compile(d_optimizer, g_optimizer, **compile_arguments)
    return gan


def fitted(pipeline, **compile_arguments):
    """A GAN's `fit` on the pipeline that a call of `pipeline` makes."""

    def make():
        gan, data = our_gan(**compile_arguments), pipeline()
        return lambda epochs: gan.fit(data, epochs=epochs, verbose=0)

    return make


def autotuned(data, enabled):
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = enabled
    return data.with_options(options)


def ganbook_fit(x, batch_size, **compile_arguments):
    import ganbook

    return fitted(lambda: ganbook.batches(x, batch_size=batch_size), **compile_arguments)


def ganbook_xla(x, batch_size):
    return ganbook_fit(x, batch_size, jit_compile=True)


def one_step(x, batch_size):
    return ganbook_fit(x, batch_size, steps_per_execution=1)


def autotune(x, batch_size):
    import ganbook

    return fitted(lambda: autotuned(ganbook.batches(x, batch_size=batch_size), True))


def tf_data(x, batch_size):
    import tensorflow as tf

    import ganbook  # noqa: F401  (before the clock starts)

    slices = tf.data.Dataset.from_tensor_slices
    return fitted(lambda: autotuned(slices(x).shuffle(len(x)).batch(batch_size), False))


def xla(x, batch_size):
    import tensorflow as tf

    import ganbook

    def make():
        gan, data = our_gan(), ganbook.batches(x, batch_size=batch_size).batch(50)

        @tf.function(jit_compile=True)
        def fifty_steps(fifty_batches):
            for x in fifty_batches:
                gan.train_step(x)

        def train(epochs):
            for fifty_batches in data.repeat(epochs):
                fifty_steps(fifty_batches)
            gan.generator.get_weights()

        return train

    return make


def keras_io(x, batch_size):
    import keras
    import tensorflow as tf
    from keras import layers

    class GAN(keras.Model):
        def __init__(self, discriminator, generator, latent_dim):
            super().__init__()
            self.discriminator, self.generator, self.latent_dim = discriminator, generator, latent_dim
            self.seed_generator = keras.random.SeedGenerator(1)

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
            self.d_mean, self.g_mean = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

        @property
        def metrics(self):
            return [self.d_mean, self.g_mean]

        def train_step(self, real):
            n = tf.shape(real)[0]
            z = keras.random.normal((n, self.latent_dim), seed=self.seed_generator)
            both = tf.concat([self.generator(z), real], axis=0)
            labels = tf.concat([tf.ones((n, 1)), tf.zeros((n, 1))], axis=0)
            labels += 0.05 * tf.random.uniform(tf.shape(labels))
            with tf.GradientTape() as tape:
                d_loss = self.loss_fn(labels, self.discriminator(both))
            weights = self.discriminator.trainable_weights
            self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
            z = keras.random.normal((n, self.latent_dim), seed=self.seed_generator)
            with tf.GradientTape() as tape:
                g_loss = self.loss_fn(tf.zeros((n, 1)), self.discriminator(self.generator(z)))
            weights = self.generator.trainable_weights
            self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
            self.d_mean.update_state(d_loss)
            self.g_mean.update_state(g_loss)
            return {"d_loss": self.d_mean.result(), "g_loss": self.g_mean.result()}

    def mlp(n_out):
        hidden = [layers.Dense(width, "relu") for width in WIDTHS]
        return keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(n_out)])

    def make():
        gan = GAN(mlp(1), mlp(2), latent_dim=2)
        d_optimizer, g_optimizer = (keras.optimizers.Adam(RATE, beta_1=BETA_1) for _ in range(2))
        gan.compile(d_optimizer, g_optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
        data = tf.data.Dataset.from_tensor_slices(x).shuffle(1024).batch(batch_size).prefetch(2)
        return lambda epochs: gan.fit(data, epochs=epochs, shuffle=False, verbose=0)

    return make


def pytorch(x, batch_size):
    import torch
    from torch import nn

    def mlp(n_out):
        first, second = WIDTHS
        hidden = nn.Linear(2, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()
        return nn.Sequential(*hidden, nn.Linear(second, n_out))

    def make():
        g, d, data = mlp(2), mlp(1), torch.from_numpy(x)
        g_optimizer, d_optimizer = (
            torch.optim.Adam(net.parameters(), RATE, (BETA_1, 0.999)) for net in (g, d)
        )
        bce = nn.BCEWithLogitsLoss()
        ones, zeros = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)

        def epoch():
            # Slices of a shuffled order: a DataLoader would handle the points one by one, and be slower.
            for rows in torch.randperm(len(data)).split(batch_size):
                d_optimizer.zero_grad()
                fake = g(torch.randn(batch_size, 2)).detach()
                (bce(d(data[rows]), ones) + bce(d(fake), zeros)).backward()
                d_optimizer.step()
                g_optimizer.zero_grad()
                bce(d(g(torch.randn(batch_size, 2))), ones).backward()
                g_optimizer.step()

        return lambda epochs: [epoch() for _ in range(epochs)]

    return make


def jax_scan(x, batch_size):
    import jax
    import jax.numpy as jnp
    from jax.nn import softplus

    def init(key, sizes):
        keys = jax.random.split(key, len(sizes) - 1)
        glorot = jax.nn.initializers.glorot_uniform()
        shapes = itertools.pairwise(sizes)
        return [(glorot(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes, strict=True)]

    def net(weights, h):
        for kernel, bias in weights[:-1]:
            h = jax.nn.relu(h @ kernel + bias)
        kernel, bias = weights[-1]
        return h @ kernel + bias

    def adam(weights, gradient, state):
        mean, square, t = state
        t = t + 1
        mean = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), mean, gradient)
        square = jax.tree.map(lambda s, g: s + 0.001 * (g * g - s), square, gradient)
        rate = RATE * jnp.sqrt(1 - 0.999**t) / (1 - BETA_1**t)
        weights = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-7), weights, mean, square)
        return weights, (mean, square, t)

    def step(state, real):
        g, d, g_state, d_state, key = state
        key, for_d, for_g = jax.random.split(key, 3)
        fake = net(g, jax.random.normal(for_d, (batch_size, 2)))
        d_loss, gradient = jax.value_and_grad(
            lambda d: 0.5 * (softplus(-net(d, real)).mean() + softplus(net(d, fake)).mean())
        )(d)
        d, d_state = adam(d, gradient, d_state)
        z = jax.random.normal(for_g, (batch_size, 2))
        g_loss, gradient = jax.value_and_grad(lambda g: 0.5 * softplus(-net(d, net(g, z))).mean())(g)
        g, g_state = adam(g, gradient, g_state)
        return (g, d, g_state, d_state, key), (d_loss, g_loss)

    @jax.jit
    def scan(state, data):
        *rest, key = state
        key, for_order = jax.random.split(key)
        order = jax.random.permutation(for_order, len(data))
        return jax.lax.scan(step, (*rest, key), data[order].reshape(-1, batch_size, 2))

    def make():
        data = jnp.asarray(x)
        g, d = init(jax.random.key(0), (2, *WIDTHS, 2)), init(jax.random.key(1), (2, *WIDTHS, 1))
        zeros = [(jax.tree.map(jnp.zeros_like, w), jax.tree.map(jnp.zeros_like, w), 0.0) for w in (g, d)]
        states = [(g, d, *zeros, jax.random.key(2))]

        def train(epochs):
            state = states.pop()
            for _ in range(epochs):
                state, _ = scan(state, data)
            states.append(jax.block_until_ready(state))

        return train

    return make


CASES = {
    "ganbook": ganbook_fit,
    "ganbook-xla": ganbook_xla,
    "one-step": one_step,
    "tf-data": tf_data,
    "autotune": autotune,
    "xla": xla,
    "keras-io": keras_io,
    "pytorch": pytorch,
    "jax": jax_scan,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--calls", type=int, default=3, help="after the first; default: %(default)s")
    args = parser.parse_args()
    make = CASES[args.case](points(STEPS * args.batch_size), args.batch_size)
    start = time.perf_counter()
    train = make()
    train(1)
    first = time.perf_counter() - start
    rates = []
    for _ in range(args.calls):
        start = time.perf_counter()
        train(EPOCHS)
        rates.append(round(EPOCHS * STEPS / (time.perf_counter() - start), 1))
    print(json.dumps({"case": args.case, "first_s": round(first, 3), "steps_s": rates}))


if __name__ == "__main__":
    main()
