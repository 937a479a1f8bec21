"""What a run that goes on takes up besides variables: its data, settings, and other callbacks' memory."""

import json
import math

import keras
import tensorflow as tf

# What Keras' callbacks that watch a number remember of it, under names that they share.
_REMEMBERED = ("best", "best_epoch", "wait", "cooldown_counter")


def steps(dataset, steps_per_epoch):
    """The steps of an epoch. What is shuffled by Keras, such as an array, could not be drawn again."""
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"x={type(dataset).__name__}: want a tf.data.Dataset beside a Checkpoint, "
            "such as ganbook.batches(x)"
        )
    n = steps_per_epoch or int(dataset.cardinality())
    if n < 1:
        raise ValueError(
            f"steps_per_epoch={steps_per_epoch}: want it for a dataset of unknown or endless length"
        )
    return n


def settings(gan):
    """What each optimizer was given, as JSON keeps it."""
    return {player: _settings(getattr(gan, player)) for player in ("d_optimizer", "g_optimizer")}


def _settings(optimizer):
    optimizer = getattr(
        optimizer, "inner_optimizer", optimizer
    )  # the wrapper of float16 has none that matter
    found = {"class": type(optimizer).__name__}
    try:
        found |= keras.saving.serialize_keras_object(optimizer)["config"]
    except (NotImplementedError, TypeError, ValueError):
        return found  # a schedule of one's own that tells nothing of itself: nothing to compare
    found.pop("name", None)  # which counts the optimizers of a process
    return json.loads(json.dumps(found, default=repr))


def changes(before, now):
    """In words: which settings of the optimizers are others than before."""
    return "; ".join(
        f"{player}'s {name} was {_short(before[player][name])} and is {_short(value)}"
        for player in now
        for name, value in now[player].items()
        if name in before[player] and before[player][name] != value
    )


def _short(value):
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def keep_rates(gan, before, now):
    """The learning rates that the optimizers had before a file of other settings was loaded."""
    for player, given in now.items():
        rate, old = given.get("learning_rate"), before[player].get("learning_rate")
        if isinstance(rate, float) and isinstance(old, float) and rate != old:
            optimizer = getattr(gan, player)
            if rate == float(optimizer.learning_rate):
                given["learning_rate"] = old  # not given, but what the last `fit` of this process came to
            optimizer.learning_rate = rate


class Swaps:
    """The callbacks that put averages in the place of the weights from the end of an epoch to the next."""

    def __init__(self, callbacks):
        self.callbacks = [c for c in callbacks if isinstance(c, keras.callbacks.SwapEMAWeights)]

    def begin(self, params):
        """Before variables are loaded: as new, and none swaps for good before the weights are saved."""
        self.put_back(0)
        for callback in self.callbacks:
            callback.set_params(params | {"epochs": math.inf})

    def put_back(self, epoch):
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch)

    def end(self, params):
        for callback in self.callbacks:
            callback.set_params(params)
            callback.on_epoch_end(params["epochs"] - 1)


def memories(callbacks):
    """What they know of earlier epochs, in their order: [{"of": what, "is": {name: value}}]."""
    return [
        {"of": _of(c), "is": {k: v for k, v in vars(c).items() if k in _REMEMBERED and v is not None}}
        for c in _watching(callbacks)
    ]


def remind(callbacks, known):
    """Give it back."""
    for callback, memory in _pairs(callbacks, known):
        vars(callback).update(memory)


def have_stopped(callbacks, known):
    """Whether one of them would wait no longer, which stopped the training."""
    stopping = keras.callbacks.EarlyStopping
    return any(isinstance(c, stopping) and m["wait"] >= c.patience for c, m in _pairs(callbacks, known))


def _pairs(callbacks, known):
    """Each with what one of the same class knew that watched the same number."""
    known = list(known)
    for callback in _watching(callbacks):
        if found := next((k for k in known if k["of"] == _of(callback)), None):
            known.remove(found)
            yield callback, found["is"]


def _of(callback):
    return [type(callback).__name__, callback.monitor]


def _watching(callbacks):
    kinds = (
        keras.callbacks.EarlyStopping,
        keras.callbacks.ModelCheckpoint,
        keras.callbacks.ReduceLROnPlateau,
    )
    # Weights that one keeps are not in the file, and without them the rest says nothing.
    return [c for c in callbacks if isinstance(c, kinds) and not getattr(c, "restore_best_weights", False)]
