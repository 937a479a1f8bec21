"""Builders of the networks that several chapters share."""

import keras
from keras import layers

from ganbook import _checks


def mlp(n_in, hidden, n_out, activation="relu", out_activation=None, initializer="glorot_uniform"):
    """A multilayer perceptron, built: (batch, n_in) -> (batch, n_out).

    Args:
        hidden: the widths of the hidden layers, such as (128, 128).
        activation: of the hidden layers; out_activation: of the last one. The default, none, is right
            for a discriminator's logit and for a generator of unbounded data.
        initializer: of the kernels.

    Returns:
        keras.Sequential
    """
    n_in, n_out = _checks.positive_int("n_in", n_in), _checks.positive_int("n_out", n_out)
    widths = [_checks.positive_int(f"hidden[{i}]", width) for i, width in enumerate(hidden)]
    hidden_layers = [layers.Dense(w, activation, kernel_initializer=initializer) for w in widths]
    last = layers.Dense(n_out, out_activation, kernel_initializer=initializer)
    return keras.Sequential([keras.Input((n_in,)), *hidden_layers, last])
