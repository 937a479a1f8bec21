"""What a training step costs as the work grows: batch size, width, amount of data, steps of D.

    python benchmarks/growth.py

One JSON line an axis, with milliseconds a step, the least of many epochs of 4, at each value. The
networks are `ganbook`'s DCGAN for 28 x 28 pictures, the data noise; an axis other than its own has batches
of 64, width 24, 5,000 pictures, one step of D. `gflop` counts the convolutions' arithmetic of a step.
"""

import argparse
import json
import time

import dcgan
import keras

import ganbook

STEPS = 4
BASE = {"batch_size": 64, "width": 24, "n": 5000, "d_steps": 1}
AXES = {
    "batch_size": (16, 32, 64, 128, 256, 512, 1024),
    "width": (8, 16, 32, 64, 128),
    "n": (5000, 15_000, 30_000, 60_000),
    "d_steps": (1, 2, 3, 4, 5),
}


class Clock(keras.callbacks.Callback):
    """Seconds of every epoch."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def cost(batch_size, width, n, d_steps, epochs):
    """Milliseconds a train step, and its GFLOP. A step of G and k steps of D take batches of batch_size."""
    shape = (28, 28, 1)
    nets = ganbook.dcgan_generator(64, shape, width), ganbook.dcgan_discriminator(shape, width)
    gan = ganbook.GAN(*nets, 64, d_steps=d_steps)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    data = ganbook.batches(dcgan.pictures(n), batch_size=batch_size * d_steps).repeat()
    d_gflop, g_gflop = dcgan.step_gflop(*nets, batch_size)
    clock = Clock()
    gan.fit(data, steps_per_epoch=STEPS, epochs=1 + epochs, callbacks=[clock], verbose=0)
    ms = [1000 * seconds / STEPS for seconds in clock.seconds[1:]]  # the first traces
    return round(min(ms), 2), round(d_steps * d_gflop + g_gflop, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="of 4 steps; default: %(default)s")
    args = parser.parse_args()
    for axis, values in AXES.items():
        ms, gflop = zip(*(cost(**BASE | {axis: value}, epochs=args.epochs) for value in values), strict=True)
        print(json.dumps({"axis": axis, "values": values, "ms": ms, "gflop": gflop}), flush=True)


if __name__ == "__main__":
    main()
