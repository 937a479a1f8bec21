"""One look for the whole book: its colours, tiled images, animations."""

import io
import warnings

import numpy as np

from ganbook import _checks

# One colour a role in every figure (Okabe and Ito's palette, told apart by colour-blind readers too).
DATA, SAMPLES, DISCRIMINATOR = "#0072B2", "#D55E00", "#009E73"


def tile(images, columns, gap=2):
    """Images side by side, row by row, as one picture.

    Args:
        images: (n, height, width, 1 or 3), floats in [-1, 1].
        columns: images a row. n is a multiple of it.
        gap: pixels between images, white.

    Returns:
        (rows * (height + gap) - gap, ..., 1 or 3) uint8
    """
    images = _checks.pictures("images", images, shape=(None, None, None))
    if _checks.seem_from_0_to_1(images):
        warnings.warn(
            f"images has values from {images.min():.6g} to {images.max():.6g}, and black is -1: want "
            "2 * images - 1 for those in [0, 1]",
            stacklevel=2,
        )
    columns, gap = _checks.positive_int("columns", columns), _checks.int_from_to("gap", gap, 0, 1000)
    n, height, width, channels = images.shape
    if channels not in (1, 3):
        raise ValueError(f"images has {channels} channels: want 1 or 3")
    if n % columns:
        raise ValueError(f"columns={columns}: want a divisor of the {n} images")
    pixels = np.round((images + 1.0) * 127.5).astype("uint8")
    pixels = np.pad(pixels, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
    rows = pixels.reshape(n // columns, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    picture = rows.reshape(n // columns * (height + gap), columns * (width + gap), channels)
    return picture[: picture.shape[0] - gap, : picture.shape[1] - gap]


def gif(frames, ms=100, hold_ms=2000, levels=8):
    """An animation as the bytes of a GIF that loops.

    Args:
        frames: pictures (height, width, 1 or 3) uint8, all of one shape, as `tile` makes them.
        ms: how long a frame stays; hold_ms: how long the last one does.
        levels: greys or colours a frame. Few, since noise compresses badly; pages enlarge the picture.
    """
    from PIL import Image

    frames = [_checks.array("frames", frame) for frame in _checks.sequence("frames", frames, "pictures")]
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"frames has {len(frames)} pictures: want at least one, all of one shape")
    dtype, shape = np.result_type(*frames), frames[0].shape
    if dtype != "uint8" or len(shape) != 3 or shape[-1] not in (1, 3) or 0 in shape:
        raise ValueError(f"frames has pictures of dtype {dtype}, shape {shape}: want uint8, as of tile")
    # What the format can say: hundredths of a second in 16 bits, and 256 colours.
    ms, hold_ms = (_checks.int_from_to(k, v, 0, 655_350) for k, v in (("ms", ms), ("hold_ms", hold_ms)))
    levels = _checks.int_from_to("levels", levels, 1, 256)
    frames = [frame[..., 0] if frame.shape[-1] == 1 else frame for frame in frames]
    pictures = [Image.fromarray(f).quantize(levels, dither=Image.Dither.NONE) for f in frames]
    buffer = io.BytesIO()
    durations = [ms] * (len(frames) - 1) + [hold_ms]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return buffer.getvalue()
