"""Batches: whole ones, in an order of their seed."""

import numpy as np
import pytest
from scipy import stats

from ganbook import batches

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
