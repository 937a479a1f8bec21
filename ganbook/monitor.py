"""Watching a GAN while it trains: its pictures, their distance to held-out ones, and the best so far."""

import json
import math
import os
import tempfile

import keras
import numpy as np
import tensorflow as tf

from ganbook import _checks, _data_checks, _networks, metrics, pipeline, plots
from ganbook.claims import seed as book_seed
from ganbook.folder import Pictures
from ganbook.gan import GAN

FEW = 250  # pictures at a time through a network, or what lies between its layers would fill the memory


class Monitor(keras.callbacks.Callback):
    """Write a grid of samples after every epoch; with held-out pictures, keep the best generator by KID.

    Noise and conditions stay the same, so that each place of the grid shows how one sample changes::

        monitor = Monitor("run/look", x_held_out, face_features, every=5)
        gan.fit(batches(x), epochs=100, callbacks=[monitor, Checkpoint("run")])

    Its files: epoch-EPOCHS.png, the grid; best.keras, the generator of the least KID so far, for
    `keras.saving.load_model`; best.json, its epoch and KID. A file has its name only when it is complete.

    KID is `kernel_distance` between the features of the held-out pictures and of as many samples (Binkowski
    et al. 2018, arXiv:1801.01401). It is on these features and pictures: compare it only with that of the
    same Monitor. It is `kid` in the logs, for History and for callbacks behind this one in the list, such as
    EarlyStopping("kid", mode="min"), whose patience then counts the epochs that have one.

    Training goes on as if nobody had watched, to the last bit, unless an override draws numbers without
    gan.noise_seed. Behind SwapEMAWeights(swap_on_epoch=True) it watches the averages. A `fit` that goes on,
    by a Checkpoint or with initial_epoch, goes on with the best of the epochs before it. One from epoch 0
    begins anew: what it finds becomes older-best.keras. An epoch that a callback cuts short is left out.

    Args:
        folder: a path, made where there is nothing. One for each run.
        held_out: pictures that G does not train on, (n, height, width, 1 or 3) floats in [-1, 1], or the
            `pictures` of a folder. With it goes `features`; without both there is no KID.
        features: at most 250 pictures to (n, d) floats, such as `lambda x: network.predict(x, verbose=0)`.
        c: conditions as for `batches`, one for each held-out picture, or else for each sample of the grid.
        every: epochs from one KID to the next. The first epoch has one too.
        side: the grid has side * side samples, of the first conditions, cut off beyond [-1, 1].
        seed: an int, of the noise. Default: the book's seed.

    Raises:
        ValueError: in `fit`, before the first step, where G makes no such pictures, or features are not
            (n, d) floats. Keras' own error, where it cannot save the generator, comes then too.
    """

    def __init__(self, folder, held_out=None, features=None, c=None, every=1, side=5, seed=None):
        super().__init__()
        self.folder = _checks.new_folder("folder", folder)
        if (held_out is None) != (features is None) or not (features is None or callable(features)):
            raise ValueError(f"features={features!r}: want a function of pictures with held_out, or none")
        self.every = _checks.positive_int("every", every)
        self.side = _checks.int_from_to("side", side, 1, 100)
        self.seed = book_seed() if seed is None else _checks.int_from_to("seed", seed, 0, 2**32 - 1)
        if not isinstance(held_out, Pictures | None):
            held_out = _checks.pictures("held_out", held_out, (None, None, None))
        n, least = self.side**2, 2 if c is None else max(2, self.side**2)
        if held_out is not None and (n := len(held_out)) < least:
            raise ValueError(f"held_out has {n} pictures: want at least {least}")
        self.held_out, self.features = held_out, features
        self.c, self.of_data = c if c is None else pipeline._conditions(c, n), None

    def on_train_begin(self, logs=None):
        gan = self.model
        if not isinstance(gan, GAN):
            raise ValueError(f"a Monitor was given to {gan.name}.fit: want it in that of a GAN")
        parts, known = [] if self.c is None else tf.nest.flatten(self.c), _networks.n_inputs(gan.generator)
        if not gan._overrides("G") and known not in (None, 1 + len(parts)):
            raise ValueError(f"c has {len(parts)} arrays: want {known - 1}, which the generator takes with z")
        if parts:
            _data_checks._conditions(gan, self.c, len(parts[0]))
        shape = self._samples(self.side**2).shape[1:]
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise ValueError(f"G makes examples of shape {shape}: want pictures (height, width, 1 or 3)")
        if self.features:
            _checks.fits("held_out", self.held_out.shape[1:], shape)
            self.of_data = self._read(self.held_out) if self.of_data is None else self.of_data
            with tempfile.TemporaryDirectory() as trial:
                keras.saving.save_model(gan.generator, f"{trial}/best.keras")
        self.folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_begin(self, epoch, logs=None):
        if not self.features:
            return
        self.best = math.inf
        files = [self.folder / name for name in ("best.json", "best.keras") if (self.folder / name).is_file()]
        if len(files) == 2 and (known := json.loads(files[0].read_text()))["epoch"] <= epoch:
            self.best = known["kid"]
        else:  # of another run, or of epochs that are taken again
            for file in files:
                file.replace(file.with_name(f"older-{file.name}"))

    def on_epoch_end(self, epoch, logs=None):
        from PIL import Image

        steps = (self.params["steps"] or 0) * self.model.distribute_strategy.num_replicas_in_sync
        if self.model.stop_training and 0 < self.model.g_tracker.count.numpy() < steps:
            return  # cut short
        grid = plots.tile(self._samples(self.side**2), self.side)
        picture = Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid)
        self._write(f"epoch-{epoch + 1:06}.png", picture.save)
        if self.features and (epoch == 0 or (epoch + 1) % self.every == 0):
            kid = metrics.kernel_distance(self.of_data, self._read(self._samples(len(self.of_data))))
            logs["kid"] = kid
            if kid < self.best:
                found = json.dumps({"epoch": epoch + 1, "kid": kid})
                # Killed between the two, a run comes to this epoch again.
                self._write("best.keras", lambda path: keras.saving.save_model(self.model.generator, path))
                self._write("best.json", lambda path: path.write_text(found))

    def _samples(self, n):
        """What G makes of noise that is always the same, and of the first conditions."""
        gan, made = self.model, []
        with _data_checks.as_it_was(gan):
            for i, state in enumerate(gan._seed_states()):  # the noise's own, then those of layers
                state.assign([(self.seed + i) % 2**32, 0])
            z = gan.sample_z(n)
            for at in (slice(i, min(i + FEW, n)) for i in range(0, n, FEW)):
                some = tf.nest.map_structure(lambda a, at=at: a if a is None else a[at], (z, self.c))
                made.append(_checks.floats("what G makes", gan.G(*some, training=False)))
        return np.concatenate(made).clip(-1, 1)

    def _read(self, pictures):
        """Their features."""
        some = (pictures[i : i + FEW] for i in range(0, len(pictures), FEW))
        given = (self.features(_checks.pictures("held_out", x, (None, None, None))) for x in some)
        found = np.concatenate([_checks.floats("features(pictures)", f, (None,)) for f in given])
        if len(found) != len(pictures):
            raise ValueError(f"features(pictures) has {len(found)} rows: want {len(pictures)}, one a picture")
        return found

    def _write(self, name, write):
        temporary = self.folder / f"writing-{name}"
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # before the name says that it is complete
        temporary.replace(self.folder / name)
