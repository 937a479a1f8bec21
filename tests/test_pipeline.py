"""Batches: whole ones, in an order of their seed, from arrays, tables, datasets and pictures."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image
from scipy import stats

from ganbook import GAN, Checkpoint, batches, folder, pictures

X = np.arange(103, dtype="float32")[:, None]


def test_whole_batches_new_order_every_epoch():
    dataset = batches(X, batch_size=10)
    first, second = (np.stack([b.numpy() for b in dataset]) for _ in range(2))
    assert first.shape == second.shape == (10, 10, 1)
    assert len(np.unique(first)) == len(np.unique(second)) == 100
    assert (first != second).any()
    assert (first.ravel() != np.sort(first.ravel())).any()


def test_every_order_is_as_likely():
    """4 examples have 24 orders: 2,400 epochs hold about 100 of each."""
    orders = np.array([x.numpy().ravel() for x in batches(X[:4], batch_size=4, seed=1).repeat(2400)])
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_order_is_that_of_the_seed(monkeypatch):
    def order(**kwargs):
        return np.concatenate(list(batches(X, batch_size=10, **kwargs))).ravel().tolist()

    assert order(seed=1) == order(seed=1) != order(seed=2)
    assert order(seed=0) != order(seed=1)
    monkeypatch.setenv("GANBOOK_SEED", "0")
    book = order()
    assert book == order()
    monkeypatch.setenv("GANBOOK_SEED", "1")
    assert book != order()


def test_conditions_stay_with_their_examples():
    c = np.arange(103) * 2
    for x, condition in batches(X, c, batch_size=10):
        np.testing.assert_array_equal(x.numpy()[:, 0] * 2, condition)


def test_no_autotune():
    assert batches(X).options().autotune.enabled is False


@pytest.mark.parametrize(
    ("build", "message"),
    [
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


class TestDatasets:
    """A tf.data.Dataset of one's own gives what its arrays would."""

    C = np.arange(103) % 5

    def same(self, dataset, x, c=None):
        found, wanted = batches(dataset, batch_size=10, seed=3), batches(x, c, batch_size=10, seed=3)
        assert found.element_spec == wanted.element_spec
        for a, b in zip(found.repeat(2), wanted.repeat(2), strict=True):
            for part, other in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True):
                np.testing.assert_array_equal(part, other)
        look = tf.nest.flatten(found.ganbook_arrays[1:])
        for part, other in zip(look, tf.nest.flatten(wanted.ganbook_arrays[1:]), strict=True):
            np.testing.assert_array_equal(part, other)
        np.testing.assert_array_equal(found.ganbook_arrays[0], x)

    def test_examples_and_batches(self):
        whole = tf.data.Dataset.from_tensor_slices(X)
        for dataset in (whole, whole.batch(7), whole.batch(200), whole.batch(7).cache()):
            self.same(dataset, X)

    def test_pairs(self):
        whole = tf.data.Dataset.from_tensor_slices((X, self.C))
        for dataset in (whole, whole.batch(9)):
            self.same(dataset, X, self.C)

    def test_conditions_of_any_structure(self):
        c = {"label": self.C, "more": (np.stack([self.C, self.C], 1), X / 2)}
        whole = tf.data.Dataset.from_tensor_slices((X, c))
        for dataset in (whole, whole.batch(9)):
            self.same(dataset, X, c)

    def test_of_unknown_length_and_of_other_floats(self):
        whole = tf.data.Dataset.from_tensor_slices(X).filter(lambda x: x[0] >= 0)
        self.same(whole, X)
        self.same(whole.map(lambda x: tf.cast(x, "float64")), X)
        self.same(whole.map(lambda x: tf.cast(x, "bfloat16")), X)

    def test_of_a_folder_by_keras(self, tmp_path):
        for i in range(12):
            Image.new("RGB", (6, 6), (20 * i, 0, 255)).save(tmp_path / f"{i:02}.png")
        read = keras.utils.image_dataset_from_directory(
            tmp_path, labels=None, image_size=(6, 6), batch_size=5, shuffle=False, verbose=False
        )
        self.same(read.map(lambda x: x / 127.5 - 1), pictures(tmp_path, 6)[:])

    @pytest.mark.parametrize(
        ("dataset", "message"),
        [
            (lambda d: d.repeat(), r"x is an endless dataset: .*without repeat\(\)"),
            (lambda d: d.take(0), "x is an empty dataset: want at least one example"),
            (
                lambda d: d.map(lambda x: {"x": x}),
                r"x is a dataset of {'x': .*: want one of x or",
            ),
            (
                lambda d: d.map(lambda x: ((x, x), x)),
                r"x is a dataset of \(\(.*: want one of x or",
            ),
            (
                lambda d: d.map(lambda x: (x, x, x)),
                r"x is a dataset of \(Tens.*: want one of x or",
            ),
            (
                lambda d: d.map(lambda x: tf.cast(x, "uint8")),
                "x has dtype uint8: .* x / 127.5 - 1",
            ),
            (lambda d: d.map(lambda x: x / 0), r"x holds (nan|inf|-nan) at index"),
            (lambda d: d.map(lambda x: (x, tf.strings.as_string(x))), "c has dtype object"),
            (lambda d: d.map(lambda x: tf.sparse.from_dense(x)), "x is a dataset of Sparse.*"),
            (
                lambda d: d.map(lambda x: tf.zeros([tf.random.uniform([], 1, 9, "int32"), 4, 3])).batch(1),
                r"x is a dataset of .*None, None, 4, 3.*: want examples of one known shape, .*resize",
            ),
            (
                lambda d: d.map(lambda x: tf.py_function(lambda a: a, [x], "float32")),
                "x is a dataset of .*unknown.*: want examples of one known shape",
            ),
            (lambda d: batches(X), "x comes from batches: want what that was given"),
            (lambda d: "photos", r"x='photos': want examples, such as ganbook.pictures\('photos', size=64\)"),
        ],
    )
    def test_refused(self, dataset, message):
        with pytest.raises(ValueError, match=message):
            batches(dataset(tf.data.Dataset.from_tensor_slices(X)), batch_size=10)

    def test_conditions_twice(self):
        with pytest.raises(ValueError, match="c was given beside a dataset: want the conditions in it"):
            batches(tf.data.Dataset.from_tensor_slices(X), self.C)

    def test_more_than_fits(self, monkeypatch):
        monkeypatch.setattr(folder, "KEPT", 400)
        with pytest.raises(ValueError, match="x yields more than 400 bytes: want it batched"):
            batches(tf.data.Dataset.from_tensor_slices(X))
        batches(tf.data.Dataset.from_tensor_slices(X[:100]))
        batches(X)


def test_a_table_of_numbers():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": X[:, 0] / 2, "b": np.arange(103)})
    wanted = np.stack([X[:, 0] / 2, X[:, 0]], 1)
    for taken in (table, table.convert_dtypes(), table.astype("Float64")):
        found = batches(taken, table["b"], batch_size=10, seed=3)
        for (x, c), (y, d) in zip(found, batches(wanted, np.arange(103), batch_size=10, seed=3), strict=True):
            np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(c, d)
    table["name"] = "Ann"
    with pytest.raises(ValueError, match="x has the column 'name' of dtype"):
        batches(table)


@pytest.mark.parametrize("structure", [tuple, list])
def test_plain_labels_are_one_condition(structure):
    (_, c), *_ = batches(X, structure(range(103)), batch_size=10)
    assert c.shape == (10,)


def test_a_condition_that_is_not_finite():
    with pytest.raises(ValueError, match=r"c holds nan at index \(5,\)"):
        batches(X, {"a": X, "b": np.where(X[:, 0] == 5, np.nan, 0)})


def test_conditions_of_another_length_within_a_structure():
    with pytest.raises(ValueError, match="c has 102 conditions: want 103"):
        batches(X, {"a": X, "b": X[1:]})


class TestTraining:
    """`GAN.fit` and `Checkpoint` on what is not an array: the same weights as on the array, to the bit."""

    @staticmethod
    def weights(x, epochs=2, callbacks=None):
        keras.utils.set_random_seed(1)
        generator = keras.Sequential([keras.Input((3,)), layers.Dense(48, "tanh"), layers.Reshape((4, 4, 3))])
        discriminator = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(1)])
        gan = GAN(generator, discriminator, latent_dim=3, seed=0)
        gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
        gan.fit(batches(x, batch_size=6), epochs=epochs, callbacks=callbacks, verbose=0)
        return [v.numpy() for v in gan.variables]

    @pytest.fixture(params=[folder.KEPT, 0], ids=["kept", "decoded when drawn"])
    def photos(self, tmp_path, request, monkeypatch):
        monkeypatch.setattr(folder, "KEPT", request.param)
        rng = np.random.default_rng(0)
        for i in range(20):
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), "uint8")).save(tmp_path / f"{i}.png")
        return pictures(tmp_path, 4)

    def test_fit(self, photos):
        for a, b in zip(self.weights(photos), self.weights(photos[:]), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_checkpoint(self, photos, tmp_path):
        wanted = self.weights(photos, 4, [Checkpoint(tmp_path / "whole")])
        self.weights(photos, 2, [Checkpoint(tmp_path / "run")])
        resumed = self.weights(photos, 4, [Checkpoint(tmp_path / "run")])
        for a, b in zip(resumed, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
