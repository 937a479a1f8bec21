"""How good are the samples? Modes of toy densities; and distances between two sets of samples or features.

Features are whatever represents a sample as a vector: pixels, or better the last hidden layer of a small
classifier (`ganbook.digit_features`), as the Inception network's is in the FID and KID of the literature.
"""

import numpy as np

from ganbook import _checks
from ganbook.densities import Mixture


def _nearest_mode(samples, mixture):
    """For each sample: the index of the nearest mode, and how many of its standard deviations away it is."""
    from scipy.spatial.distance import cdist

    if not isinstance(mixture, Mixture):
        raise ValueError(f"mixture={type(mixture).__name__}: want a ganbook.Mixture, such as ganbook.ring()")
    samples = _checks.floats("samples", samples, shape=(mixture.dim,))
    distance = cdist(samples, mixture.centers) / mixture.stds
    nearest = distance.argmin(axis=1)
    return nearest, distance[np.arange(len(samples)), nearest]


def high_quality_share(samples, mixture, radius=3.0):
    """The share of samples within `radius` standard deviations of a mode, in [0, 1].

    With radius 3 these are the "high quality samples" of Srivastava et al. 2017 (arXiv:1705.07761). The
    share is not 1 for p_data itself: in two dimensions it is 1 - exp(-9/2) = 0.989.

    Args:
        samples: (n, d) finite floats.
        mixture: `ganbook.Mixture` of the same d.
    """
    radius = _checks.positive_float("radius", radius)
    return float((_nearest_mode(samples, mixture)[1] <= radius).mean())


def modes_covered(samples, mixture, radius=3.0, min_samples=1):
    """How many modes have at least `min_samples` samples within `radius` standard deviations.

    One stray sample covers a mode by the usual count (arXiv:1705.07761); raise `min_samples` to ask for
    more. Arguments as for `high_quality_share`.
    """
    min_samples = _checks.positive_int("min_samples", min_samples)
    radius = _checks.positive_float("radius", radius)
    nearest, distance = _nearest_mode(samples, mixture)
    counts = np.bincount(nearest[distance <= radius], minlength=len(mixture.centers))
    return int((counts >= min_samples).sum())


def mode_counts(samples, mixture):
    """How many samples are nearest to each mode, by its standard deviations, near or far: ints, (n_modes,).

    Arguments as for `high_quality_share`.
    """
    nearest, _ = _nearest_mode(samples, mixture)
    return np.bincount(nearest, minlength=len(mixture.centers))


def unevenness(counts):
    """The Kullback-Leibler divergence of shares from equal ones, in nats: 0 if even, log(n) if one has all.

    Of counts by mode or class it is the "reverse KL" of Lin et al. 2018 (PacGAN, arXiv:1712.04086) where
    all are equally frequent in the data. Noise that goes everywhere is even too: ask for quality beside it.

    Args:
        counts: (n,) numbers of at least 0, such as `mode_counts(samples, ring)` or
            `np.bincount(digit_labels(pictures), minlength=10)`.
    """
    counts = _checks.array("counts", counts)
    fit = counts.ndim == 1 and counts.dtype.kind in "iuf" and (np.isfinite(counts) & (counts >= 0)).all()
    if not fit or not counts.any():
        raise ValueError(f"counts={counts}: want a row of numbers of at least 0, not all of them 0")
    shares = counts / counts.sum(dtype="float64")
    seen = shares[shares > 0]
    return float(np.sum(seen * np.log(seen * len(shares))))


def frechet_distance(a, b):
    """The Frechet distance between Gaussians fitted to two sets of features: FID on these features.

    The squared distance of the means, plus trace(C_a + C_b - 2 (C_a C_b)^(1/2)): at least 0 (Heusel et al.
    2017, arXiv:1706.08500, equation 6). Estimated from n features it is too large by an amount that falls
    like 1/n, so compare only values from equally large sets.

    Args:
        a, b: (n, d) and (m, d) finite floats.
    """
    from scipy.linalg import eigvals

    a, b = _two_sets(a, b, at_least=2)
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # The trace of a root is the sum of the eigenvalues' roots. Rounding makes some a little negative.
    root = np.sqrt(np.clip(eigvals(cov_a @ cov_b).real, 0.0, None)).sum()
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2.0 * root
    return max(float(distance), 0.0)


def kernel_distance(a, b):
    """The squared maximum mean discrepancy with the kernel (x.y / d + 1)^3: KID on these features.

    Unbiased (Binkowski et al. 2018, arXiv:1801.01401, section 4): on two sets from one distribution it is 0
    on average, and so falls below 0 now and then. Arguments as for `frechet_distance`.
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    a, b = _two_sets(a, b, at_least=2)

    def mean_of_pairs(x):  # of distinct ones: with x_i against itself it would be biased
        kernel = polynomial_kernel(x, degree=3, coef0=1)
        return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))

    between = polynomial_kernel(a, b, degree=3, coef0=1).mean()
    return float(mean_of_pairs(a) + mean_of_pairs(b) - 2.0 * between)


def nearest_neighbour_accuracy(a, b):
    """How often the nearest other point is of the same set, leaving one out: the two-sample 1-NN test.

    1/2 where the sets come from one distribution, 1 where they lie apart, and near 0 where each point of
    one set is a copy of one of the other (Lopez-Paz and Oquab 2017, arXiv:1610.06545).

    Args:
        a, b: (n, d) finite floats, equally many, or 1/2 would not be chance.
    """
    from sklearn.neighbors import NearestNeighbors

    a, b = _two_sets(a, b, at_least=2)
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} examples, b has {len(b)}: want equally many")
    is_a = np.arange(len(a) + len(b)) < len(a)
    nearest = NearestNeighbors(n_neighbors=1).fit(np.concatenate([a, b])).kneighbors(return_distance=False)
    return float((is_a[nearest[:, 0]] == is_a).mean())


def precision_recall(samples, data, k=3):
    """Precision: the share of samples among the data. Recall: the share of the data among the samples.

    "Among" a set means within one of its balls, each about one of its points and as large as the distance
    to that point's k-th neighbour (Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1 and 2).

    Args:
        samples, data: (n, d) and (m, d) finite floats; more than k of each.

    Returns:
        Precision and recall, each in [0, 1].
    """
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestNeighbors

    k = _checks.positive_int("k", k)
    samples, data = _two_sets(samples, data, at_least=k + 1, names=("samples", "data"))

    def radii(x):
        return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]

    distance = cdist(samples, data)
    precision = (distance <= radii(data)).any(axis=1).mean()
    recall = (distance <= radii(samples)[:, None]).any(axis=0).mean()
    return float(precision), float(recall)


def _two_sets(a, b, at_least, names=("a", "b")):
    a = _checks.floats(names[0], a, shape=(None,)).astype("float64")
    b = _checks.floats(names[1], b, shape=a.shape[1:]).astype("float64")
    for name, x in zip(names, (a, b), strict=True):
        if len(x) < at_least:
            raise ValueError(f"{name} has {len(x)} examples: want at least {at_least}")
    return a, b
