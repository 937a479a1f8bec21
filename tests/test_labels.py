"""Labels that are few, and codes that are matched with classes."""

import itertools

import numpy as np
import pytest

from ganbook import few_labels, match_classes

rng = np.random.default_rng(0)
Y = rng.permutation(np.repeat(np.arange(5), [40, 50, 60, 8, 42]))


class TestFewLabels:
    @pytest.mark.parametrize("n", [5, 7, 13, 40])
    def test_every_class_is_drawn_equally_often_to_within_one(self, n):
        drawn = few_labels(Y, n, 5, seed=3)
        assert len(set(drawn.tolist())) == n == len(drawn)
        assert drawn.dtype == np.int64
        assert set(np.bincount(Y[drawn], minlength=5)) <= {n // 5, -(-n // 5)}

    def test_one_seed_draws_the_same_and_another_others(self):
        assert few_labels(Y, 20, 5, 1).tolist() == few_labels(Y, 20, 5, 1).tolist()
        assert set(few_labels(Y, 20, 5, 1)) != set(few_labels(Y, 20, 5, 2))

    def test_within_a_class_all_are_drawn_equally_often(self):
        """5,000 draws of two from the eight of class 3, whose share of the draws is 1/4 each."""
        drawn = np.concatenate([few_labels(Y, 10, 5, seed) for seed in range(5000)])
        times = np.bincount(drawn, minlength=len(Y))[Y == 3]
        assert times.sum() == 10_000
        assert np.abs(times - 1250).max() < 5 * np.sqrt(5000 * 3 / 16)

    def test_what_is_left_over_falls_to_any_class(self):
        extra = np.array([np.bincount(Y[few_labels(Y, 6, 5, seed)], minlength=5) for seed in range(500)])
        assert np.abs(extra.mean(0) - 1.2).max() < 5 * np.sqrt(0.16 / 500)

    def test_the_order_tells_nothing_of_the_class(self):
        first = [Y[few_labels(Y, 5, 5, seed)[0]] for seed in range(500)]
        assert np.abs(np.bincount(first) - 100).max() < 5 * np.sqrt(80)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((Y, 4, 5, 0), "n=4: want at least n_classes=5"),
            ((Y, 10, 4, 0), "y holds the label 4: want labels of at least 0 and below 4"),
            ((Y, 12, 6, 0), "y holds the label 5 0 times: want at least 2 for n=12"),
            ((Y, 50, 5, 0), "y holds the label 3 8 times: want at least 10 for n=50"),
            ((Y - 1, 10, 5, 0), "y holds the label -1"),
            ((Y / 1.0, 10, 5, 0), "y has dtype float64"),
            ((Y[:, None], 10, 5, 0), "want integer labels of shape"),
            ((Y, 10.0, 5, 0), "n=10.0: want"),
            ((Y, 10, 0, 0), "n_classes=0: want"),
            ((Y, 10, 5, -1), "seed=-1: want"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            few_labels(*arguments)


class TestMatchClasses:
    @pytest.mark.parametrize("seed", range(20))
    def test_no_other_matching_agrees_more_often(self, seed):
        """All 120 tried."""
        r = np.random.default_rng(seed)
        codes, y = r.integers(0, 5, (2, 30))
        best = max(sum(np.array(p)[codes] == y) for p in itertools.permutations(range(5)))
        matched = match_classes(codes, y, 5, 5)
        assert sorted(matched) == list(range(5))
        assert (matched[codes] == y).sum() == best

    def test_a_permutation_is_undone(self):
        permuted = rng.permutation(5)
        np.testing.assert_array_equal(permuted[match_classes(permuted[Y], Y, 5, 5)], np.arange(5))

    def test_codes_left_over_agree_with_nothing(self):
        """Class 0 falls on codes 0 and 3, of which 3 has more."""
        matched = match_classes([0, 3, 3, 1, 2], [0, 0, 0, 1, 2], 4, 3)
        assert matched.tolist() == [-1, 1, 2, 0]

    def test_more_classes_than_codes(self):
        assert match_classes([0, 0, 1], [2, 2, 0], 2, 3).tolist() == [2, 0]

    def test_matched_and_scored_on_the_same_luck_looks_like_skill(self):
        """As the docstring says: 14 % of 1,000, and a tenth where it is scored on others."""
        same, other = [], []
        for seed in range(50):
            codes, y = np.random.default_rng(seed).integers(0, 10, (2, 2000))
            matched = match_classes(codes[:1000], y[:1000], 10, 10)
            right = matched[codes] == y
            same.append(right[:1000].mean())
            other.append(right[1000:].mean())
        assert np.mean(same) == pytest.approx(0.144, abs=0.003)
        assert np.mean(other) == pytest.approx(0.1, abs=0.005)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0, 1], [0], 2, 2), "codes has 2 examples, y has 1"),
            (([0, 2], [0, 1], 2, 2), "codes holds the label 2"),
            (([0, 1], [0, 2], 2, 2), "y holds the label 2"),
            (([0, 1], [0, 1], 0, 2), "n_codes=0: want"),
            (([0, 1], [0, 1], 2, True), "n_classes=True: want"),
            (([0.5, 1], [0, 1], 2, 2), "codes has dtype float64"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            match_classes(*arguments)
