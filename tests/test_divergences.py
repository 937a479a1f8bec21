"""Divergences against closed forms for Gaussians, scipy's distance and limits."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import multivariate_normal, norm

from ganbook.divergences import by_counts, js, kl, optimal_discriminator

x, cell = np.linspace(-20, 20, 8001, retstep=True)
P, Q = norm(0, 1).pdf(x), norm(1.5, 2).pdf(x)
NEAR = norm(0.5, 1.1).pdf(x)
LEFT, RIGHT = (np.where((x > a) & (x < a + 2), 0.5, 0.0) for a in (-3.0, 3.0))
LEFT, RIGHT = (d / (d.sum() * cell) for d in (LEFT, RIGHT))


def gaussian_kl(mean_p, std_p, mean_q, std_q):
    return np.log(std_q / std_p) + (std_p**2 + (mean_p - mean_q) ** 2) / (2 * std_q**2) - 0.5


def test_kl_of_gaussians():
    assert kl(P, Q, cell) == pytest.approx(gaussian_kl(0, 1, 1.5, 2), rel=1e-6)
    assert kl(Q, P, cell) == pytest.approx(gaussian_kl(1.5, 2, 0, 1), rel=1e-6)
    assert kl(P, P, cell) == pytest.approx(0, abs=1e-12)


def test_in_the_plane():
    axis, step = np.linspace(-9, 9, 361, retstep=True)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    p = multivariate_normal([0, 0], np.eye(2)).pdf(points)
    q = multivariate_normal([1, -0.5], np.eye(2)).pdf(points)
    assert kl(p, q, step**2) == pytest.approx((1 + 0.25) / 2, rel=1e-6)


@pytest.mark.parametrize(("p", "q"), [(P, Q), (LEFT, RIGHT), (LEFT, Q)])
def test_js_is_the_square_of_scipys_distance(p, q):
    assert js(p, q, cell) == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-9)
    assert js(p, q, cell) == pytest.approx(js(q, p, cell))


def test_disjoint_supports():
    assert js(LEFT, RIGHT, cell) == pytest.approx(np.log(2), abs=1e-12)
    assert kl(LEFT, RIGHT, cell) == np.inf


def test_js_between_the_two_kls():
    assert js(P, NEAR, cell, pi=1e-4) / 1e-4 == pytest.approx(kl(P, NEAR, cell), rel=1e-3)
    assert js(P, NEAR, cell, pi=1 - 1e-4) / 1e-4 == pytest.approx(kl(NEAR, P, cell), rel=1e-3)


def test_optimal_discriminator():
    """It maximises p log y + q log(1 - y), found here by brute force; undefined where there is nothing."""
    y = np.linspace(0.0005, 0.9995, 1000)
    at = slice(3000, 5000, 100)
    value = P[at, None] * np.log(y) + Q[at, None] * np.log(1 - y)
    np.testing.assert_allclose(optimal_discriminator(P, Q)[at], y[value.argmax(1)], atol=1e-3)
    np.testing.assert_array_equal(optimal_discriminator([1, 0, 0], [0, 1, 0]), [1, 0, np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl(P, Q[:-1], cell), "want one grid for both"),
        (lambda: kl(P, -Q, cell), "q has values from -"),
        (lambda: kl(np.full_like(P, np.nan), Q, cell), "p has values from nan"),
        (lambda: kl(P, Q, 2 * cell), "p integrates to 2 with cell=0.01: want 1"),
        (lambda: kl(P, Q, 0.0), "cell=0.0"),
        (lambda: js(P, Q, cell, pi=0.0), r"pi=0.0: want a number in \(0, 1\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_by_counts_is_the_loop_over_points():
    rng, edges = np.random.default_rng(0), np.linspace(-1, 1, 5)
    points = rng.normal(0, 1, (500, 2)).astype("float32")  # a third of them beyond the edges
    wanted = np.zeros((4, 4))
    for across, up in points:
        i, j = (min(max(int((value + 1) // 0.5), 0), 3) for value in (across, up))
        wanted[i, j] += 1 / 500 / 0.5**2
    density = by_counts(points, edges)
    np.testing.assert_allclose(density, wanted)
    assert density.sum() * 0.5**2 == pytest.approx(1)
    assert js(density, wanted, 0.5**2) == pytest.approx(0, abs=1e-12)


def test_by_counts_wants_points_in_the_plane():
    with pytest.raises(ValueError, match="points"):
        by_counts(np.zeros((5, 3)), [0, 1])
