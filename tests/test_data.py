"""Toy data against their stated densities, the digits and the pipeline."""

import inspect
import io
import tarfile

import keras
import numpy as np
import pytest
from scipy import integrate, stats

from ganbook import Mixture, batches, cifar10, data, digits, grid, mixture_1d, ring

SKEWED = Mixture([[0, 0], [1, 2], [-1, 0.5]], [0.3, 0.1, 0.5], [1, 2, 5])


def test_centers():
    assert len(np.unique(ring(8).centers.round(9), axis=0)) == 8
    np.testing.assert_allclose(np.linalg.norm(ring(5, radius=3.0).centers, axis=1), 3.0)
    gaps = np.diff(np.sort(np.arctan2(*ring(8).centers.T) % (2 * np.pi)))
    np.testing.assert_allclose(gaps, np.pi / 4)
    assert sorted({*grid().centers[:, 0]}) == [-4, -2, 0, 2, 4]
    assert len(np.unique(grid(4, spacing=1.0).centers, axis=0)) == 16


@pytest.mark.parametrize("mixture", [ring(std=0.3), grid(3, std=0.2), SKEWED])
def test_log_density_against_scipy(mixture):
    x = mixture.sample(200, seed=0) * 1.5
    terms = [
        w * stats.multivariate_normal(m, s**2 * np.eye(2)).pdf(x)
        for w, m, s in zip(mixture.weights, mixture.centers, mixture.stds, strict=True)
    ]
    np.testing.assert_allclose(mixture.density(x), sum(terms), rtol=1e-6)
    np.testing.assert_allclose(mixture.log_density(x), np.log(sum(terms)), rtol=1e-6)


def test_log_density_far_away_is_finite():
    assert mixture_1d().log_density(np.array([[1e3]]))[0] < -1e6


def test_density_integrates_to_one():
    mixture = mixture_1d((-1, 2), (0.2, 0.7), (1, 3))
    total, _ = integrate.quad(lambda x: mixture.density(np.array([[x]]))[0], -8, 10, points=[-1, 2])
    assert total == pytest.approx(1, abs=1e-6)


def test_samples_on_the_line_follow_the_density():
    mixture = mixture_1d((-1, 2), (0.2, 0.7), (1, 3))
    grid_x = np.linspace(-8, 10, 20_001)
    cdf = integrate.cumulative_simpson(mixture.density(grid_x[:, None]), x=grid_x, initial=0)
    samples = mixture.sample(20_000, seed=3)[:, 0]
    assert stats.kstest(samples, lambda x: np.interp(x, grid_x, cdf)).pvalue > 1e-3
    # and the test can tell: with the weights swapped it fails
    other = mixture_1d((-1, 2), (0.2, 0.7), (1, 2.7)).sample(20_000, seed=3)[:, 0]
    assert stats.kstest(other, lambda x: np.interp(x, grid_x, cdf)).pvalue < 1e-3


@pytest.mark.parametrize("mixture", [ring(std=0.3), grid(std=0.4), SKEWED])
def test_samples_in_the_plane_follow_the_density(mixture):
    """Counts in cells against the cells' exact mass, a product of normal cdfs."""
    edges = np.concatenate([[-np.inf], np.linspace(-4.5, 4.5, 13), [np.inf]])
    mass = np.zeros((14, 14))
    for w, m, s in zip(mixture.weights, mixture.centers, mixture.stds, strict=True):
        along = [np.diff(stats.norm(m[i], s).cdf(edges)) for i in (0, 1)]
        mass += w * np.outer(*along)
    samples = mixture.sample(50_000, seed=4)
    counts = np.histogram2d(*samples.T, bins=[np.nan_to_num(edges, posinf=99, neginf=-99)] * 2)[0]
    big = mass * len(samples) > 5
    expected, observed = mass[big] * len(samples), counts[big]
    expected[-1] += mass[~big].sum() * len(samples)  # the nearly empty cells count as one with the last
    observed[-1] += counts[~big].sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_sampling_is_seeded():
    a, b, c = (ring().sample(100, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
    assert a.dtype == "float32"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ring(0), "n_modes=0"),
        (lambda: ring(8.0), "n_modes=8.0"),
        (lambda: ring(radius=-1), "radius=-1"),
        (lambda: ring(std=0.0), "stds=0.0"),
        (lambda: ring(std=float("nan")), "stds=nan"),
        (lambda: grid(side=-1), "side=-1"),
        (lambda: grid(spacing=float("inf")), "spacing=inf"),
        (lambda: mixture_1d((0, 1), (1, 1, 1)), r"stds=\[1.0, 1.0, 1.0\]: .* one or 2"),
        (lambda: mixture_1d((0, 1), 1, (1, -1)), r"weights=\[1.0, -1.0\]"),
        (lambda: Mixture(np.zeros((2, 2, 2)), 1), r"centers has shape \(2, 2, 2\)"),
        (lambda: Mixture([[0, np.inf]], 1), "centers holds inf"),
        (lambda: ring().sample(0, seed=0), "n=0"),
        (lambda: ring().density(np.zeros((3, 1))), r"x has examples of shape \(1,\): want \(2,\)"),
        (lambda: digits(low=1.0, high=0.0), "low=1.0, high=0.0"),
        (lambda: batches(np.arange(10)), "x has dtype int64: want floats in the range"),
        (lambda: batches(np.zeros((0, 2))), r"x has shape \(0, 2\)"),
        (lambda: batches(np.array([[1.0], [np.inf]]), batch_size=1), r"x holds inf at index \(1, 0\)"),
        (lambda: batches(np.zeros((10, 2)), batch_size=11), "batch_size=11: want at most the 10"),
        (lambda: batches(np.zeros((10, 2)), batch_size=0), "batch_size=0"),
        (lambda: batches(np.zeros((10, 2)), np.zeros(9), batch_size=5), "c has 9 conditions: want 10"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()


class TestDigits:
    def test_split(self):
        (x_train, y_train), (x_test, y_test) = digits()
        assert (x_train.shape, x_test.shape) == ((4000, 28, 28, 1), (1000, 28, 28, 1))
        assert x_train.dtype == x_test.dtype == "float32"
        np.testing.assert_array_equal(np.bincount(y_train), 400)
        np.testing.assert_array_equal(np.bincount(y_test), 100)
        held_out = {x.tobytes() for x in x_test}
        assert not held_out & {x.tobytes() for x in x_train}

    def test_a_digit_is_the_digit_of_its_label(self):
        from sklearn.neighbors import KNeighborsClassifier

        (x_train, y_train), (x_test, y_test) = digits()
        knn = KNeighborsClassifier(3).fit(x_train.reshape(4000, -1), y_train)
        assert knn.score(x_test.reshape(1000, -1), y_test) > 0.9

    @pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0)])
    def test_range(self, low, high):
        (x, _), _ = digits(low=low, high=high)
        assert (x.min(), x.max()) == (low, high)
        assert np.median(x) == low  # ink is high, paper low

    def test_full(self, monkeypatch):
        images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype="uint8")
        labels = np.arange(6, dtype="uint8")
        file = io.BytesIO()
        np.savez(file, x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2])
        monkeypatch.setattr(data, "_download", lambda caller, url, sha256: file.getvalue())
        (x, y), (x_test, y_test) = digits(full=True)
        assert (x.shape, x.dtype, y.dtype) == ((6, 28, 28, 1), np.float32, np.int64)
        np.testing.assert_allclose(x[..., 0], images / 127.5 - 1, atol=1e-6)
        np.testing.assert_array_equal(y, labels)
        np.testing.assert_allclose(x_test, x[:2])
        np.testing.assert_array_equal(y_test, labels[:2])

    def test_full_is_the_file_of_keras(self):
        source = inspect.getsource(keras.datasets.mnist.load_data)
        folder, name = data._MNIST[0].rsplit("/", 1)
        assert folder in source
        assert name in source
        assert data._MNIST[1] in source

    def test_full_without_a_network(self, monkeypatch):
        def no_network():
            raise Exception("URL fetch failure: unreachable")

        monkeypatch.setattr(keras.utils, "get_file", no_network)
        with pytest.raises(ConnectionError, match=r"^digits\(full=True\).*network.*digits\(\) and faces\(\)"):
            digits(full=True)
        with pytest.raises(ConnectionError, match=r"network.*digits\(\).*5,000 digits"):
            digits(full=True)


class TestCifar10:
    def test_read_and_scaled(self, monkeypatch):
        """An archive as its page describes it: a byte of label, then red, green and blue, row by row."""
        images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype="uint8")
        names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name in reversed(names):  # whatever their order
                record = bytearray()
                for i in (2 * names.index(name), 2 * names.index(name) + 1):
                    record += bytes([i % 10])
                    for channel in range(3):
                        for row in images[i]:
                            record += bytes(pixel[channel] for pixel in row)
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
                member.size = len(record)
                archive.addfile(member, io.BytesIO(record))
        monkeypatch.setattr(data, "_download", lambda caller, url, sha256: file.getvalue())
        (x, y), (x_test, y_test) = cifar10()
        assert (x.shape, x.dtype, y.dtype) == ((10, 32, 32, 3), np.float32, np.int64)
        np.testing.assert_allclose(x, images[:10] / 127.5 - 1, atol=1e-6)
        np.testing.assert_allclose(x_test, images[10:] / 127.5 - 1, atol=1e-6)
        np.testing.assert_array_equal(y, np.arange(10))
        np.testing.assert_array_equal(y_test, [0, 1])
        np.testing.assert_allclose(cifar10(low=0.0)[1][0], images[10:] / 255, atol=1e-6)

    def test_without_a_network(self, monkeypatch):
        def no_network():
            raise Exception("URL fetch failure: unreachable")

        monkeypatch.setattr(keras.utils, "get_file", no_network)
        with pytest.raises(ConnectionError, match=r"^cifar10\(\) downloads its data.*network"):
            cifar10()

    def test_bad_range(self):
        with pytest.raises(ValueError, match=r"low=1\.0, high=1\.0: want finite"):
            cifar10(low=1.0)


class TestBatches:
    x = np.arange(103, dtype="float32")[:, None]

    def test_whole_batches_new_order_every_epoch(self):
        dataset = batches(self.x, batch_size=10)
        first, second = (np.stack([b.numpy() for b in dataset]) for _ in range(2))
        assert first.shape == second.shape == (10, 10, 1)
        assert len(np.unique(first)) == len(np.unique(second)) == 100
        assert (first != second).any()
        assert (first.ravel() != np.sort(first.ravel())).any()

    def test_every_order_is_as_likely(self):
        """4 examples have 24 orders: 2,400 epochs hold about 100 of each."""
        orders = np.array([x.numpy().ravel() for x in batches(self.x[:4], batch_size=4, seed=1).repeat(2400)])
        counts = np.unique(orders, axis=0, return_counts=True)[1]
        assert len(counts) == 24
        assert stats.chisquare(counts).pvalue > 1e-3

    def test_the_order_is_that_of_the_seed(self, monkeypatch):
        def order(**kwargs):
            return np.concatenate(list(batches(self.x, batch_size=10, **kwargs))).ravel().tolist()

        assert order(seed=1) == order(seed=1) != order(seed=2)
        monkeypatch.setenv("GANBOOK_SEED", "0")
        book = order()
        assert book == order()
        monkeypatch.setenv("GANBOOK_SEED", "1")
        assert book != order()

    def test_conditions_stay_with_their_examples(self):
        c = np.arange(103) * 2
        for x, condition in batches(self.x, c, batch_size=10):
            np.testing.assert_array_equal(x.numpy()[:, 0] * 2, condition)

    def test_no_autotune(self):
        assert batches(self.x).options().autotune.enabled is False
