"""Training that survives being killed."""

import copy
import hashlib
import json
import os
import pathlib
import warnings

import keras
import tensorflow as tf

ENDING = ".weights.h5"


class Checkpoint(keras.callbacks.Callback):
    """Save a GAN after every epoch; `fit` goes on from the newest file in the folder.

    Start a program that was killed again, and it ends with the weights, the optimizers, the random states
    and the history of one that was not, to the last bit::

        gan.fit(batches(x), epochs=100, callbacks=[Checkpoint("run")])

    What Keras' BackupAndRestore lacks for that: it writes over the file that it may need, keeps the epoch in
    a second file that may not fit the first, notices no altered byte, and restores neither the history nor
    the order of the data. Other callbacks begin anew here too.

    The data are one pass through the repeated dataset, whose order must depend on seeds alone, as that of
    `batches` does. A resumed run draws what it has had and throws it away.

    A file is epoch-EPOCHS-SHA256.weights.h5; `GAN.load_weights` reads it too. It has its name only when it
    is complete, and the two newest are kept.

    Args:
        folder: a path, made where there is nothing. One for each run.

    Raises:
        ValueError: in `fit`, where every file in the folder is damaged, or one is of other networks or
            optimizers. Where only the newest is damaged a warning says so, and the one before it is used.
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder):
        super().__init__()
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
            raise ValueError(f"folder={folder!r}: want the path of a folder, one for each run")
        self.folder = pathlib.Path(folder)

    def resume(self, gan, dataset, steps_per_epoch=None):
        """What is left to do: (the dataset of an epoch, the number of epochs done). `GAN.fit` calls it."""
        steps = _steps(dataset, steps_per_epoch)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.done, self.past = self._load_newest(gan)
        stream = iter(dataset.repeat().skip(self.done * steps))
        # Keras asks for an iterator once or twice an epoch: they all go on with the one stream.
        epoch = tf.data.Dataset.range(steps).map(lambda _: stream.get_next())
        return epoch.with_options(dataset.options()), self.done

    def on_train_begin(self, logs=None):
        self.model.history.history = copy.deepcopy(self.past)

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            self.past.setdefault(name, []).append(value)
        self._save({"epochs": epoch + 1, "history": self.past})

    def on_train_end(self, logs=None):
        self.model.history.epoch[:0] = range(self.done)

    def _load_newest(self, gan):
        """The epochs and the history of the newest good file, 0 and {} where there is no file."""
        import h5py

        files = self._files()
        newest = next(
            (path for path in files if _sha256(path) == path.name.split("-")[2].split(".")[0]), None
        )
        if newest is None:
            if files:
                raise ValueError(
                    f"folder={str(self.folder)!r}: every checkpoint in it is damaged, want another"
                )
            return 0, {}
        for path in files[: files.index(newest)]:
            path.replace(path.with_name(f"damaged-{path.name}"))
            message = f"{path} is damaged, its SHA-256 not that of its name: going on from {newest.name}"
            warnings.warn(message, stacklevel=4)
        variables = [*gan.variables, *gan.d_optimizer.variables, *gan.g_optimizer.variables]
        before = [variable.numpy() for variable in variables]
        try:
            with warnings.catch_warnings():
                # Keras warns of an optimizer that does not fit, and leaves it as it was.
                warnings.filterwarnings("error", "Skipping variable loading")
                gan.load_weights(newest)
        except (KeyError, ValueError, UserWarning) as error:
            for variable, value in zip(variables, before, strict=True):  # Keras had loaded some of them
                variable.assign(value)
            raise ValueError(
                f"folder={str(self.folder)!r}: {newest.name} is of other networks or optimizers, "
                f"want a folder for each run; {error}"
            ) from error
        with h5py.File(newest) as file:
            training = json.loads(file["training"][()])
        return training["epochs"], training["history"]

    def _save(self, training):
        import h5py

        temporary = self.folder / f"writing{ENDING}"
        self.model.save_weights(temporary)
        with h5py.File(temporary, "a") as file:
            file["training"] = json.dumps(training)
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


def _steps(dataset, steps_per_epoch):
    """The steps of an epoch. What is shuffled by Keras, such as an array, could not be drawn again."""
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"x={type(dataset).__name__}: want a tf.data.Dataset beside a Checkpoint, "
            "such as ganbook.batches(x)"
        )
    steps = steps_per_epoch or int(dataset.cardinality())
    if steps < 1:
        raise ValueError(
            f"steps_per_epoch={steps_per_epoch}: want it for a dataset of unknown or endless length"
        )
    return steps
