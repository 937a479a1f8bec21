"""Pictures of one's own, from a folder."""

import concurrent.futures
import math
import os
import pathlib

import numpy as np

from ganbook import _checks
from ganbook.data import check_range, scaled

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
KEPT = 2**31  # bytes of pixels that stay in memory


def pictures(folder, size, channels=3, low=-1.0, high=1.0):
    """The pictures in a folder and in those below it, cut to their middle and scaled to one size.

    `batches` takes them, metrics and `plots.tile` take them by rows::

        photos = ganbook.pictures("photos", size=64)
        gan.fit(ganbook.batches(photos, batch_size=64), epochs=100)
        ganbook.plots.tile(photos[:20], columns=10)
        ganbook.batches(photos, photos.labels)  # sub-folders as conditions

    Each file is decoded now, a few milliseconds each, so that a damaged one is found before training. Pixels
    are kept as bytes where they are 2 GB at most: 40,000 pictures of 128 × 128 in colour. Of more, none are
    kept, and a picture is decoded again whenever it is drawn; a `Checkpoint` that resumes draws the past too.

    Pictures are turned upright as their EXIF tells, and laid on white where they are transparent. 16 bits
    become 8, and of an animation it is the first picture.

    Args:
        folder: a path. Hidden files are passed over, and those whose names do not end like pictures': .bmp,
            .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp.
        size: an int for squares, or (height, width).
        channels: 3 for colour, 1 for grey.
        low, high: the range of the pixels, black to white.

    Returns:
        `Pictures`, in the order of their paths.

    Raises:
        ValueError: no picture is there, or some cannot be read; it names them.
    """
    check_range(low, high)
    size = (size, size) if isinstance(size, int | np.integer) else _checks.sequence("size", size, _SIZE)
    if len(size) != 2:
        raise ValueError(f"size={size!r}: want {_SIZE}")
    height, width = (_checks.positive_int("size", side) for side in size)
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r}: want 1 or 3")
    if not isinstance(folder, str | os.PathLike) or not os.path.isdir(folder):
        raise ValueError(f"folder={str(folder)!r}: want the path of a folder")
    files = _files(folder)
    if not files:
        raise ValueError(f"folder={str(folder)!r} holds no picture: want files with {' '.join(ENDINGS)}")
    return Pictures(pathlib.Path(folder).absolute(), files, (height, width, channels), low, high)


_SIZE = "an int or (height, width)"


class Pictures:
    """What `pictures` returns: `x[rows]` is float32 (..., height, width, channels), `len(x)` their number.

    Attributes:
        files: their paths below the folder.
        names: those of the sub-folders, sorted; none where a picture lies in the folder itself.
        labels: (n,) int64, in which of them each picture lies; None without names.
        shape: (n, height, width, channels).
    """

    def __init__(self, folder, files, shape, low, high):
        self.folder, self.files, self.shape = folder, files, (len(files), *shape)
        below = [path.parts[0] for path in files if len(path.parts) > 1]
        self.names, self.labels = [], None
        if len(below) == len(files):
            self.names, self.labels = np.unique(below, return_inverse=True)
            self.names = self.names.tolist()
        self._values = scaled(np.arange(256), (), low, high)  # of each byte
        self._pixels = self._read_all()

    def __len__(self):
        return len(self.files)

    def __getitem__(self, rows):
        if self._pixels is not None:
            return self._values[self._pixels[rows]]
        rows = np.arange(len(self))[rows]
        with concurrent.futures.ThreadPoolExecutor() as pool:  # Pillow decodes outside Python's lock
            pixels = [*pool.map(lambda i: self._read(self.files[i]), rows.ravel())]
        return self._values[np.reshape(pixels, rows.shape + self.shape[1:]).astype("uint8")]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def _read_all(self):
        """All pixels, or None where they are too many. Every file was decoded."""
        pixels = np.empty(self.shape, "uint8") if math.prod(self.shape) <= KEPT else None
        faults, few = [], 1000  # at a time: no queue of all files
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for start in range(0, len(self), few):
                for i, found in enumerate(pool.map(self._try, self.files[start : start + few]), start):
                    if isinstance(found, str):
                        faults.append(found)
                    elif pixels is not None:
                        pixels[i] = found
        if faults:
            more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
            raise ValueError(
                f"{len(faults)} of the {len(self)} pictures in {str(self.folder)!r} cannot be read: "
                f"{'; '.join(faults[:5])}{more}: want them whole, or removed"
            )
        return pixels

    def _try(self, file):
        try:
            return self._read(file)
        except Exception as error:  # decoders raise what they like
            return f"{file}, {type(error).__name__}: {str(error).replace(str(self.folder / file), 'it')}"

    def _read(self, file):
        """The bytes of one picture, (height, width, channels)."""
        from PIL import Image, ImageOps

        height, width, channels = self.shape[1:]
        with Image.open(self.folder / file) as image:
            image.draft(None, (2 * max(height, width),) * 2)  # a large JPEG is decoded smaller, in less time
            image = ImageOps.exif_transpose(image)
            if image.mode in ("F", "I") or image.mode.startswith("I;16"):
                image = Image.fromarray(_eight_bits(np.asarray(image)))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = ImageOps.fit(image.convert("RGB" if channels == 3 else "L"), (width, height))
            return np.asarray(image).reshape(height, width, channels)


def _files(folder):
    """The paths of pictures below a folder, in an order that does not depend on the machine."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        seen = [name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]
        found += [pathlib.Path(parent, name).relative_to(folder) for name in seen]
    return sorted(found, key=lambda path: path.as_posix())


def _eight_bits(grey):
    """Pillow cuts off what is above 255, and so would make most of 16 bits white."""
    if grey.dtype.kind == "f" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"its greys are {grey.dtype} from {grey.min()} to {grey.max()}, want 8 or 16 bits")
    return np.round(grey / 257).astype("uint8")
