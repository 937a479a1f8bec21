"""Milliseconds a training step of one DCGAN takes: in `ganbook`, in TensorFlow's own loop, in PyTorch's.

    python benchmarks/dcgan.py ganbook --chunks 8

One case a process, one line of JSON a case:

ganbook            `GAN.fit`, Algorithm 1: fresh noise, hence a pass of G, for either player
ganbook-bfloat16   the same under Keras' policy "mixed_bfloat16"
tensorflow         the loop of TensorFlow's tutorial: one pass of G for both players
pytorch            the plain loop, two passes of G as in `ganbook`
matmul             GFLOP/s of a 2048 x 2048 matrix product in TensorFlow: what the machine can do
operations         GFLOP of one step, counted from the layers' shapes; nothing is timed
memory             peak memory of TensorFlow's tutorial on 60,000 pictures in batches of 256

The networks, Adam 1e-4 and the 100 numbers of noise are those of TensorFlow's tutorial "Deep Convolutional
Generative Adversarial Network", and so is the `tensorflow` loop. The `pytorch` loop is that of PyTorch's
"DCGAN Tutorial", but with noise of its own for G's step. The pictures are noise: what is in them takes no
time. `ms` has one figure for every 5 steps, after 5 untimed ones; `peak_mb` is that of the process. So all
frameworks are imported where they are used: a process loads only what it measures.
"""

import argparse
import itertools
import json
import resource
import time

import numpy as np

BATCH_SIZE, LATENT_DIM, STEPS = 128, 100, 5


def pictures(n=4000):
    """n pictures of noise, (n, 28, 28, 1) float32 in [-1, 1]."""
    x = np.random.default_rng(0).random((n, 28, 28, 1), dtype="float32")
    x *= 2.0  # in place: a second copy would count as peak memory
    x -= 1.0
    return x


def peak_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # Linux counts in kB


def timed(run, chunks):
    """The figures of `run`, which takes STEPS steps."""
    run()  # traces, and lets the memory pools grow
    ms = []
    for _ in range(chunks):
        start = time.perf_counter()
        run()
        ms.append(round(1000 * (time.perf_counter() - start) / STEPS, 1))
    return {"ms": ms, "peak_mb": peak_mb()}


def networks():
    """G and D of TensorFlow's tutorial. Their outputs are float32 under any policy, as Keras advises."""
    import keras
    from keras import layers

    g = [keras.Input((LATENT_DIM,)), layers.Dense(7 * 7 * 256, use_bias=False)]
    g += [layers.BatchNormalization(), layers.LeakyReLU(0.3), layers.Reshape((7, 7, 256))]
    for width, stride in ((128, 1), (64, 2)):
        g += [layers.Conv2DTranspose(width, 5, stride, "same", use_bias=False)]
        g += [layers.BatchNormalization(), layers.LeakyReLU(0.3)]
    g += [layers.Conv2DTranspose(1, 5, 2, "same", use_bias=False, activation="tanh", dtype="float32")]
    d = [keras.Input((28, 28, 1))]
    for width in (64, 128):
        d += [layers.Conv2D(width, 5, 2, "same"), layers.LeakyReLU(0.3), layers.Dropout(0.3)]
    d += [layers.Flatten(), layers.Dense(1, dtype="float32")]
    return keras.Sequential(g), keras.Sequential(d)


def ganbook_fit(chunks):
    import keras

    import ganbook

    gan = ganbook.GAN(*networks(), LATENT_DIM)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    data = ganbook.batches(pictures(), batch_size=BATCH_SIZE)
    return timed(lambda: gan.fit(data, steps_per_epoch=STEPS, verbose=0), chunks)


def ganbook_bfloat16(chunks):
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    return ganbook_fit(chunks)


def tutorial_step(batch_size):
    """The generator and the compiled train step of TensorFlow's tutorial."""
    import keras
    import tensorflow as tf

    generator, discriminator = networks()
    g_optimizer, d_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    bce = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def train_step(images):
        z = tf.random.normal((batch_size, LATENT_DIM))
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = generator(z, training=True)
            on_data, on_fake = discriminator(images, training=True), discriminator(fake, training=True)
            g_loss = bce(tf.ones_like(on_fake), on_fake)
            d_loss = bce(tf.ones_like(on_data), on_data) + bce(tf.zeros_like(on_fake), on_fake)
        for tape, loss, player, optimizer in (
            (g_tape, g_loss, generator, g_optimizer),
            (d_tape, d_loss, discriminator, d_optimizer),
        ):
            weights = player.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    return generator, train_step


def tensorflow_loop(chunks):
    import tensorflow as tf

    x = pictures()
    _, train_step = tutorial_step(BATCH_SIZE)
    # The tutorial keeps the smaller batch that ends an epoch; a chunk with it would look quicker.
    data = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x)).batch(BATCH_SIZE, drop_remainder=True)
    batches = iter(data.repeat())

    def run():
        for images in itertools.islice(batches, STEPS):
            train_step(images)

    return timed(run, chunks)


def pytorch_loop(chunks):
    import torch
    from torch import nn

    def up(n_in, n_out, stride):
        return nn.ConvTranspose2d(n_in, n_out, 5, stride, 2, output_padding=stride - 1, bias=False)

    def after(norm):
        return norm, nn.LeakyReLU(0.3)

    g = nn.Sequential(
        *(nn.Linear(LATENT_DIM, 256 * 7 * 7, bias=False), *after(nn.BatchNorm1d(256 * 7 * 7))),
        *(nn.Unflatten(1, (256, 7, 7)), up(256, 128, 1), *after(nn.BatchNorm2d(128))),
        *(up(128, 64, 2), *after(nn.BatchNorm2d(64)), up(64, 1, 2), nn.Tanh()),
    )
    d = nn.Sequential(
        *(nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3)),
        *(nn.Conv2d(64, 128, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3)),
        *(nn.Flatten(), nn.Linear(128 * 7 * 7, 1)),
    )
    g_optimizer, d_optimizer = (torch.optim.Adam(player.parameters(), 1e-4) for player in (g, d))
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH_SIZE, 1), torch.zeros(BATCH_SIZE, 1)
    x = torch.from_numpy(pictures().transpose(0, 3, 1, 2).copy())
    data = torch.utils.data.DataLoader(x, BATCH_SIZE, shuffle=True, drop_last=True)
    batches = itertools.chain.from_iterable(itertools.repeat(data))  # a new order every epoch

    def run():
        for images in itertools.islice(batches, STEPS):
            d_optimizer.zero_grad()
            fake = g(torch.randn(BATCH_SIZE, LATENT_DIM)).detach()
            (bce(d(images), ones) + bce(d(fake), zeros)).backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            bce(d(g(torch.randn(BATCH_SIZE, LATENT_DIM))), ones).backward()
            g_optimizer.step()

    return timed(run, chunks)


def matmul(chunks):
    import tensorflow as tf

    n = 2048
    product = tf.function(tf.linalg.matmul)

    def gflops(dtype):
        a, b = (tf.cast(tf.random.normal((n, n), seed=seed), dtype) for seed in (1, 2))
        ms = timed(lambda: [product(a, b) for _ in range(STEPS)], chunks)["ms"]
        return [round(2 * n**3 / 1e6 / t, 1) for t in ms]

    return {"gflops": gflops(tf.float32), "gflops_bfloat16": gflops(tf.bfloat16)}


def forward_gflop(network, batch_size):
    """GFLOP of each layer that has a kernel: 2 for a multiply-add, one by every entry a place."""
    from keras import layers

    for layer in network.layers:
        if isinstance(layer, (layers.Dense, layers.Conv2D, layers.Conv2DTranspose)):
            transposed = isinstance(layer, layers.Conv2DTranspose)
            places = (layer.input if transposed else layer.output).shape[1:-1]  # () for Dense
            yield 2 * batch_size * int(np.prod(places)) * int(np.prod(layer.kernel.shape)) / 1e9


def step_gflop(generator, discriminator, batch_size):
    """GFLOP of a step of D and of one of G. A gradient, of weights or input, takes as many as its layer.

    Not counted: activations, normalisation, Adam. Products with the zeros of a padding are counted.
    """
    g, d = (list(forward_gflop(net, batch_size)) for net in (generator, discriminator))
    # D's: samples; forward and back on them and on data, but not into the pictures.
    # G's: forward through both; back through D to its input, through G to its noise but not into it.
    return sum(g) + 4 * sum(d) + 2 * sum(d[1:]), 2 * sum(g) + sum(g[1:]) + 2 * sum(d)


def operations(chunks):
    nets = networks()
    ours = sum(step_gflop(*nets, BATCH_SIZE))
    # The tutorial has one batch of samples, and D's logits of them, for both players.
    shared = sum(sum(forward_gflop(net, BATCH_SIZE)) for net in nets)
    return {"ganbook_gflop": round(ours, 2), "tutorial_gflop": round(ours - shared, 2)}


def memory(chunks):
    import tensorflow as tf

    x, batch_size = pictures(60_000), 256
    generator, train_step = tutorial_step(batch_size)
    for images in tf.data.Dataset.from_tensor_slices(x).shuffle(len(x)).batch(batch_size).take(20):
        train_step(images)
    generator(tf.random.normal((16, LATENT_DIM)), training=False)
    return {"peak_mb": peak_mb()}


CASES = {
    "ganbook": ganbook_fit,
    "ganbook-bfloat16": ganbook_bfloat16,
    "tensorflow": tensorflow_loop,
    "pytorch": pytorch_loop,
    "matmul": matmul,
    "operations": operations,
    "memory": memory,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--chunks", type=int, default=8, help="figures to print; default: %(default)s")
    args = parser.parse_args()
    print(json.dumps({"case": args.case} | CASES[args.case](args.chunks)))


if __name__ == "__main__":
    main()
