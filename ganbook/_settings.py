"""What a traced step has taken as constants: whether it has to be traced anew."""

import keras
import numpy as np

# What Keras changes by itself.
_KERAS = {
    *("built", "compiled", "history", "name", "steps_per_execution"),
    *("stop_training", "stop_evaluating", "stop_predicting"),
    *("train_function", "test_function", "predict_function"),
}
_DEPTH = 3  # a GAN's loss has a penalty that has a weight


class Settings:
    """The plain values of a GAN, of its loss, optimizers and layers, as they are now.

    Two are equal where every value is; what is no plain value, such as a function, has to be the same object.
    Names that begin with an underscore are left out, and what changes within an array of over 64 KB.
    """

    def __init__(self, gan):
        layers = gan._flatten_layers()
        self.values = [
            (gan.run_eagerly, gan.jit_compile, type(gan)),
            [(name, _value(getattr(gan, name), 0)) for name in _properties(type(gan))],
            *(layer.trainable for layer in layers),
            *(_of(owner, _DEPTH) for owner in layers),
            *(_of(optimizer, 1) for optimizer in gan.optimizer.both),
            *(_of(optimizer, 1) for optimizer in gan.optimizer.optimizers),
        ]

    def __eq__(self, other):
        return isinstance(other, Settings) and self.values == other.values


def _properties(kind):
    """Those that can be set, whose values lie under names with an underscore: `d_steps`, `gamma`."""
    own = [cls for cls in kind.__mro__ if cls.__module__.split(".")[0] not in ("keras", "tensorflow")]
    found = {name for cls in own for name, it in vars(cls).items() if isinstance(it, property) and it.fset}
    return sorted(found - _KERAS)


def _of(owner, depth):
    return [
        (name, _value(value, depth - 1))
        for name, value in vars(owner).items()
        if not name.startswith("_") and name not in _KERAS
    ]


def _value(value, depth):
    if isinstance(value, bool | int | float | complex | str | bytes | None):
        return value
    if isinstance(value, np.ndarray) and value.nbytes <= 2**16:
        return str(value.dtype), value.shape, value.tobytes()
    if depth and isinstance(value, list | tuple):
        return [_value(one, depth) for one in value]
    if depth and isinstance(value, dict):
        return [(key, _value(one, depth)) for key, one in value.items()]
    # An object such as a loss has settings of its own. Layers and optimizers are looked at by themselves.
    looked_at = isinstance(value, keras.Layer | keras.Variable | keras.optimizers.Optimizer | type)
    foreign = type(value).__module__.split(".")[0] in ("tensorflow", "builtins", "numpy")
    if depth and hasattr(value, "__dict__") and not looked_at and not foreign:
        return [Same(value), _of(value, depth)]
    return Same(value)


class Same:
    """Equal to itself alone. It holds on to the object, whose place in memory another could take."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Same) and self.value is other.value
