"""What `GAN` checks of its arguments before any training, each with a ValueError that says what to do."""

import contextlib
import re

import keras
import numpy as np
import tensorflow as tf

from ganbook import _checks

_RANGES = {keras.activations.tanh: (-1.0, 1.0), keras.activations.sigmoid: (0.0, 1.0)}


def networks(generator, discriminator, latent_dim):
    """The shapes of two networks, as far as they are built."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, keras.Layer):
            raise ValueError(f"{name}={network!r}: want a keras.Model")
    if generator is discriminator:
        raise ValueError("generator and discriminator are one object: want two networks")
    z, sample = _first_shape(generator, "input_shape"), _first_shape(generator, "output_shape")
    x = _first_shape(discriminator, "input_shape")
    if z is not None and z[1:] != (latent_dim,):
        raise ValueError(f"latent_dim={latent_dim}: want that of the generator, whose input is {z}")
    if sample is not None and x is not None:
        _checks.fits("the generator's output", sample[1:], x[1:])
    last = _last_activation(discriminator)
    if last in (keras.activations.sigmoid, keras.activations.softmax):
        raise ValueError(
            f"the discriminator ends in a {last.__name__}: want logits, the last layer without activation"
        )


def compile_arguments(d_optimizer, g_optimizer, loss, steps_per_execution):
    for name, optimizer in (("d_optimizer", d_optimizer), ("g_optimizer", g_optimizer)):
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError(f"{name}={optimizer!r}: want a keras.optimizers.Optimizer")
    if d_optimizer is g_optimizer:
        raise ValueError("d_optimizer and g_optimizer are one object: want one for each player")
    has_both = callable(getattr(loss, "d_loss", None)) and callable(getattr(loss, "g_loss", None))
    if isinstance(loss, type) or not has_both:
        raise ValueError(
            f"loss={loss!r}: want an object with d_loss(real, fake) and g_loss(fake), "
            "such as ganbook.NonSaturating()"
        )
    if steps_per_execution is not None:
        _checks.positive_int("steps_per_execution", steps_per_execution)


def fit_arguments(gan, x, c, batch_size, others):
    """All that `fit` is given. Builds the networks with a call on two examples if they are not built."""
    if not gan.compiled:
        raise ValueError("compile was not called: call gan.compile(d_optimizer, g_optimizer) before fit")
    for name in ("validation_data", "validation_split", "sample_weight", "class_weight"):
        if name in others:
            raise ValueError(
                f"{name} was given: a GAN has no use for it; measure samples with ganbook.metrics"
            )
    for name in ("epochs", "steps_per_epoch"):
        if others.get(name) is not None:
            _checks.positive_int(name, others[name])
    for i, callback in enumerate(tf.nest.flatten(others.get("callbacks"))):
        if not isinstance(callback, keras.callbacks.Callback | keras.callbacks.CallbackList | None):
            raise ValueError(f"callbacks[{i}]={callback!r}: want a keras.callbacks.Callback")
    if isinstance(x, tf.data.Dataset):
        if batch_size is not None:
            raise ValueError(f"batch_size={batch_size!r} was given beside a dataset, which has its own")
        if c is not None:
            raise ValueError("y was given beside a dataset: want the conditions in it, as pairs (x, c)")
        (x, c), smallest = _examples(x)
    elif x is None or hasattr(x, "__next__") or isinstance(x, keras.utils.PyDataset):
        raise ValueError(f"x={x!r}: want an array or a tf.data.Dataset, such as ganbook.batches(...)")
    else:
        x = _checks.array("x", x)
        size = 32 if batch_size is None else _checks.positive_int("batch_size", batch_size)
        smallest = len(x) % size or size if x.ndim else 0
    x = _checks.floats("x", x)
    if smallest < gan.d_steps:
        raise ValueError(
            f"a batch has {smallest} examples: want at least one for each of the d_steps={gan.d_steps} "
            "steps of D; ganbook.batches(x, batch_size=...) makes whole batches only"
        )
    _in_range(gan.generator, x)
    if c is not None:
        _condition(gan, np.asarray(c), len(x))
    _dry_run(gan, x, c)


def enough_for_d_steps(x, d_steps):
    """The same inside a train step, for batches that `fit` did not see. An empty one would make NaN."""
    if x.shape[0] is None:
        tf.debugging.assert_greater_equal(tf.shape(x)[0], d_steps, "a batch is smaller than d_steps")
    elif x.shape[0] < d_steps:
        raise ValueError(f"a batch has {x.shape[0]} examples: want at least d_steps={d_steps}")


def finite(player, loss, gradients):
    """Ops that fail where the loss of a player, "generator" or "discriminator", or a gradient is not finite.

    The loss alone will not do: a ReLU can make 0 of NaN, and D's loss on the samples of a dead G a number.
    A gradient above 1e19 counts as infinite: its square, which Adam averages, is.
    """
    first = tf.debugging.check_numerics(loss, f"the {player}'s loss")
    # One check of a sum of squares: to check every gradient slows small networks twice as much.
    squares = [tf.nn.l2_loss(getattr(g, "values", g)) for g in gradients if g is not None]
    if not squares:
        return [first]
    with tf.control_dependencies([first]):  # where both are NaN, the loss is the cause
        total = tf.add_n([tf.cast(square, tf.float32) for square in squares])
        return [tf.debugging.check_numerics(total, f"the {player}'s gradient")]


@contextlib.contextmanager
def says_which_step(gan):
    """FloatingPointError with player and step in place of TensorFlow's error from `finite`."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(
            r"the (\w+)'s (loss|gradient) : Tensor had (\S+(?: and \S+)?) values", error.message
        )
        if not found:
            raise
        player, what, value = found.groups()
        optimizer = {"discriminator": gan.d_optimizer, "generator": gan.g_optimizer}[player]
        step = int(optimizer.iterations) + 1
        raise FloatingPointError(
            f"the {player}'s {what} became {value} in its step {step}, which was not taken: "
            "want smaller learning rates, or a loss and layers with bounded gradients"
        ) from None


def _examples(dataset):
    """x and c to check, and the size of a batch: all the data of `batches`, else the first batch."""
    if hasattr(dataset, "ganbook_arrays"):
        return dataset.ganbook_arrays, tf.nest.flatten(dataset.element_spec)[0].shape[0]
    for data in dataset.take(1):
        if isinstance(data, dict):
            raise ValueError(f"the dataset yields a dict of {', '.join(map(repr, data))}: want x or (x, c)")
        x, c, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError("the dataset yields (x, c, weight): want x or (x, c)")
        return (x.numpy(), c), len(x)
    raise ValueError("x is an empty dataset: want at least one batch")


def _in_range(generator, x):
    """Data that the generator's last activation can reach."""
    activation = _last_activation(generator)
    low, high = _RANGES.get(activation, (-np.inf, np.inf))
    if x.min() < low or x.max() > high:
        raise ValueError(
            f"x has values from {x.min():.6g} to {x.max():.6g}: want {low:g} to {high:g}, all that the "
            f"generator's last layer ({activation.__name__}) can make"
        )


def _condition(gan, c, n):
    if len(c) != n:
        raise ValueError(f"c has {len(c)} conditions: want {n}, one an example of x")
    if c.dtype.kind in "iu":
        sizes = [s for net in (gan.generator, gan.discriminator) for s in _vocabularies(net)]
        _checks.labels("c", np.ravel(c), min(sizes, default=None))
    else:
        _checks.floats("c", c)


def _vocabularies(layer):
    """How many labels each Embedding or CategoryEncoding below a layer knows."""
    if isinstance(layer, keras.layers.Embedding):
        yield layer.input_dim
    elif isinstance(layer, keras.layers.CategoryEncoding):
        yield layer.num_tokens
    for below in getattr(layer, "layers", []):
        yield from _vocabularies(below)


def _dry_run(gan, x, c):
    """G and D on two examples, leaving every random state as it was."""
    seeds = [(state, state.numpy()) for state in gan._seed_states()]
    x, c = x[:2], None if c is None else c[:2]
    try:
        with gan.distribute_strategy.scope():
            fake = gan.G(gan.sample_z(len(x)), c, training=False)
            _checks.fits("x", x.shape[1:], fake.shape[1:])
            gan.D(x, c, training=False)
    finally:
        for state, value in seeds:
            state.assign(value)
    gan.built = True


def _last_activation(network):
    layers = getattr(network, "layers", None)
    return getattr(layers[-1], "activation", None) if layers else None


def _first_shape(network, attribute):
    """The shape of a network's first input or output, or None where it has none yet."""
    try:
        shape = getattr(network, attribute)
    except AttributeError:  # not built, or a subclass without a fixed graph
        return None
    return shape[0] if isinstance(shape, list) else shape
