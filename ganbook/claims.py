"""What a chapter asserts: `claim`, and the seeds for which it has to hold."""

import json
import os

import numpy as np

from ganbook import _checks


class ClaimError(AssertionError):
    """A claim of the book does not hold for the value measured."""


def seed(k=0):
    """The k-th seed of the book, an int. GANBOOK_SEED=s shifts every one of them at once.

    Seeds of different shifts never meet while k < 1000.
    """
    k = _checks.int_from_to("k", k, 0, 999)
    shift = os.environ.get("GANBOOK_SEED", "0")
    if not shift.isdecimal() or int(shift) > 2_000_000:
        raise ValueError(f"GANBOOK_SEED={shift!r}: want an int from 0 to 2000000")
    return 1000 * int(shift) + k


def claim(text, value, *, at_least=None, at_most=None, within=None):
    """Assert a sentence of the book against the value measured for it.

    Prints the sentence and its bound, never the value, so the output is the same on every machine.
    Where GANBOOK_RECORD names a file, a JSON line with the value is appended to it.

    Args:
        text: the sentence, such as "every mode is covered".
        value: the number measured: a Python, NumPy or tensor scalar.
        at_least, at_most: a bound on it, inclusive.
        within: a pair (low, high), inclusive. Exactly one of the three is given.

    Raises:
        ClaimError: the value is outside the bound, or not a number.
    """
    if sum(bound is not None for bound in (at_least, at_most, within)) != 1:
        raise ValueError(
            f"claim {text!r}: at_least={at_least}, at_most={at_most}, within={within}: want exactly one"
        )
    low, high = at_least, at_most
    for name, bound in (("at_least", at_least), ("at_most", at_most)):
        if bound is not None and (not _checks.is_real(bound) or np.isnan(bound)):
            raise ValueError(f"claim {text!r}: {name}={bound!r}: want a number")
    if within is not None:
        wanted = f"claim {text!r}: within={within!r}: want (low, high), numbers with low <= high"
        try:
            low, high = within
        except (TypeError, ValueError):
            raise ValueError(wanted) from None
        if not (_checks.is_real(low) and _checks.is_real(high) and low <= high):
            raise ValueError(wanted)
    if np.ndim(value) != 0:
        raise ValueError(f"claim {text!r}: value has shape {np.shape(value)}: want one number")
    try:
        value = float("" if isinstance(value, str | bytes) else value)  # which float would read
    except (TypeError, ValueError):
        raise ValueError(f"claim {text!r}: value={value!r}: want one number") from None
    # Written so that NaN fails.
    holds = (low is None or value >= low) and (high is None or value <= high)
    if within is not None:
        bound = f"between {low} and {high}"
    else:
        bound = f"at most {high}" if low is None else f"at least {low}"
    _record(claim=text, value=value, bound=bound, holds=holds, seed=seed())
    if not holds:
        raise ClaimError(f"✗ {text}: {bound} is not true of {value:.6g}")
    print(f"✓ {text}: {bound}")


def _record(**entry):
    path = os.environ.get("GANBOOK_RECORD")
    if path:
        with open(path, "a", encoding="utf-8") as f:
            f.write(json.dumps(entry, ensure_ascii=False) + "\n")
