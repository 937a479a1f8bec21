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
    found = {"class": type(getattr(optimizer, "inner_optimizer", optimizer)).__name__}
    try:
        found |= keras.saving.serialize_keras_object(optimizer)["config"]
    except (NotImplementedError, TypeError, ValueError):
        return found  # a schedule of one's own that tells nothing of itself: nothing to compare
    found |= found.pop("inner_optimizer", {"config": {}})["config"]  # of the one that scales the loss
    found.pop("name")  # which counts the optimizers of a process
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


def keep(gan, before, now):
    """Have what the optimizers were given in the place of what a file of other settings brought."""
    for player, given in now.items():
        optimizer, old = getattr(gan, player), before[player]
        rate, old_rate = given.get("learning_rate"), old.get("learning_rate")
        if isinstance(rate, float) and isinstance(old_rate, float) and rate != old_rate:
            if rate == float(optimizer.learning_rate):
                given["learning_rate"] = old_rate  # not given: the last `fit` of this process came to it
            optimizer.learning_rate = rate
        if given.get("initial_scale") != old.get("initial_scale"):
            optimizer.dynamic_scale.assign(given["initial_scale"])


class Swaps:
    """The callbacks that put averages in the place of the weights from the end of an epoch to the next.

    After the last epoch Keras puts them there itself, as it does for each optimizer with averages.
    """

    def __init__(self, callbacks):
        swaps = [c for c in callbacks if isinstance(c, keras.callbacks.SwapEMAWeights)]
        self.callbacks = [c for c in swaps if c.swap_on_epoch]

    def begin(self, params):
        """Before variables are loaded: as new, and none swaps for good before the weights are saved."""
        self.put_back(0)
        for callback in self.callbacks:
            callback.set_params(params | {"epochs": math.inf})

    def put_back(self, epoch):
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch)


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
