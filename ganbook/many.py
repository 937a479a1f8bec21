"""Many games at once: small networks side by side in one model, and Adam with a learning rate for each game.

A batch carries all games, (batch, games, features), each with its own data, noise and weights. The losses are
means over batch and games. So no game sees another, and each goes as it would alone, but for its gradients:
they are divided by the number of games. `ManyAdam` allows for that; SGD wants a rate games times as large.
"""

import keras
import numpy as np
from keras import ops

from ganbook import _checks


@keras.saving.register_keras_serializable("ganbook")
class ManyDense(keras.layers.Layer):
    """A dense layer for each game: (batch, games, inputs) -> (batch, games, units of the widest).

    Game g computes activation(x[:, g] @ kernel[g] + bias[g]). As in a `keras.layers.Dense` of its own size,
    the kernel is uniform at first, up to Glorot and Bengio's sqrt(6 / (inputs + units)), and the bias zero.

    Args:
        units: an int, or one for each game. Games of different width share an array as wide as the widest;
            what a game has too many is zero, and does not learn. A game of 0 units passes its inputs on.
        activation: as for `keras.layers.Dense`, a function of each unit by itself.
        n_in: an int for each game, where their inputs are not equally many: the others are zero.

    Example::

        net = keras.Sequential([keras.Input((2, 5)), ManyDense([8, 32], "relu"), ManyDense(1, n_in=[8, 32])])
    """

    def __init__(self, units, activation=None, n_in=None, **kwargs):
        super().__init__(**kwargs)
        self.units = _ints("units", units, 0)
        if not np.any(self.units):
            raise ValueError(f"units={units!r}: want at least 1 in some game")
        self.n_in = None if n_in is None else _ints("n_in", n_in, 1)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        if len(input_shape) != 3 or None in input_shape[1:]:
            raise ValueError(f"x has shape {tuple(input_shape)}: want (batch, games, inputs)")
        _, games, inputs = input_shape
        units = _by_game("units", self.units, games)
        n_in = _by_game("n_in", inputs if self.n_in is None else self.n_in, games)
        if n_in.max() > inputs:
            raise ValueError(f"n_in={self.n_in}: want at most {inputs}, the inputs of x")
        width = np.where(units, units, n_in)
        self.skips = (units == 0)[:, None, None]
        self.used = (np.arange(width.max()) < width[:, None])[:, None]

        def glorot(shape, dtype):
            n, m = n_in[:, None, None], units[:, None, None]
            own = (np.arange(inputs)[:, None] < n) & (np.arange(shape[-1]) < m)
            limit = own * np.sqrt(6 / (n + m))
            return ops.convert_to_tensor(limit, dtype) * keras.random.uniform(shape, -1, 1, dtype)

        self.kernel = self.add_weight((games, inputs, width.max()), glorot, name="kernel")
        self.bias = self.add_weight((games, width.max()), "zeros", name="bias")

    def call(self, x):
        # Games first, which a product of matrices wants. From one layer to the next TensorFlow drops the
        # two transpositions, if nothing stands between them; an einsum costs half as much again.
        x = ops.transpose(x, (1, 0, 2))
        y = self.activation(ops.matmul(x, self.kernel) + self.bias[:, None])
        if self.skips.any():
            n = self.used.shape[-1]
            x = ops.pad(x[..., :n], ((0, 0), (0, 0), (0, max(0, n - x.shape[-1]))))
            y = ops.where(self.skips, x, y)
        if not self.used.all():
            y = ops.where(self.used, y, ops.zeros_like(y))
        return ops.transpose(y, (1, 0, 2))

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "n_in": self.n_in,
        }


def many_mlp(n_in, hidden, n_out, games, activation="relu", out_activation=None):
    """Multilayer perceptrons side by side, built: (batch, games, n_in) -> (batch, games, n_out).

    Args:
        hidden: the widths of the hidden layers, each an int or one for each game. With [[8, 32], [0, 32]]
            the first of two games has one hidden layer of 8 units, and the second has two of 32.
        activation, out_activation: as for `mlp`.

    Returns:
        keras.Sequential
    """
    n_in, n_out = _checks.positive_int("n_in", n_in), _checks.positive_int("n_out", n_out)
    games = _checks.positive_int("games", games)
    hidden = _checks.sequence("hidden", hidden, "the widths of the hidden layers, such as (128, 128)")
    net, widths = keras.Sequential([keras.Input((games, n_in))]), np.full(games, n_in)
    for i, units in enumerate(hidden):
        units = _by_game(f"hidden[{i}]", _ints(f"hidden[{i}]", units, 0), games)
        net.add(ManyDense(units, activation, widths))
        widths = np.where(units, units, widths)
    net.add(ManyDense(n_out, out_activation, widths))
    return net


@keras.saving.register_keras_serializable("ganbook")
class ManyAdam(keras.optimizers.Adam):
    """Adam (arXiv:1412.6980) with a learning rate for each game, for losses that are means over games.

    Each game's weights move as under a `keras.optimizers.Adam` of their own. Weights have the games along
    their first axis, as those of `ManyDense`.

    Args:
        learning_rate: a number of at least 0, or one for each game. The attribute `learning_rate` is a factor
            of all of them, 1 at first, for Keras' callbacks and schedules.
        games: the number of games.
        beta_1, beta_2, epsilon: as for `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate, games, beta_1=0.9, beta_2=0.999, epsilon=1e-7, name=None):
        games = _checks.positive_int("games", games)
        rates = _by_game("learning_rate", _rates(learning_rate), games)
        super().__init__(1.0, beta_1, beta_2, epsilon / games, name=name)  # divided as the gradients are
        self.games, self.rates, self.epsilon_alone = games, rates, epsilon

    def build(self, var_list):
        for v in var_list:
            if v.shape[:1] != (self.games,):
                raise ValueError(f"{v.name} has shape {tuple(v.shape)}: want games={self.games} first")
        super().build(var_list)

    def update_step(self, gradient, variable, learning_rate):
        rates = self.rates.reshape(-1, *[1] * (len(variable.shape) - 1))
        rates = ops.cast(learning_rate, variable.dtype) * ops.convert_to_tensor(rates, variable.dtype)
        super().update_step(gradient, variable, rates)

    def get_config(self):
        return {
            "learning_rate": self.rates.tolist(),
            "games": self.games,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon_alone,
            "name": self.name,
        }


def _ints(name, value, least):
    """An int for all games, or a tuple with one for each."""
    if isinstance(value, int | np.integer):
        return _checks.int_from_to(name, value, least, 2**31 - 1)
    value = _checks.sequence(name, value, "an int, or one for each game")
    return tuple(_checks.int_from_to(f"{name}[{g}]", v, least, 2**31 - 1) for g, v in enumerate(value))


def _rates(value):
    for rate in _checks.array("learning_rate", value).ravel():
        if not _checks.is_real(rate) or not 0 <= rate < np.inf:
            raise ValueError(f"learning_rate={value!r}: want finite numbers of at least 0")
    return np.asarray(value, "float64")


def _by_game(name, value, games):
    if np.ndim(value) and np.shape(value) != (games,):
        raise ValueError(f"{name} has shape {np.shape(value)}: want one number, or one for each of {games}")
    return np.broadcast_to(value, games)
