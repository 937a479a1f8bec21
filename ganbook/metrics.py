"""How good are the samples? Measures for toy densities, whose modes are known."""

import numpy as np

from ganbook import _checks


def _nearest_mode(samples, mixture, radius):
    """For each sample: the index of the nearest mode, and whether it lies within `radius` stds of it."""
    from scipy.spatial.distance import cdist

    samples = _checks.floats("samples", samples, shape=(mixture.dim,))
    radius = _checks.positive_float("radius", radius)
    distance = cdist(samples, mixture.centers) / mixture.stds
    nearest = distance.argmin(axis=1)
    return nearest, distance[np.arange(len(samples)), nearest] <= radius


def high_quality_share(samples, mixture, radius=3.0):
    """The share of samples within `radius` standard deviations of a mode, in [0, 1].

    With radius 3 these are the "high quality samples" of Srivastava et al. 2017 (arXiv:1705.07761). The
    share is not 1 for p_data itself: in two dimensions it is 1 - exp(-9/2) = 0.989.

    Args:
        samples: (n, d) finite floats.
        mixture: `ganbook.Mixture` of the same d.
    """
    return float(_nearest_mode(samples, mixture, radius)[1].mean())


def modes_covered(samples, mixture, radius=3.0, min_samples=1):
    """How many modes have at least `min_samples` samples within `radius` standard deviations.

    One stray sample covers a mode by the usual count (arXiv:1705.07761); raise `min_samples` to ask for
    more. Arguments as for `high_quality_share`.
    """
    min_samples = _checks.positive_int("min_samples", min_samples)
    nearest, close = _nearest_mode(samples, mixture, radius)
    counts = np.bincount(nearest[close], minlength=len(mixture.centers))
    return int((counts >= min_samples).sum())
