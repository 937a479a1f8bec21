"""Training that survives being killed."""

import copy
import hashlib
import json
import os
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

from ganbook import _checks, _resume

ENDING = ".weights.h5"


class Checkpoint(keras.callbacks.Callback):
    """Save a GAN after every epoch; `fit` goes on from the newest file in the folder.

    Start a program that was killed again, and it ends with the weights, the optimizers, the random states
    and the history of one that was not, to the last bit::

        gan.fit(batches(x), epochs=100, callbacks=[Checkpoint("run")])

    What Keras' BackupAndRestore lacks for that: it writes over the file that it may need, keeps the epoch in
    a second file that may not fit the first, notices no altered byte, and restores neither the history nor
    the order of the data.

    Its place among the callbacks does not matter. EarlyStopping, ReduceLROnPlateau and ModelCheckpoint go on
    counting; other callbacks, and EarlyStopping that keeps weights, begin anew. So do random states that are
    not the GAN's: those of NumPy, of TensorFlow, of `keras.random` without `seed=gan.noise_seed`.

    The data are one pass through the repeated dataset, whose order must depend on seeds alone, as that of
    `batches` does. A resumed run draws what it has had and throws it away.

    What `compile` is given counts: where it differs from the run so far, say by a smaller learning rate, a
    warning names both. Where it does not, the rate is the one that the run had come to.

    A file is epoch-EPOCHS-SHA256.weights.h5; `GAN.load_weights` reads it too. It has its name only when it
    is complete, and the two newest are kept. An epoch that a callback cuts short is not saved.

    Args:
        folder: a path, made where there is nothing. One for each run.

    Raises:
        ValueError: in `fit`, where every file in the folder is damaged, or one is of other networks or
            optimizers. Where only the newest is damaged a warning says so, and the one before it is used.
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = _checks.new_folder("folder", folder)

    def resume(self, gan, dataset, steps_per_epoch=None, callbacks=()):
        """What is left to do: (the dataset of an epoch, the epoch to begin with).

        `GAN.fit` calls it with the flat list of its callbacks, and hands them to Keras with this one last.
        """
        self.steps = _resume.steps(dataset, steps_per_epoch)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.callbacks, self.swaps = callbacks, _resume.Swaps(callbacks)
        self.training, self.state = self._load_newest(gan)
        self.done = self.training["epochs"]
        over = self.training["stopped"] and _resume.have_stopped(callbacks, self.training["callbacks"])
        stream = iter(dataset.repeat().skip(self.done * self.steps))
        # Keras asks for an iterator once or twice an epoch: they all go on with the one stream.
        epoch = tf.data.Dataset.range(self.steps).map(lambda _: stream.get_next())
        return epoch.with_options(dataset.options()), sys.maxsize if over else self.done

    def on_train_begin(self, logs=None):
        if not hasattr(self, "training"):
            raise ValueError(f"a Checkpoint was given to {self.model.name}.fit: want it in that of a GAN")
        self.model.history.history = copy.deepcopy(self.training["history"])
        if self.swaps.callbacks:
            self.swaps.begin(self.params)
        for variable, value in self.state:  # again: since then other callbacks may have drawn noise
            variable.assign(value)
        self.state = []
        _resume.remind(self.callbacks, self.training["callbacks"])

    def on_epoch_end(self, epoch, logs=None):
        self.swaps.put_back(epoch + 1)
        if not self._cut_short():
            for name, value in logs.items():
                self.training["history"].setdefault(name, []).append(value)
            memories = _resume.memories(self.callbacks)
            stopped = bool(self.model.stop_training)
            self._save(self.training | {"epochs": epoch + 1, "stopped": stopped, "callbacks": memories})

    def on_train_end(self, logs=None):
        self.model.history.epoch[:0] = range(self.done)

    def _cut_short(self):
        """Whether a callback has stopped training within the epoch: G has taken fewer steps."""
        steps = self.steps * self.model.distribute_strategy.num_replicas_in_sync
        return self.model.stop_training and self.model.g_tracker.count.numpy() < steps

    def _load_newest(self, gan):
        """Load the newest good file, if there is one: (what it knows of the training, the variables)."""
        import h5py

        settings = _resume.settings(gan)
        fresh = {"epochs": 0, "history": {}, "callbacks": [], "stopped": False, "settings": settings}
        files = self._files()
        newest = next(
            (path for path in files if _sha256(path) == path.name.split("-")[2].split(".")[0]), None
        )
        if newest is None:
            if files:
                raise ValueError(
                    f"folder={str(self.folder)!r}: every checkpoint in it is damaged, want another"
                )
            return fresh, []
        for path in files[: files.index(newest)]:
            path.replace(path.with_name(f"damaged-{path.name}"))
            message = f"{path} is damaged, its SHA-256 not that of its name: going on from {newest.name}"
            warnings.warn(message, stacklevel=4)
        with h5py.File(newest) as file:
            training = fresh | json.loads(file["training"][()])
        changes = _resume.changes(training["settings"], settings)
        variables = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
        before = [variable.numpy() for variable in variables]
        try:
            if any(training["settings"][player]["class"] != settings[player]["class"] for player in settings):
                raise ValueError("moments of one class of optimizer mean nothing to another")
            with warnings.catch_warnings():
                # Keras warns of an optimizer that does not fit, and leaves it as it was.
                warnings.filterwarnings("error", "Skipping variable loading")
                gan.load_weights(newest)
        except (KeyError, ValueError, UserWarning) as error:
            for variable, value in zip(variables, before, strict=True):  # Keras had loaded some of them
                variable.assign(value)
            raise ValueError(
                f"folder={str(self.folder)!r}: {newest.name} is of other networks or optimizers, "
                f"want a folder for each run; {changes or error}"
            ) from error
        _resume.keep(gan, training["settings"], settings)
        if changes := _resume.changes(training["settings"], settings):
            warnings.warn(f"going on from {newest} with other settings: {changes}", stacklevel=4)
        state = [(variable, variable.numpy()) for variable in variables]
        return training | {"settings": settings}, state

    def _save(self, training):
        import h5py

        text = json.dumps(training, default=_plain)  # first: what it cannot keep leaves no half of a file
        temporary = self.folder / f"writing{ENDING}"
        self.model.save_weights(temporary)
        with h5py.File(temporary, "a") as file:
            file["training"] = text
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # before the name says that it is complete
        temporary.replace(self.folder / f"epoch-{training['epochs']:06}-{_sha256(temporary)}{ENDING}")
        for old in self._files()[2:]:
            old.unlink()

    def _files(self):
        """The complete ones, the newest first."""
        return sorted(self.folder.glob(f"epoch-*-*{ENDING}"), reverse=True)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value):
    """A number that a callback has put into the logs, as JSON keeps it."""
    if not hasattr(value, "__array__"):
        raise ValueError(f"a callback has put {value!r} into the logs: want numbers, which can be saved")
    return np.asarray(value).tolist()
