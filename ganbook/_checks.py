"""Checks of arguments: each raises ValueError with the argument, its value and what is wanted."""

import numbers

import numpy as np


def positive_int(name, value):
    if not _is_int(value) or value < 1:
        raise ValueError(f"{name}={value!r}: want an int of at least 1")
    return int_from_to(name, value, 1, 2**31 - 1)  # TensorFlow's sizes are int32


def int_from_to(name, value, least, most):
    if not _is_int(value) or not least <= value <= most:
        raise ValueError(f"{name}={value!r}: want an int from {least} to {most}")
    return int(value)


def _is_int(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def positive_float(name, value):
    if not is_real(value) or not 0 < value < np.inf:
        raise ValueError(f"{name}={value!r}: want a finite number above 0")
    return float(value)


def is_real(value):
    """Whether value is a number of Python or NumPy, neither complex nor True or False."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def random_seed(value):
    """A seed for `np.random.default_rng`: an int, or a generator to go on with."""
    return value if isinstance(value, np.random.Generator) else int_from_to("seed", value, 0, 2**63 - 1)


def sequence(name, value, wanted):
    try:
        return tuple(value)
    except TypeError:
        raise ValueError(f"{name}={value!r}: want {wanted}") from None


def array(name, x):
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is no array: want examples of one shape; {error}") from None


def float64s(name, x):
    """x as a float64 array, from ints or floats."""
    x = array(name, x)
    if x.dtype.kind not in "iuf":
        raise ValueError(f"{name} has dtype {x.dtype}: want numbers")
    return x.astype("float64")


def floats(name, x, shape=None):
    """x as a float32 array with examples along the first axis.

    `shape` is that of one example, None in it fits any length; without it only the first axis is checked.
    """
    x = array(name, x)
    if x.dtype.kind != "f":
        raise ValueError(
            f"{name} has dtype {x.dtype}: want floats in the range of the generator's last layer, "
            f"such as {name} / 127.5 - 1 for integers 0-255 and tanh"
        )
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} has shape {x.shape}: want at least one example along the first axis")
    if shape is not None:
        fits(name, x.shape[1:], shape)
    if x.size == 0:
        raise ValueError(f"{name} has shape {x.shape}: want at least one number an example")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused
        singles = x.astype("float32", copy=False)
    finite = np.isfinite(singles)
    if not finite.all():
        at = np.unravel_index(np.argmin(finite), x.shape)
        where = f"{x[at]} at index {tuple(int(i) for i in at)}"
        raise ValueError(f"{name} holds {where}: want finite numbers, as float32 has them")
    return singles


def pictures(name, x, shape):
    """x as by `floats`, with pixels in [-1, 1]."""
    x = floats(name, x, shape)
    if np.abs(x).max() > 1.0:
        raise ValueError(f"{name} has values up to {np.abs(x).max():.6g}: want floats in [-1, 1]")
    return x


def fits(name, shape, wanted):
    """The shape of one example against the shape wanted, with None in either for any length."""
    shape, wanted = tuple(shape), tuple(wanted)
    same = len(shape) == len(wanted) and all(
        None in (a, b) or a == b for a, b in zip(shape, wanted, strict=True)
    )
    if not same:
        raise ValueError(f"{name} has examples of shape {shape}: want {wanted}")


def labels(name, y, n_classes=None):
    """y as an array of integer labels in [0, n_classes)."""
    y = array(name, y)
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError(f"{name} has dtype {y.dtype}, shape {y.shape}: want integer labels of shape (n,)")
    if len(y) and (y.min() < 0 or (n_classes is not None and y.max() >= n_classes)):
        top = "" if n_classes is None else f" and below {n_classes}"
        bad = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"{name} holds the label {bad}: want labels of at least 0{top}")
    return y
