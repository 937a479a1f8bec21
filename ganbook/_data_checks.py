"""Data against the two networks, before the first step: shapes, ranges, conditions."""

import contextlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from ganbook import _checks, _networks


def data(gan, x, c, batch_size, d_steps):
    """Data and conditions against the networks. Returns what Keras gets: lists have become arrays."""
    if isinstance(x, tf.data.Dataset):
        if batch_size is not None:
            raise ValueError(f"batch_size={batch_size!r} was given beside a dataset, which has its own")
        if c is not None:
            raise ValueError("y was given beside a dataset: want the conditions in it, as pairs (x, c)")
        given = x, None
        (x, c), smallest = _examples(x)
        c = c if c is None else tf.nest.map_structure(np.asarray, c)
    elif x is None or hasattr(x, "__next__") or isinstance(x, keras.utils.PyDataset | str | dict | set):
        raise ValueError(f"x={x!r}: want an array or a tf.data.Dataset, such as ganbook.batches(...)")
    else:
        x = _checks.array("x", x) if isinstance(x, list | tuple) else x
        c = _arrays(c)
        given = x, c
        x = _checks.array("x", x)
        size = 32 if batch_size is None else _checks.positive_int("batch_size", batch_size)
        smallest = len(x) % size or size if x.ndim else 0
    x = _checks.floats("x", x)
    if smallest < d_steps:
        raise ValueError(
            f"a batch has {smallest} examples: want at least one for each of the d_steps={d_steps} "
            "steps of D; ganbook.batches(x, batch_size=...) makes whole batches only"
        )
    _in_range(gan, x)
    _conditions(gan, c, len(x))
    _dry_run(gan, x, c)
    return given


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
        if isinstance(x, list | tuple | dict):
            raise ValueError("the dataset yields several x at once: want x or (x, c), c of any structure")
        return (x.numpy(), c), len(x)
    raise ValueError("x is an empty dataset: want at least one batch")


def logits(gan, discriminator, example=None):
    """The costs take logits: with a second sigmoid D could never be sure."""
    if gan._overrides("D") or (gan._overrides("d_loss") and gan._overrides("g_loss")):
        return
    last = _networks.end(discriminator, example)
    if last and last[0] in ("sigmoid", "hard_sigmoid", "softmax"):
        raise ValueError(
            f"the discriminator ends in a {last[0]}: want logits, the last layer without activation"
        )


def _in_range(gan, x):
    """Data that the generator's last activation can reach."""
    if gan._overrides("G"):
        return
    name, low, high = _networks.end(gan.generator) or ("", -np.inf, np.inf)
    if x.min() < low or x.max() > high:
        raise ValueError(
            f"x has values from {x.min():.6g} to {x.max():.6g}: want {low:g} to {high:g}, all that the "
            f"generator's last layer ({name}) can make"
        )
    if x.ndim == 4 and low < 0 <= x.min() and high < np.inf:
        warnings.warn(
            f"x has values from {x.min():.6g} to {x.max():.6g}, and the generator's last layer ({name}) "
            f"makes {low:g} to {high:g}: want pictures in all of it, such as 2 * x - 1 for those in [0, 1]",
            stacklevel=5,
        )


def _arrays(c):
    """Conditions as a structure of arrays; a plain list of labels is one."""
    flat = tf.nest.flatten(c)
    if isinstance(c, list) and flat and not any(np.ndim(part) for part in flat):
        return _checks.array("c", c)
    return None if c is None else tf.nest.map_structure(lambda part: _checks.array("c", part), c)


def _conditions(gan, c, n):
    """Each condition by itself; and that a network takes them."""
    parts = [] if c is None else tf.nest.flatten(c)
    for name in ("generator", "discriminator"):
        own = gan._overrides(*{"generator": ("G",), "discriminator": ("D", "d_loss")}[name])
        known = _networks.n_inputs(getattr(gan, name))
        if not own and known is not None and known != 1 + len(parts):
            have = f"{len(parts)} conditions" if parts else "no condition"
            cure = (
                "data without, such as dataset.map(lambda x, c: x)"
                if known == 1
                else f"{known - 1} in pairs (x, c)"
            )
            raise ValueError(f"the data have {have} c, and the {name} takes {known} inputs: want {cure}")
    sizes = [] if gan._overrides("G") else [*_networks.vocabularies(gan.generator)]
    sizes += [] if gan._overrides("D") else [*_networks.vocabularies(gan.discriminator)]
    for part in parts:
        if part.ndim == 0 or len(part) != n:
            raise ValueError(
                f"c has {len(part) if part.ndim else 'no'} conditions: want {n}, one an example of x"
            )
        if part.dtype.kind in "iu":
            _checks.labels("c", np.ravel(part), min(sizes, default=None) if len(parts) == 1 else None)
        else:
            _checks.floats("c", part)


def _dry_run(gan, x, c):
    """G and D on two examples, leaving every random state as it was."""
    x, c = x[:2], None if c is None else tf.nest.map_structure(lambda part: part[:2], c)
    with as_it_was(gan):
        fake = gan.G(gan.sample_z(len(x)), c, training=False)
        if not gan._overrides("d_loss"):
            _checks.fits("x", x.shape[1:], fake.shape[1:])
        if not gan._overrides("d_loss") or not gan.discriminator.built:
            gan.D(x, c, training=False)
    if _networks.n_inputs(gan.discriminator) is None and c is None:
        logits(gan, gan.discriminator, x)


def build(gan):
    """Both networks, by G on noise and D on what it makes."""
    parts = {name: _networks.n_inputs(getattr(gan, name)) for name in ("generator", "discriminator")}
    try:
        with as_it_was(gan):
            gan.D(gan.G(gan.sample_z(2), training=False), training=False)
    except Exception as error:
        unbuilt = [name for name in parts if not getattr(gan, name).built]
        raise ValueError(
            f"the {' and the '.join(unbuilt)} of {type(gan).__name__} cannot be built without data "
            f"({error}): want networks that are built, or one call of fit"
        ) from error


@contextlib.contextmanager
def as_it_was(gan):
    """Every random state, after what is done within: eagerly, even where a step is being traced."""
    with tf.init_scope(), gan.distribute_strategy.scope(), same_random_states(gan):
        yield


@contextlib.contextmanager
def same_random_states(gan):
    before = [(state, state.numpy()) for state in gan._seed_states()]
    try:
        yield
    finally:
        for state, value in before:
            state.assign(value)


def signature(gan):
    """What `export` takes: noise, then each condition of a generator with named inputs."""
    z = keras.InputSpec(dtype="float32", shape=(None, gan.latent_dim))
    inputs = tf.nest.flatten(getattr(gan.generator, "inputs", None) or [])
    if gan._overrides("G") or len(inputs) < 2:
        return [z]
    c = [keras.InputSpec(dtype=i.dtype, shape=i.shape) for i in inputs[1:]]
    return [z, c[0] if len(c) == 1 else c]
