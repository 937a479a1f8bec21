"""Checks of arguments: each raises ValueError with the argument, its value and what is wanted."""

import numbers
import os
import pathlib
import reprlib

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
    if (
        isinstance(value, np.generic) and "float" in value.dtype.name
    ):  # bfloat16, of which Python knows nothing
        return True
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def new_folder(name, value):
    """The path of a folder that a run of its own writes to, there or not."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"{name}={value!r}: want the path of a folder, one for each run")
    return pathlib.Path(value)


def random_seed(value):
    """A seed for `np.random.default_rng`: an int, or a generator to go on with."""
    return value if isinstance(value, np.random.Generator) else int_from_to("seed", value, 0, 2**63 - 1)


def sequence(name, value, wanted):
    try:
        return tuple(value)
    except TypeError:
        raise ValueError(f"{name}={value!r}: want {wanted}") from None


def array(name, x):
    """x as an array of a dtype that NumPy itself has: the small floats of TensorFlow become float32."""
    if hasattr(x, "iloc"):  # a DataFrame or a Series
        return _table(name, x)
    if np.ma.is_masked(x):
        raise ValueError(f"{name} holds masked numbers: want examples without, or {name}.filled(...)")
    if getattr(x, "shape", None) == () and hasattr(x, "numpy"):  # one bfloat16 that NumPy cannot ask for
        x = x.numpy()
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is no array: want examples of one shape; {error}") from None
    except (TypeError, RuntimeError, NotImplementedError) as error:  # torch's, or a tensor inside a graph
        raise ValueError(f"{name} is of type {type(x).__name__}: want an array; {error}") from None
    if found.dtype == object and found.ndim == 0:
        ways = [f", such as {name}.{way}()" for way in ("toarray", "to_tensor") if hasattr(x, way)]
        raise ValueError(f"{name} is of type {type(x).__name__}: want an array{''.join(ways)}")
    # bfloat16 and its kin are no floats to NumPy, though it can convert them.
    return found.astype("float32") if found.dtype.kind == "V" and "float" in found.dtype.name else found


def _table(name, x):
    """The numbers of a DataFrame or a Series, NaN for one that is missing."""
    found = np.asarray(x)
    if found.dtype.kind in "iufc":
        return found
    columns = zip(x.columns, x.dtypes, strict=True) if hasattr(x, "columns") else [(x.name, x.dtype)]
    others = [f"{column!r} of dtype {dtype}" for column, dtype in columns if dtype.kind not in "iuf"]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ValueError(f"{name} has the column {', '.join(others[:3])}{more}: want columns of numbers")
    return x.to_numpy("float64", na_value=np.nan)


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
        raise ValueError(f"{name} has dtype {x.dtype}: want floats{_how_to_floats(name, x)}")
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


def _how_to_floats(name, x):
    """What to do, or what is in the way, for an array that holds no floats."""
    kind = x.dtype.kind
    if kind in "iu":
        bytes_ = x.dtype == "uint8" or (x.size and x.min() >= 0 and 127 < x.max() <= 255)
        how = f"{name} / 127.5 - 1 for 0-255 and tanh" if bytes_ else f"np.float32({name})"
        return f" in the range of the generator's last layer, such as {how}"
    if kind == "b":
        return f", such as 2.0 * {name} - 1 for tanh"
    if kind == "c":
        return f", such as {name}.real and {name}.imag side by side"
    no_number = (reprlib.repr(v) for v in x.ravel() if not is_real(v))
    return next((f", and it holds {value}" for value in no_number), f", such as np.float32({name})")


def pictures(name, x, shape):
    """x as by `floats`, with pixels in [-1, 1]."""
    x = floats(name, x, shape)
    if np.abs(x).max() > 1.0:
        raise ValueError(
            f"{name} has values from {x.min():.6g} to {x.max():.6g}: want floats in [-1, 1], "
            f"such as {name} / 127.5 - 1 for 0-255"
        )
    return x


def seem_from_0_to_1(x):
    """Whether pictures in [-1, 1] look as if [0, 1] were meant: none has a value below 0.

    There must be contrast, and not all be light, so that a generator that failed is not taken for one that
    ends in a sigmoid. In 16 trainings on digits and faces, with good and with bad learning rates, the lowest
    value of 64 samples was below -0.1 at every one of 919 moments.
    """
    return bool(x.min() >= 0 and np.ptp(x) > 0.5 and np.median(x) < 0.9)


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
