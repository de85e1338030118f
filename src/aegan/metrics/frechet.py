"""Fréchet distance between two clouds of features, each taken as one Gaussian, in float64.

    d² = |μa − μb|² + tr Σa + tr Σb − 2 tr (Σa Σb)^½          (Dowson & Landau 1982; Heusel et al. 2017, 1706.08500)

Written by hand, because the common implementations take the square root of the product of the covariances or of its
eigenvalues: with more dimensions than samples these are mostly rounding noise around zero, whose roots add up. With
factors Σa = AᵀA, Σb = BᵀB of the true rank, tr (Σa Σb)^½ is the sum of the singular values of A Bᵀ: no such root.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError

CHUNK = 4096  # rows turned into float64 at a time, so that memory does not grow with a second copy


@dataclass(frozen=True)
class Statistics:
    """What the distance needs of one cloud: mean (D,), covariance (D, D) over n − 1, both float64, and the count n."""

    mean: Tensor
    covariance: Tensor
    count: int

    @cached_property
    def factor(self) -> Tensor:
        """A (rank, D) with AᵀA = covariance; the rank is at most n − 1, which leaves rounding noise out."""
        values, vectors = torch.linalg.eigh(self.covariance)
        rank = max(min(len(values), self.count - 1), 1)
        values, vectors = values[-rank:].clamp_min(0), vectors[:, -rank:]
        factor: Tensor = values.sqrt()[:, None] * vectors.T
        return factor


def statistics(features: Tensor | np.ndarray) -> Statistics:
    """Mean and covariance of features (N, D), N ≥ 2.

    Raises:
        UserError: fewer than two rows, another shape, or values that are not finite.
    """
    x = torch.as_tensor(features)
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 1:
        raise UserError(
            f"A Fréchet distance needs features (N, D) of at least two items, got {tuple(x.shape)}.",
            "Give more images.",
        )
    total = torch.zeros(x.shape[1], dtype=torch.float64)
    for part in torch.split(x, CHUNK):
        total += part.double().sum(0)
    mean = total / len(x)
    if not bool(mean.isfinite().all()):
        raise UserError(
            "Some features are not finite numbers.", "Look for broken images, or for a model that diverged."
        )
    covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    for part in torch.split(x, CHUNK):
        centred = part.double() - mean
        covariance += centred.T @ centred
    return Statistics(mean, covariance / (len(x) - 1), len(x))


def frechet_between(a: Statistics, b: Statistics) -> float:
    """The (squared) Fréchet distance between two Gaussians, as FID reports it; never below 0."""
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"Features of {len(a.mean)} and of {len(b.mean)} dimensions cannot be compared.",
            "Use one extractor on both sides.",
        )
    cross = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    value = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(float(value), 0.0)


def frechet_distance(features_a: Tensor | np.ndarray, features_b: Tensor | np.ndarray) -> float:
    """The Fréchet distance between features (N, D) and (M, D).

    >>> x = torch.tensor([[-1.0], [1.0]])
    >>> round(frechet_distance(x, x + 3.0), 6)
    9.0
    """
    return frechet_between(statistics(features_a), statistics(features_b))
