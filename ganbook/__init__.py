"""Helpers of *ganbook*, the book on generative adversarial networks that runs."""

from ganbook import (
    _backend,  # noqa: F401  (first: a clear error where TensorFlow is missing)
    data,
    divergences,
    losses,
    metrics,
    networks,
    plots,
)
from ganbook.claims import ClaimError, claim, seed
from ganbook.data import Mixture, batches, digits, grid, mixture_1d, ring
from ganbook.gan import GAN
from ganbook.losses import MaximumLikelihood, Minimax, NonSaturating
from ganbook.metrics import high_quality_share, modes_covered
from ganbook.networks import mlp

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "ClaimError",
    "MaximumLikelihood",
    "Minimax",
    "Mixture",
    "NonSaturating",
    "batches",
    "claim",
    "data",
    "digits",
    "divergences",
    "grid",
    "high_quality_share",
    "losses",
    "metrics",
    "mixture_1d",
    "mlp",
    "modes_covered",
    "networks",
    "plots",
    "ring",
    "seed",
]
