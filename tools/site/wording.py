"""Numbers, counts and sentences as the generated pages show them."""

import math
import re

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value):
    """A number for a table: three digits that count."""
    if math.isinf(value):
        shown = "∞" if value > 0 else "-∞"
    elif 0 < abs(value) < 1e-4:
        digits, power = f"{value:.2e}".split("e")
        shown = f"{digits}·10" + str(int(power)).translate(SUPERSCRIPTS)
    elif abs(value) >= 1000:
        shown = f"{float(f'{value:.3g}'):,.0f}"
    else:
        shown = f"{float(f'{value:.3g}'):.10f}".rstrip("0").rstrip(".")
    return shown.replace("-", "−")


def plain(text):
    """A sentence with nothing in it that Markdown would take for its own, except code in backticks."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") and len(p) > 1 else escaped(p) for p in pieces)


def escaped(text):
    return re.sub(r"([\\`*_{}\[\]<>|$#~^])", r"\\\1", text)


def count(n, noun):
    return f"{n} {noun}" + "s" * (n != 1)


def duration(seconds):
    return count(round(seconds), "second") if seconds < 90 else count(round(seconds / 60), "minute")
