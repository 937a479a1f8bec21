import numpy as np
import pytest

from ganbook import mlp


def test_mlp_is_the_matrix_products_written_out():
    net = mlp(3, (5, 4), 2, "relu", "tanh")
    w1, b1, w2, b2, w3, b3 = net.get_weights()
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    hidden = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(net(x), np.tanh(hidden @ w3 + b3), rtol=1e-5, atol=1e-6)


def test_initializer_reaches_the_kernels():
    kernel = mlp(4, (4,), 1, initializer="orthogonal").get_weights()[0]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, (4,), 1), "n_in=0"), ((2, (4, -1), 1), r"hidden\[1\]=-1"), ((2, (4,), 1.5), "n_out=1.5")],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp(*arguments)
