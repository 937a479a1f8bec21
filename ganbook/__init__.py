"""Helpers of *ganbook*, the book on generative adversarial networks that runs."""

from ganbook import (
    _backend,  # noqa: F401  (first: a clear error where TensorFlow is missing)
    cartoons,
    data,
    divergences,
    layers,
    losses,
    many,
    metrics,
    networks,
    penalties,
    plots,
)
from ganbook.cartoons import faces
from ganbook.checkpoint import Checkpoint
from ganbook.claims import ClaimError, claim, seed
from ganbook.classifiers import digit_features, digit_labels, face_factors, face_features
from ganbook.data import cifar10, digits, svhn
from ganbook.densities import Mixture, grid, mixture_1d, ring
from ganbook.feature_matching import FeatureMatching
from ganbook.folder import pictures
from ganbook.gan import GAN
from ganbook.labels import few_labels, match_classes
from ganbook.layers import AddReference, DropReference, ReferenceBatchNorm, VirtualBatchNorm
from ganbook.losses import MaximumLikelihood, Minimax, NonSaturating, Wasserstein
from ganbook.many import ManyAdam, ManyDense, many_mlp
from ganbook.measured import Recorded, recorded
from ganbook.metrics import (
    frechet_distance,
    high_quality_share,
    kernel_distance,
    mode_counts,
    modes_covered,
    nearest_neighbour_accuracy,
    precision_recall,
    unevenness,
)
from ganbook.monitor import Monitor
from ganbook.networks import (
    coarse_discriminator,
    dcgan_discriminator,
    dcgan_generator,
    mlp,
    noisy_classifier,
    plain_discriminator,
)
from ganbook.penalties import R1GAN, r1
from ganbook.pipeline import batches

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "R1GAN",
    "AddReference",
    "Checkpoint",
    "ClaimError",
    "DropReference",
    "FeatureMatching",
    "ManyAdam",
    "ManyDense",
    "MaximumLikelihood",
    "Minimax",
    "Mixture",
    "Monitor",
    "NonSaturating",
    "Recorded",
    "ReferenceBatchNorm",
    "VirtualBatchNorm",
    "Wasserstein",
    "batches",
    "cartoons",
    "cifar10",
    "claim",
    "coarse_discriminator",
    "data",
    "dcgan_discriminator",
    "dcgan_generator",
    "digit_features",
    "digit_labels",
    "digits",
    "divergences",
    "face_factors",
    "face_features",
    "faces",
    "few_labels",
    "frechet_distance",
    "grid",
    "high_quality_share",
    "kernel_distance",
    "layers",
    "losses",
    "many",
    "many_mlp",
    "match_classes",
    "metrics",
    "mixture_1d",
    "mlp",
    "mode_counts",
    "modes_covered",
    "nearest_neighbour_accuracy",
    "networks",
    "noisy_classifier",
    "penalties",
    "pictures",
    "plain_discriminator",
    "plots",
    "precision_recall",
    "r1",
    "recorded",
    "ring",
    "seed",
    "svhn",
    "unevenness",
]
