"""Toy densities against their closed forms and against scipy."""

import numpy as np
import pytest
from scipy import integrate, stats

from ganbook import Mixture, grid, mixture_1d, ring

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
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
