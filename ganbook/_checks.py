"""Checks of arguments: each raises ValueError with the argument, its value and what is wanted."""

import numpy as np


def positive_int(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}={value!r}: want an int of at least 1")
    return int(value)


def positive_float(name, value):
    if isinstance(value, bool) or not np.isscalar(value) or not 0 < value < np.inf:
        raise ValueError(f"{name}={value!r}: want a finite number above 0")
    return float(value)


def floats(name, x, shape=None):
    """x as a float32 array with examples along the first axis.

    `shape` is that of one example, None in it fits any length; without it only the first axis is checked.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(
            f"{name} has dtype {x.dtype}: want floats in the range of the generator's last layer, "
            f"such as {name} / 127.5 - 1 for integers 0-255 and tanh"
        )
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} has shape {x.shape}: want at least one example along the first axis")
    if shape is not None:
        fits(name, x.shape[1:], shape)
    if not np.isfinite(x).all():
        raise ValueError(f"{name} holds {_first_non_finite(x)}: want finite numbers")
    return x.astype("float32", copy=False)


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
    y = np.asarray(y)
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError(f"{name} has dtype {y.dtype}, shape {y.shape}: want integer labels of shape (n,)")
    if len(y) and (y.min() < 0 or (n_classes is not None and y.max() >= n_classes)):
        top = "" if n_classes is None else f" and below {n_classes}"
        bad = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"{name} holds the label {bad}: want labels of at least 0{top}")
    return y


def _first_non_finite(x):
    at = np.unravel_index(np.argmin(np.isfinite(x)), x.shape)
    return f"{x[at]} at index {tuple(int(i) for i in at)}"
