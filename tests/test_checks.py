"""What is taken for an array of floats, and what is said of everything else."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from ganbook import _checks

X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], "float32")  # exact in every float


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_floats_of_every_size_are_taken(dtype):
    tensor = tf.cast(X, dtype)
    for x in (tensor, tensor.numpy(), tf.Variable(tensor), keras.Variable(tensor), list(tensor.numpy())):
        found = _checks.floats("x", x)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, X)
        assert _checks.float64s("x", x).dtype == np.float64
        np.testing.assert_array_equal(_checks.float64s("x", x), X)


def test_a_small_float_is_a_number():
    for value in (tf.constant(0.5, "bfloat16").numpy()[()], np.float16(0.5), np.float32(0.5), 0.5):
        assert _checks.positive_float("radius", value) == 0.5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_tensor_of_one_number(dtype):
    for x in (tf.constant(0.5, dtype), tf.constant(0.5, dtype).numpy()):
        assert _checks.float64s("stds", x) == 0.5


def test_small_floats_that_are_not_finite_are_found():
    with pytest.raises(ValueError, match=r"x holds nan at index \(1, 0\): want finite"):
        _checks.floats("x", tf.constant([[1.0], [np.nan]], "bfloat16"))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((2, 2), "uint8"),
            r"x has dtype uint8: .*such as x / 127.5 - 1 for 0-255 and tanh$",
        ),
        (np.array([[0, 200]]), r"x has dtype int64: .*such as x / 127.5 - 1 for 0-255 and tanh$"),
        (np.array([[0, 9]]), r"x has dtype int64: .* last layer, such as np.float32\(x\)$"),
        (np.array([[-1, 255]]), r"x has dtype int64: .* last layer, such as np.float32\(x\)$"),
        (np.array([[True]]), r"x has dtype bool: want floats, such as 2.0 \* x - 1 for tanh$"),
        (np.array([[1j]]), "x has dtype complex128: want floats, such as x.real and x.imag"),
        (["a", "b"], "x has dtype <U1: want floats, and it holds np.str_.'a'.$|holds 'a'$"),
        (np.array([["2.5", 1.0]], object), "x has dtype object: want floats, and it holds '2.5'$"),
        (np.array([[1.0, None]], object), "x has dtype object: want floats, and it holds None$"),
        (np.array([[1.0, 2]], object), r"x has dtype object: want floats, such as np.float32\(x\)$"),
        (
            np.array(["2020-01-01"], "M8[D]"),
            "x has dtype datetime64.*: want floats, .* holds .*2020-01-01",
        ),
        (
            scipy.sparse.csr_matrix(np.eye(2)),
            r"x is of type csr_matrix: .*such as x.toarray\(\)$",
        ),
        (tf.sparse.from_dense(np.eye(2)), "x is of type SparseTensor: want an array$"),
        (tf.ragged.constant([[1.0], [1.0, 2.0]]), r"x is of type RaggedTensor: .*such as x.to_tensor\(\)$"),
        (keras.Input((2,)), "x is no array: want .*KerasTensor"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], "x is no array: want examples of one shape; "),
        ([[1.0], [1.0, 2.0]], "x is no array: want examples of one shape; "),
        ({"x": X}, "x is of type dict: want an array$"),
        (None, "x is of type NoneType: want an array$"),
        ((row for row in X), "x is of type generator: want an array$"),
        (tf.data.Dataset.from_tensors(X), "x is of type .*Dataset: want an array$"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), r"x holds masked numbers: want .*x.filled\(...\)$"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_said_fits_what_was_given(x, message):
    with pytest.raises(ValueError, match=message):
        _checks.floats("x", x)


def test_a_masked_array_without_masked_numbers_is_an_array():
    np.testing.assert_array_equal(_checks.floats("x", np.ma.masked_array(X, False)), X)


def test_a_tensor_of_torch_with_a_gradient():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with pytest.raises(ValueError, match=r"x is of type Tensor: want an array; .*requires grad"):
        _checks.floats("x", Tensor())


class TestTables:
    """DataFrames and Series; pandas comes with mlxtend."""

    pd = pytest.importorskip("pandas")

    def test_numbers_of_all_kinds_are_taken(self):
        table = self.pd.DataFrame({"a": [0.5, 2.0], "b": [1, 3], "c": np.array([4, 5], "uint8")})
        wanted = np.array([[0.5, 1, 4], [2, 3, 5]], "float32")
        for taken in (table, table.convert_dtypes(), table.astype("Float64"), table.astype("Float32")):
            found = _checks.floats("x", taken)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, wanted)
        for column in (table["a"], table["a"].astype("Float64")):
            np.testing.assert_array_equal(_checks.floats("x", column), [0.5, 2])

    def test_a_missing_number_is_nan_and_has_its_index(self):
        table = self.pd.DataFrame({"a": [0.5, 2.0, 3.0], "b": [1, 3, None]})
        for taken in (table, table.convert_dtypes()):
            with pytest.raises(ValueError, match=r"x holds nan at index \(2, 1\)"):
                _checks.floats("x", taken)

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            (["u", "v"], "(object|str)"),
            (["1.5", "2"], "(object|str)"),
            ([True, False], "bool"),
            ([1.5, "v"], "object"),
            (np.array(["2020", "2021"], "M8[ns]"), "datetime64.*"),
        ],
    )
    def test_the_column_without_numbers_is_named(self, values, dtype):
        table = self.pd.DataFrame({"a": [0.5, 2.0], "b": [1, 3], "name of it": values})
        with pytest.raises(
            ValueError, match=rf"^x has the column 'name of it' of dtype {dtype}: want columns"
        ):
            _checks.floats("x", table)
        with pytest.raises(ValueError, match=r"^x has (the column 'name of it' of )?dtype "):
            _checks.floats("x", table["name of it"])

    def test_of_many_columns_three_are_named(self):
        table = self.pd.DataFrame({f"c{i}": ["u", "v"] for i in range(7)})
        with pytest.raises(ValueError, match=r"'c0' of .*, 'c1' of .*, 'c2' of dtype \w+ and 4 more: want"):
            _checks.floats("x", table)

    def test_whole_numbers_alone_are_no_floats(self):
        with pytest.raises(ValueError, match=r"x has dtype int64: .*, such as np.float32\(x\)"):
            _checks.floats("x", self.pd.DataFrame({"a": [1, 2]}))


def test_pictures_in_0_to_1():
    rng = np.random.default_rng(0)
    for low, high, seem in (
        (0, 1, True),
        (0.1, 0.9, True),
        (-0.05, 1, False),
        (-1, 1, False),
        (0.4, 0.6, False),
    ):
        x = rng.uniform(low, high, (3, 4, 4, 1))
        assert _checks.seem_from_0_to_1(x) is seem
    for level in (-1.0, 0.0, 0.5, 1.0):  # from a generator that failed
        assert _checks.seem_from_0_to_1(np.full((3, 4, 4, 1), level)) is False
    light = np.ones((3, 4, 4, 1))
    light[0, 0, 0] = 0.3
    assert _checks.seem_from_0_to_1(light) is False
