"""What feeds training: whole batches in an order that depends on a seed alone."""

import os

import keras
import numpy as np
import tensorflow as tf

from ganbook import _checks, folder
from ganbook.claims import seed as book_seed


def batches(x, c=None, batch_size=64, seed=None):
    """A tf.data pipeline to train from: shuffled anew every epoch, in whole batches.

    The examples left over at the end of an epoch are dropped. Under `GAN.fit` a batch feeds one train
    step: with d_steps = k it is split into k minibatches.

    Args:
        x: data, (n, ...) finite floats: an array, the numbers of a DataFrame, or the `pictures` of a folder.
            Or a tf.data.Dataset of x or of (x, c), of examples or of batches, which are those whose first
            axis has no fixed length. It is read once, now, and kept, 2 GB at most; a larger one goes to
            `GAN.fit` as it is.
        c: conditions, (n, ...) such as labels, or a tuple or dict of them; with it the pipeline yields pairs
            (x, c).
        seed: an int, of the order of the batches. Default: the book's seed. Where TensorFlow has a global
            seed, as of `keras.utils.set_random_seed`, the order depends on that one too.

    Returns:
        tf.data.Dataset of float32 (batch_size, ...), or of pairs.
    """
    x, c = _examples(x, c)
    batch_size = _checks.positive_int("batch_size", batch_size)
    if batch_size > len(x):
        raise ValueError(f"batch_size={batch_size}: want at most the {len(x)} examples of x")
    c = c if c is None else _conditions(c, len(x))
    seed = book_seed() if seed is None else _checks.int_from_to("seed", seed, 0, 2**63 - 1)
    n, whole = len(x), len(x) // batch_size
    takers = tf.nest.map_structure(_taker, x if c is None else (x, c))

    def an_epoch(seeds):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seeds)
        rows = tf.reshape(order[: whole * batch_size], (whole, batch_size))
        return tf.data.Dataset.from_tensor_slices(rows)

    # Shuffled numbers of examples, and a few batches gathered at once: `shuffle` and `batch` handle every
    # example on its own, which takes as long as a step of small networks (book/speed.md).
    epoch = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(2).batch(2).flat_map(an_epoch)
    lazy = isinstance(x, folder.Pictures)  # of photographs a few batches would be many bytes
    groups = epoch.batch(1 if lazy else 8)
    dataset = groups.map(lambda rows: tf.nest.map_structure(lambda take: take(rows), takers)).unbatch()
    dataset = dataset.prefetch(2) if lazy else dataset
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(whole))
    options = tf.data.Options()
    # With autotune on, `fit` returns only at the next power of two times 10 ms.
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    # So that `GAN.fit` can check all of it. A look at the first batch would reshuffle the ones that follow.
    dataset.ganbook_arrays = _a_look(x, c) if lazy else (x, c)
    return dataset


def _taker(part):
    """The function that makes of numbers of examples the examples."""
    if isinstance(part, folder.Pictures):
        return lambda rows: tf.ensure_shape(
            tf.numpy_function(part.__getitem__, [rows], "float32"), rows.shape + part.shape[1:]
        )
    with tf.device("CPU"):
        constant = tf.constant(part)
    return lambda rows: tf.gather(constant, rows)


def _a_look(x, c):
    """Some pictures with their conditions, the extreme ones among them: to decode all takes too long."""
    parts = [part.reshape(len(x), -1) for part in ([] if c is None else tf.nest.flatten(c))]
    extreme = [i for part in parts for i in (part.min(1).argmin(), part.max(1).argmax())]
    rows = np.unique([*np.linspace(0, len(x) - 1, 64).astype(int), *extreme])
    return x[rows], c if c is None else tf.nest.map_structure(lambda part: part[rows], c)


def _examples(x, c):
    """x as an array or `Pictures`, and c as it is."""
    if isinstance(x, tf.data.Dataset):
        if c is not None:
            raise ValueError("c was given beside a dataset: want the conditions in it, as pairs (x, c)")
        x, c = _read(x)
    if isinstance(x, str | os.PathLike):
        raise ValueError(f"x={x!r}: want examples, such as ganbook.pictures({str(x)!r}, size=64) of a folder")
    return (x if isinstance(x, folder.Pictures) else _checks.floats("x", x)), c


def _read(dataset):
    """All examples of a dataset: x, and c where it yields pairs."""
    if hasattr(dataset, "ganbook_arrays"):
        raise ValueError("x comes from batches: want what that was given")
    spec = dataset.element_spec
    x, _, weight = ({}, None, None) if isinstance(spec, dict) else keras.utils.unpack_x_y_sample_weight(spec)
    parts = tf.nest.flatten(spec)
    if not isinstance(x, tf.TensorSpec) or weight is not None:
        raise ValueError(f"x is a dataset of {spec}: want one of x or of (x, c), x a tensor")
    for part in parts:
        if not isinstance(part, tf.TensorSpec) or part.shape.rank is None or None in part.shape[1:]:
            raise ValueError(
                f"x is a dataset of {part}: want examples of one known shape, such as by tf.image.resize"
            )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("x is an endless dataset: want one pass, without repeat()")
    batched = all(part.shape.rank and part.shape[0] is None for part in parts)
    read, size = [], 0
    for batch in (dataset if batched else dataset.batch(256)).as_numpy_iterator():
        read.append(tf.nest.flatten(batch))
        size += sum(part.nbytes for part in read[-1])
        if size > folder.KEPT:
            raise ValueError(
                f"x yields more than {folder.KEPT} bytes: want it batched, and given to fit as it is"
            )
    if not read:
        raise ValueError("x is an empty dataset: want at least one example")
    whole = tf.nest.pack_sequence_as(spec, [np.concatenate(part) for part in zip(*read, strict=True)])
    return keras.utils.unpack_x_y_sample_weight(whole)[:2]


def _conditions(c, n):
    """Conditions as a structure of arrays; a list is one array, and so is a tuple of numbers."""
    if isinstance(c, dict) or (isinstance(c, tuple) and any(np.ndim(part) for part in c)):
        return tf.nest.map_structure(lambda part: _conditions(part, n), c)
    c = _checks.array("c", c)
    if c.dtype.kind not in "iuf" or c.ndim == 0:
        raise ValueError(f"c has dtype {c.dtype}, shape {c.shape}: want labels or floats, (n, ...)")
    if len(c) != n:
        raise ValueError(f"c has {len(c)} conditions: want {n}, one an example of x")
    if c.dtype.kind == "f":
        _checks.floats("c", c)
    return c
