"""Cartoon faces, drawn from known factors: colour pictures whose every property can be set, and measured."""

import functools

import numpy as np

from ganbook import _checks

HAIR = ("mohawk", "short", "long", "curly")
HAIR_COLOR = ("black", "brown", "red", "blond", "blue")
# What can be set: the number of classes, or None for a number in [0, 1].
FACTORS = {
    "hair": len(HAIR),
    "hair_color": len(HAIR_COLOR),
    "glasses": 2,
    "smile": 2,
    "skin": None,  # light to dark
    "pose": None,  # looks left to right
    "background": None,  # red through green and blue to violet
}
_HAIR_RGB = np.array([(38, 32, 38), (110, 66, 36), (190, 74, 30), (236, 192, 92), (72, 104, 200)]) / 255
_SKIN_RGB = np.array([(255, 224, 196), (234, 184, 140), (180, 122, 80), (104, 66, 44)]) / 255


def faces(n, seed, size=32, **fixed):
    """n cartoon faces and their factors.

    Factors are drawn at random, independently, classes with equal chances and numbers uniformly in [0, 1],
    except those that are fixed: `faces(100, seed=0, glasses=1, smile=0)`.

    Args:
        seed: an int; the same one gives the same faces, and the same factors at every size.
        size: of a picture's side in pixels, 16 to 256. An edge is one pixel wide at each.
        fixed: a name of `cartoons.FACTORS` with one value for all or (n,) values.

    Returns:
        Pictures (n, size, size, 3) float32 in [-1, 1], and a dict of (n,) arrays, int64 for classes and
        float64 for numbers.
    """
    n, size = _checks.positive_int("n", n), _checks.int_from_to("size", size, 16, 256)
    unknown = set(fixed) - set(FACTORS)
    if unknown:
        raise ValueError(f"{unknown.pop()}: no such factor; want one of {', '.join(FACTORS)}")
    rng = np.random.default_rng(_checks.random_seed(seed))
    # Each is drawn even where it is fixed, so that fixing one leaves the others as they were.
    factors = {name: rng.random(n) if k is None else rng.integers(k, size=n) for name, k in FACTORS.items()}
    for name, value in fixed.items():
        factors[name] = _factor(name, value, n)
    few = 100 * 32**2 // size**2  # at a time: their arrays stay in the processor's cache
    return np.concatenate([_draw(factors, slice(i, i + few), size) for i in range(0, n, few)]), factors


def _factor(name, value, n):
    value, k = _checks.array(name, value), FACTORS[name]
    if value.shape not in ((), (n,)):
        raise ValueError(f"{name} has shape {value.shape}: want one value or {n}")
    if k is None:
        if value.dtype.kind not in "iuf" or not ((value >= 0) & (value <= 1)).all():
            raise ValueError(f"{name}={value}: want numbers in [0, 1]")
    else:
        _checks.labels(name, np.atleast_1d(value), k)
    return np.broadcast_to(value, n).astype("float64" if k is None else "int64")


def _draw(factors, rows, size):
    """Paint the shapes from back to front; an edge is one pixel wide."""
    ticks = (np.arange(size) + 0.5) / size * 2 - 1  # the pixels' centres
    f = {name: values[rows] for name, values in factors.items()}
    turn = 0.3 * (f["pose"] - 0.5)  # what lies in front moves farther
    # Faces are the last axis, so that NumPy's loops are long: colours (3, n), the picture (3, y, x, n).
    skin = _blend(_SKIN_RGB, f["skin"])
    dark = 0.78 * skin
    hair = _HAIR_RGB[f["hair_color"]].T
    hue = 0.83 * f["background"]  # the whole circle would make 0 and 1 the same
    picture = np.empty((3, size, size, len(turn)))
    picture[:] = _hue(hue, 0.42, 0.96)[:, None, None]

    def paint(color, shape, cx, cy, width, height, of=slice(None)):
        """A shape in the box with this centre and half of this size, on those faces.

        The box is there for speed: more than a pixel outside it nothing is computed.
        """
        cx = np.broadcast_to(cx, turn.shape)[of]
        if len(cx) == 0:
            return
        across = _pixels(ticks, cx.min() - width, cx.max() + width)
        down = _pixels(ticks, -cy - height, -cy + height)
        # The signed distance to the edge, positive within, in the units of the picture's half width.
        inside = shape(ticks[across, None], -ticks[down, None, None], cx, cy, width, height)  # y points up
        cover = np.clip(inside * size / 2 + 0.5, 0, 1)
        color = np.broadcast_to(np.reshape(color, (3, 1, 1, -1)), (3, 1, 1, len(turn)))[..., of]
        picture[:, down, across, of] = picture[:, down, across, of] * (1 - cover) + color * cover

    def fringe(x, y, *ellipse):
        """What of a cap lies above the hairline, which bends with the turn of the head."""
        return np.minimum(_ellipse(x, y, *ellipse), y - 0.36 + 0.35 * (x - turn[fringed]) ** 2)

    mohawk, _, long, curly = (np.flatnonzero(f["hair"] == i) for i in range(len(HAIR)))
    fringed = np.flatnonzero(f["hair"] != HAIR.index("mohawk"))
    bare, glasses = (np.flatnonzero(f["glasses"] == i) for i in range(2))
    serious, smiling = (np.flatnonzero(f["smile"] == i) for i in range(2))
    paint(hair, _ellipse, -0.4 * turn, 0.26, 0.78, 0.70, curly)
    paint(hair, _long_hair, 0, 0.03, 0.68, 0.85, long)
    paint(_hue(hue + 0.5, 0.6, 0.7), _ellipse, 0, -1.12, 0.78, 0.46)
    paint(dark, _box, 0, -0.66, 0.2, 0.24)
    for side in (-1, 1):
        paint(dark, _ellipse, side * 0.53 - 0.5 * turn, -0.02, 0.1, 0.15)
    paint(skin, _ellipse, 0, 0.0, 0.53, 0.68)
    paint(hair, _ellipse, 0.8 * turn, 0.66, 0.16, 0.3, mohawk)
    paint(hair, fringe, 0, 0.08, 0.6, 0.72, fringed)

    cx, eye = 1.3 * turn, 0.06
    for side in (-1, 1):
        ex = cx + side * 0.23
        paint(np.ones(3), _ellipse, ex, eye, 0.125, 0.105)
        paint(np.full(3, 0.12), _ellipse, ex + 0.25 * turn, eye, 0.065, 0.085)
        paint(0.6 * hair, _box, ex, eye + 0.19, 0.13, 0.03, bare)
    paint(dark, _ellipse, cx + 0.5 * turn, -0.13, 0.065, 0.09)
    lips = np.array([0.62, 0.16, 0.20])
    paint(lips, _grin, cx, -0.45, 0.31, 0.11, smiling)
    paint(np.ones(3), _teeth, cx, -0.39, 0.2, 0.04, smiling)
    paint(lips, _bar, cx, -0.42, 0.15, 0.035, serious)

    frame = np.full(3, 0.08)
    for side in (-1, 1):
        paint(frame, functools.partial(_lens, side * 0.24), cx, eye, 0.24 + 0.235, 0.235, glasses)
    paint(frame, _box, cx, eye + 0.02, 0.06, 0.025, glasses)
    return np.ascontiguousarray((2 * picture - 1).clip(-1, 1).astype("float32").transpose(3, 1, 2, 0))


def _pixels(ticks, low, high):
    """The rows or columns from low to high, and one more on either side."""
    one = 2 / len(ticks)
    return slice(*np.searchsorted(ticks, (low - one, high + one)))


def _ellipse(x, y, cx, cy, width, height):
    # The distance to an ellipse, to first order: exact for a circle.
    dx, dy = (x - cx) / width, (y - cy) / height
    r = np.hypot(dx, dy) + 1e-9
    return (1 - r) * r / np.hypot(dx / width, dy / height + 1e-9)


def _box(x, y, cx, cy, width, height):
    return np.minimum(width - np.abs(x - cx), height - np.abs(y - cy))


def _long_hair(x, y, cx, *_):
    return np.maximum(_ellipse(x, y, cx, 0.14, 0.68, 0.74), _box(x, y, cx, -0.36, 0.68, 0.46))


# Of the mouth: an open smile is the area between two parabolas, a neutral mouth a thin bar.


def _grin(x, y, cx, *_):
    x, y = x - cx, y + 0.40
    return np.minimum(0.06 - y, y + 0.16 - 2.4 * x**2)


def _teeth(x, y, cx, *_):
    x, y = x - cx, y + 0.40
    return np.minimum(np.minimum(0.045 - y, y + 0.03), 0.2 - np.abs(x))


def _bar(x, y, cx, *_):
    return _box(x - cx, y + 0.40, 0, -0.02, 0.15, 0.035)


def _lens(beside, x, y, cx, cy, *_):
    away = np.hypot(x - cx - beside, y - cy)
    return 0.035 - np.abs(away - 0.2)


def _blend(colors, t):
    """Linear between equally spaced colours, at t in [0, 1]."""
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, at, channel) for channel in colors.T])


def _hue(hue, saturation, value):
    from matplotlib.colors import hsv_to_rgb

    hsv = [hue % 1.0, np.full_like(hue, saturation), np.full_like(hue, value)]
    return hsv_to_rgb(np.stack(hsv, axis=-1)).T
