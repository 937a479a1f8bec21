"""The metrics against loops that compare every sample with every mode."""

import numpy as np
import pytest

from ganbook import Mixture, grid, high_quality_share, modes_covered, ring


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


def test_the_data_itself_covers_every_mode_and_has_the_share_in_the_docstring():
    samples = ring().sample(200_000, seed=1)
    assert modes_covered(samples, ring(), min_samples=20_000) == 8
    assert high_quality_share(samples, ring()) == pytest.approx(1 - np.exp(-9 / 2), abs=2e-3)


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
