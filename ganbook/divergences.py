"""Divergences between densities that are known on a grid, in nats, and the optimal discriminator.

Densities are arrays of one shape, their values at the centres of equal cells; `cell` is the length, area or
volume of one. Sums over cells are exact enough where the grid is fine and reaches far into the tails.
"""

import numpy as np

from ganbook import _checks


def kl(p, q, cell):
    """KL(p || q), the integral of p log(p / q). Infinite where p has mass and q is 0.

    Raises:
        ValueError: a density is negative, not finite, or does not integrate to 1 within 0.01.
    """
    from scipy.special import rel_entr

    p, q = _densities(p, q, cell)
    return float(rel_entr(p, q).sum() * cell)


def js(p, q, cell, pi=0.5):
    """The Jensen-Shannon divergence pi KL(p || m) + (1 - pi) KL(q || m), with m = pi p + (1 - pi) q.

    With pi = 1/2 it is that of Goodfellow et al. 2014 (arXiv:1406.2661), Theorem 1: between 0 and log 2.
    Divided by pi it tends to KL(p || q) for pi -> 0, and divided by 1 - pi to KL(q || p) for pi -> 1
    (Huszar 2015, arXiv:1511.05101).

    Args:
        pi: the weight of p, in (0, 1).
    """
    if not _checks.is_real(pi) or not 0.0 < pi < 1.0:
        raise ValueError(f"pi={pi!r}: want a number in (0, 1)")
    p, q = _densities(p, q, cell)
    m = pi * p + (1.0 - pi) * q
    return pi * kl(p, m, cell) + (1.0 - pi) * kl(q, m, cell)


def by_counts(points, edges):
    """The density of points in the plane, by counts in squares: something for `js` to compare.

    Args:
        points: (n, 2) finite floats. Those beyond the edges count in the squares at the rim.
        edges: (m + 1,) increasing floats, the edges of the squares along both axes.

    Returns:
        (m, m) float64 that integrates to 1 over the squares.
    """
    points = _checks.floats("points", points, shape=(2,))
    edges = _checks.float64s("edges", edges)
    if edges.ndim != 1 or len(edges) < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise ValueError(f"edges={edges.tolist()}: want at least two finite numbers, increasing")
    return np.histogram2d(*np.clip(points, edges[0], edges[-1]).T, edges, density=True)[0]


def optimal_discriminator(p_data, p_g):
    """D* = p_data / (p_data + p_g), in [0, 1], NaN where both are 0 (2014 paper, Proposition 1)."""
    p_data, p_g = _checks.float64s("p_data", p_data), _checks.float64s("p_g", p_g)
    try:
        np.broadcast_shapes(p_data.shape, p_g.shape)
    except ValueError:
        message = f"p_data has shape {p_data.shape}, p_g has shape {p_g.shape}: want one grid for both"
        raise ValueError(message) from None
    for name, density in (("p_data", p_data), ("p_g", p_g)):
        if not (density >= 0).all():  # not so of NaN either
            raise ValueError(f"{name} has the value {density.min()}: want none below 0, and no NaN")
    with np.errstate(invalid="ignore"):
        return p_data / (p_data + p_g)


def _densities(p, q, cell):
    cell = _checks.positive_float("cell", cell)
    p, q = _checks.float64s("p", p), _checks.float64s("q", q)
    if p.shape != q.shape:
        raise ValueError(f"p has shape {p.shape}, q has shape {q.shape}: want one grid for both")
    for name, density in (("p", p), ("q", q)):
        if not np.isfinite(density).all() or (density < 0).any():
            low, high = density.min(), density.max()
            raise ValueError(f"{name} has values from {low} to {high}: want finite, none below 0")
        mass = density.sum() * cell
        if abs(mass - 1.0) > 0.01:
            raise ValueError(f"{name} integrates to {mass:.4g} with cell={cell:.4g}: want 1 within 0.01")
    return p, q
