"""The metrics against loops over samples and modes, or over pairs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import linalg, stats

from ganbook import (
    GAN,
    Mixture,
    frechet_distance,
    grid,
    high_quality_share,
    kernel_distance,
    mlp,
    mode_counts,
    modes_covered,
    nearest_neighbour_accuracy,
    precision_recall,
    ring,
    unevenness,
)


def brute_force(samples, mixture, radius, min_samples):
    hits = [0] * len(mixture.centers)
    for x in samples:
        distances = [np.hypot(*(x - m)) / s for m, s in zip(mixture.centers, mixture.stds, strict=True)]
        if min(distances) <= radius:
            hits[distances.index(min(distances))] += 1
    return sum(h >= min_samples for h in hits), sum(hits) / len(samples)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mixture", [ring(std=0.1), grid(), Mixture([[0, 0], [1, 0]], [0.1, 0.5])])
def test_against_brute_force(mixture, seed):
    rng = np.random.default_rng(seed)
    stray = rng.uniform(-3, 3, (200, 2)).astype("float32")
    few = mixture.centers[: 2 + seed % 2].repeat(20, axis=0).astype("float32") + 0.1
    for samples in (stray, few, np.concatenate([stray, few])):
        for radius, least in ((3.0, 1), (1.5, 4)):
            expected = brute_force(samples, mixture, radius, least)
            assert modes_covered(samples, mixture, radius, least) == expected[0]
            assert high_quality_share(samples, mixture, radius) == pytest.approx(expected[1])


def test_counts_by_mode_by_loops_over_samples_near_and_far():
    mixture = Mixture([[0, 0], [1, 0], [9, 9]], [0.1, 0.5, 1.0])
    samples = np.random.default_rng(0).uniform(-3, 3, (200, 2)).astype("float32")
    expected = [0, 0, 0]
    for x in samples:
        away = [np.hypot(*(x - m)) / s for m, s in zip(mixture.centers, mixture.stds, strict=True)]
        expected[away.index(min(away))] += 1
    assert mode_counts(samples, mixture).tolist() == expected
    assert min(expected) < 200 == sum(expected)


@pytest.mark.parametrize(
    "counts", [[3, 1, 4, 1, 5], [2, 0, 7], [0, 5], [0.25, 0.5, 0.25], [9], np.arange(1000)]
)
def test_unevenness_is_the_divergence_from_equal_shares(counts):
    shares = np.array(counts) / np.sum(counts)
    equal = np.full(len(counts), 1 / len(counts))
    assert unevenness(counts) == pytest.approx(stats.entropy(shares, equal), abs=1e-12)


def test_unevenness_at_both_ends():
    assert unevenness(np.full(8, 2**31)) == 0
    assert unevenness(np.eye(8, dtype=int)[3]) == pytest.approx(np.log(8))
    assert unevenness([1, 1, 0, 0]) == pytest.approx(np.log(2))


def test_the_data_itself_covers_every_mode_and_has_the_share_in_the_docstring():
    samples = ring().sample(200_000, seed=1)
    assert modes_covered(samples, ring(), min_samples=20_000) == 8
    assert high_quality_share(samples, ring()) == pytest.approx(1 - np.exp(-9 / 2), abs=2e-3)


def test_defaults_and_a_sample_at_the_radius_itself():
    one = Mixture([[0, 0], [64, 0]], [1.0, 1.0])
    for distance, inside in ((3.0, 1), (3.25, 0)):
        x = np.array([[0.0, distance]])
        assert modes_covered(x, one) == inside
        assert high_quality_share(x, one) == inside


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_samples_of_any_precision(dtype):
    """Those of a generator of mixed precision count as the float32 of the same value."""
    samples = tf.cast(ring(std=0.1).sample(300, seed=5), dtype)
    others = tf.cast(ring(std=0.2).sample(300, seed=6), dtype)
    single, other = (tf.cast(x, "float32").numpy() for x in (samples, others))
    for a, b in ((samples, others), (samples.numpy(), others.numpy())):
        for metric in (modes_covered, high_quality_share):
            assert metric(a, ring(std=0.1)) == metric(single, ring(std=0.1))
        for metric in (frechet_distance, kernel_distance, nearest_neighbour_accuracy, precision_recall):
            assert metric(a, b) == metric(single, other)


def test_a_gan_of_mixed_precision():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        gan = GAN(mlp(3, [4], 2), mlp(2, [4], 1), latent_dim=3, seed=0)
        samples = gan(gan.sample_z(9))
    finally:
        keras.config.set_dtype_policy(before)
    assert samples.dtype == tf.bfloat16
    assert modes_covered(samples, ring(radius=1.0, std=9.0)) >= 1


def test_one_mode_only():
    samples = ring().sample(5000, seed=2)
    right = samples[np.linalg.norm(samples - [2, 0], axis=1) < 0.5]
    assert modes_covered(right, ring()) == 1


@pytest.mark.parametrize(
    ("samples", "others", "message"),
    [
        (np.zeros((5, 3), "float32"), {}, r"samples has examples of shape \(3,\): want \(2,\)"),
        (np.zeros((0, 2), "float32"), {}, r"samples has shape \(0, 2\)"),
        (np.zeros((5, 2), "int64"), {}, "samples has dtype int64"),
        (np.array([[0.0, np.nan]]), {}, r"samples holds nan at index \(0, 1\)"),
        (np.zeros((5, 2)), {"radius": -1.0}, "radius=-1.0"),
    ],
)
def test_bad_input(samples, others, message):
    for metric in (modes_covered, high_quality_share):
        with pytest.raises(ValueError, match=message):
            metric(samples, ring(), **others)
    with pytest.raises(ValueError, match="min_samples=0"):
        modes_covered(np.zeros((5, 2)), ring(), min_samples=0)


# Two sets of features.

RNG = np.random.default_rng(0)
A = RNG.normal(size=(60, 5)) @ RNG.normal(size=(5, 5))
B = RNG.normal(size=(60, 5)) * 0.7 + 0.5


def test_frechet_distance_against_the_matrix_root():
    cov_a, cov_b = np.cov(A.T), np.cov(B.T)
    root = linalg.sqrtm(cov_a @ cov_b)
    expected = ((A.mean(0) - B.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root).real
    assert frechet_distance(A, B) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(B, A) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_in_one_dimension():
    a, b = A[:, :1], B[:, :1]
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_a_set_to_itself_and_with_a_singular_covariance():
    assert frechet_distance(A, A) == pytest.approx(0, abs=1e-5)
    flat = np.concatenate([A, np.zeros((60, 3))], axis=1)
    assert frechet_distance(flat, flat + 1) == pytest.approx(8, rel=1e-4)


def test_kernel_distance_against_loops_over_pairs():
    def k(x, y):
        return (x @ y / 5 + 1) ** 3

    n, total = len(A), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += (k(A[i], A[j]) + k(B[i], B[j])) / (n * (n - 1))
            total -= 2 * k(A[i], B[j]) / n**2
    assert kernel_distance(A, B) == pytest.approx(total, rel=1e-4)


def test_kernel_distance_is_unbiased():
    draws = np.random.default_rng(1).normal(size=(400, 2, 20, 5))
    values = np.array([kernel_distance(a, b) for a, b in draws])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 4 * error
    assert (values < 0).any()

    def mean_of_all_pairs(a, b):  # x_i against itself too
        return ((a @ b.T / 5 + 1) ** 3).mean()

    biased = [
        mean_of_all_pairs(a, a) + mean_of_all_pairs(b, b) - 2 * mean_of_all_pairs(a, b) for a, b in draws
    ]
    assert np.mean(biased) > 4 * error  # so the first line would see that bias


def test_nearest_neighbour_accuracy_against_loops():
    points, hits = np.concatenate([A, B]), 0
    for i, p in enumerate(points):
        away = [np.linalg.norm(p - q) if i != j else np.inf for j, q in enumerate(points)]
        hits += (np.argmin(away) < 60) == (i < 60)
    assert nearest_neighbour_accuracy(A, B) == pytest.approx(hits / 120)


def test_nearest_neighbour_accuracy_of_copies_equals_and_strangers():
    assert nearest_neighbour_accuracy(A, A + 1e-6) == 0
    assert nearest_neighbour_accuracy(A, A + 100) == 1
    same = np.random.default_rng(2).normal(size=(4000, 3))
    assert nearest_neighbour_accuracy(same[:2000], same[2000:]) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_recall_against_loops(k):
    def among(points, others):
        hits = 0
        for p in points:
            for q in others:
                radius = sorted(np.linalg.norm(q - o) for o in others)[k]  # the first is q itself
                if np.linalg.norm(p - q) <= radius:
                    hits += 1
                    break
        return hits / len(points)

    a, b = A[:30].astype("float32"), B[:40].astype("float32")
    assert precision_recall(a, b, k) == pytest.approx((among(a, b), among(b, a)))


def test_precision_recall_tells_a_dropped_mode_from_strays():
    data, samples = ring(std=0.1).sample(1000, seed=3), ring(std=0.1).sample(1000, seed=4)
    assert min(precision_recall(samples, data)) > 0.9
    precision, recall = precision_recall(samples[samples[:, 0] > 0], data)
    assert precision > 0.9
    assert recall < 0.65
    strays = np.concatenate([samples[:500], np.random.default_rng(5).uniform(4, 9, (500, 2))])
    assert precision_recall(strays, data)[0] < 0.55


def test_two_examples_are_enough():
    """By hand: the variances of 0, 2 and of 0, 4 are 2 and 8, and the kernel is (xy + 1)^3."""
    a, b = np.array([[0.0], [2.0]]), np.array([[0.0], [4.0]])
    assert frechet_distance(a, b) == pytest.approx(1 + 2 + 8 - 2 * 4)
    assert kernel_distance(a, b) == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 9**3) / 4)
    assert nearest_neighbour_accuracy(a, b + 8) == 1


def test_precision_recall_counts_a_point_on_the_edge_of_a_ball():
    """Balls of radius 1 about 0 and 1, and of radius 2 about 2 and 4."""
    assert precision_recall(np.array([[2.0], [4.0]]), np.array([[0.0], [1.0]]), k=1) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, B[:, :4], r"(b|data) has examples of shape \(4,\): want \(5,\)"),
        (A[:1], B, r"(a|samples) has 1 examples: want at least"),
        (A, B[:1], r"(b|data) has 1 examples: want at least"),
        (np.where(A > 1, np.inf, A), B, r"(a|samples) holds inf"),
        (A[:, 0], B, r"(a|samples) has examples of shape \(\)"),
        (A.astype(int), B, r"(a|samples) has dtype int64"),
    ],
)
@pytest.mark.parametrize(
    "metric", [frechet_distance, kernel_distance, nearest_neighbour_accuracy, precision_recall]
)
def test_bad_sets(metric, a, b, message):
    with pytest.raises(ValueError, match=message):
        metric(a, b)


def test_bad_arguments_of_two_sets():
    with pytest.raises(ValueError, match="a has 60 examples, b has 59: want equally many"):
        nearest_neighbour_accuracy(A, B[1:])
    with pytest.raises(ValueError, match="k=0: want an int"):
        precision_recall(A, B, k=0)
    with pytest.raises(ValueError, match="samples has 3 examples: want at least 4"):
        precision_recall(A[:3], B)
