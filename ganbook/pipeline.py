"""What feeds training: whole batches in an order that depends on a seed alone."""

from ganbook import _checks
from ganbook.claims import seed as book_seed


def batches(x, c=None, batch_size=64, seed=None):
    """A tf.data pipeline to train from: shuffled anew every epoch, in whole batches.

    The examples left over at the end of an epoch are dropped. Under `GAN.fit` a batch feeds one train
    step: with d_steps = k it is split into k minibatches.

    Args:
        x: data, (n, ...) finite floats.
        c: conditions, (n, ...) such as labels; with it the pipeline yields pairs (x, c).
        seed: an int, of the order of the batches. Default: the book's seed.

    Returns:
        tf.data.Dataset of float32 (batch_size, ...), or of pairs.
    """
    import tensorflow as tf

    x = _checks.floats("x", x)
    batch_size = _checks.positive_int("batch_size", batch_size)
    if batch_size > len(x):
        raise ValueError(f"batch_size={batch_size}: want at most the {len(x)} examples of x")
    if c is not None:
        c = _conditions(c, len(x))
    seed = book_seed() if seed is None else _checks.int_from_to("seed", seed, 0, 2**63 - 1)
    n, whole = len(x), len(x) // batch_size
    with tf.device("CPU"):
        arrays = tf.nest.map_structure(tf.constant, x if c is None else (x, c))

    def an_epoch(seeds):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seeds)
        rows = tf.reshape(order[: whole * batch_size], (whole, batch_size))
        return tf.data.Dataset.from_tensor_slices(rows)

    # Shuffled numbers of examples, and a few batches gathered at once: `shuffle` and `batch` handle every
    # example on its own, which takes as long as a step of small networks (book/speed.md).
    epoch = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(2).batch(2).flat_map(an_epoch)
    dataset = epoch.batch(8).map(lambda i: tf.nest.map_structure(lambda a: tf.gather(a, i), arrays)).unbatch()
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(whole))
    options = tf.data.Options()
    # With autotune on, `fit` returns only at the next power of two times 10 ms.
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    # So that `GAN.fit` can check all of it. A look at the first batch would reshuffle the ones that follow.
    dataset.ganbook_arrays = (x, c)
    return dataset


def _conditions(c, n):
    c = _checks.array("c", c)
    if c.dtype.kind not in "iuf" or c.ndim == 0:
        raise ValueError(f"c has dtype {c.dtype}, shape {c.shape}: want labels or floats, (n, ...)")
    if len(c) != n:
        raise ValueError(f"c has {len(c)} conditions: want {n}, one an example of x")
    if c.dtype.kind == "f":
        _checks.floats("c", c)
    return c
