"""Toy densities that are known exactly: p_data at every point, and as many draws from it as wanted."""

import numpy as np

from ganbook import _checks


class Mixture:
    """A mixture of spherical Gaussians, p_data known at every point.

    Args:
        centers: (k, d), or (k,) for d = 1.
        stds: the standard deviation of each component, (k,) or one number for all.
        weights: (k,), positive; they are normalised. Default: equal.
    """

    def __init__(self, centers, stds, weights=None):
        centers = _checks.floats("centers", _checks.float64s("centers", centers)).astype("float64")
        self.centers = centers[:, None] if centers.ndim == 1 else centers
        if self.centers.ndim != 2:
            raise ValueError(f"centers has shape {centers.shape}: want (k, d) or (k,)")
        self.stds = self._per_component("stds", stds)
        weights = self._per_component("weights", 1.0 if weights is None else weights)
        self.weights = weights / weights.sum()

    def _per_component(self, name, values):
        values = _checks.float64s(name, values)
        k = len(self.centers)
        if values.shape not in ((), (k,)) or not np.all((values > 0) & (values < np.inf)):
            raise ValueError(f"{name}={values.tolist()}: want finite numbers above 0, one or {k} of them")
        return np.broadcast_to(values, (k,)).copy()

    @property
    def dim(self):
        return self.centers.shape[1]

    def sample(self, n, seed):
        """n independent draws, (n, d) float32. The same int seed gives the same draws."""
        n = _checks.positive_int("n", n)
        rng = np.random.default_rng(_checks.random_seed(seed))
        which = rng.choice(len(self.centers), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.dim)) * self.stds[which, None]
        return (self.centers[which] + noise).astype("float32")

    def log_density(self, x):
        """log p_data at x: (n, d) -> (n,) float64."""
        from scipy.special import logsumexp

        x = _checks.floats("x", x, shape=(self.dim,)).astype("float64")
        square = ((x[:, None, :] - self.centers) ** 2).sum(-1) / self.stds**2
        normaliser = self.dim * np.log(self.stds * np.sqrt(2 * np.pi))
        return logsumexp(-0.5 * square - normaliser, axis=1, b=self.weights)

    def density(self, x):
        """p_data at x: (n, d) -> (n,) float64."""
        return np.exp(self.log_density(x))


def ring(n_modes=8, radius=2.0, std=0.02):
    """Gaussians on a circle, by default the ring of Metz et al. 2017 (arXiv:1611.02163)."""
    n_modes = _checks.positive_int("n_modes", n_modes)
    radius = _checks.positive_float("radius", radius)
    # endpoint=False: with the end included, 0 and 2 pi would be one mode.
    angles = np.linspace(0.0, 2.0 * np.pi, n_modes, endpoint=False)
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(side=5, spacing=2.0, std=0.05):
    """Gaussians on a square grid about the origin: 25 in Srivastava et al. 2017 (arXiv:1705.07761)."""
    side = _checks.positive_int("side", side)
    spacing = _checks.positive_float("spacing", spacing)
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2), std)


def mixture_1d(means=(-1.5, 1.5), stds=0.5, weights=None):
    """Gaussians on the line: `Mixture` with d = 1."""
    return Mixture(np.ravel(means), stds, weights)
