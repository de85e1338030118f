"""Fréchet distance between two clouds of features, each taken as one Gaussian, in float64.

    d² = |μa − μb|² + tr Σa + tr Σb − 2 tr (Σa Σb)^½          (Dowson & Landau 1982; Heusel et al. 2017, 1706.08500)

Written by hand, because the common implementations take the square root of the product of the covariances or of its
eigenvalues: with more dimensions than samples these are mostly rounding noise around zero, whose roots add up. With
factors Σa = AᵀA, Σb = BᵀB of the true rank, tr (Σa Σb)^½ is the sum of the singular values of A Bᵀ: no such root.

Its sampling error is had from its influence function (the delta method): one pass, no bootstrap, each replicate of which
would cost as much. How much one item x of cloud a moves d², with T the optimal transport from a to b:

    IF_a(x) = 2 (μa − μb)ᵀ (x − μa) + (x − μa)ᵀ (I − T) (x − μa) − mean
    T       = Bᵀ V S⁻¹ Vᵀ B            with A Bᵀ = U S Vᵀ

and the same with the sides exchanged. Then var d² = var IF_a / N + var IF_b / M. In whitened coordinates w of a the
quadratic form of T is |S^½ Uᵀ w|², which needs no inverse of S, so that it exists with more dimensions than items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import same_width
from aegan.metrics.interval import Measured

CHUNK = 4096  # rows turned into float64 at a time, so that memory does not grow with a second copy
LEAST = 10  # items on each side, for a variance that is more than luck
FLAT = 1e-10  # directions with less than this share of the largest variance count as constant


@dataclass(frozen=True)
class Statistics:
    """What the distance needs of one cloud: mean (D,), covariance (D, D) over n − 1, both float64, and the count n.

    Args:
        rows: of n ≤ D items, (n, D) with RᵀR = covariance: its decomposition is that of the smaller R Rᵀ.
    """

    mean: Tensor
    covariance: Tensor
    count: int
    rows: Tensor | None = None

    @property
    def root(self) -> Tensor:
        """Some A with AᵀA = covariance, at the least cost."""
        return self.factor if self.rows is None else self.rows

    @cached_property
    def factor(self) -> Tensor:
        """A (rank, D) with AᵀA = covariance and orthogonal rows; the rank, at most n − 1, leaves rounding noise out."""
        if self.rows is not None:
            directions = torch.linalg.eigh(self.rows @ self.rows.T).eigenvectors[:, 1:]
            return directions.T @ self.rows
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
    if len(x) <= x.shape[1]:
        rows = (x.double() - mean) / (len(x) - 1) ** 0.5
        return Statistics(mean, rows.T @ rows, len(x), rows)
    covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    for part in torch.split(x, CHUNK):
        centred = part.double() - mean
        covariance += centred.T @ centred
    return Statistics(mean, covariance / (len(x) - 1), len(x))


def frechet_between(a: Statistics, b: Statistics) -> float:
    """The (squared) Fréchet distance between two Gaussians, as FID reports it; never below 0."""
    same_width(len(a.mean), len(b.mean))
    return _squared(a, b, torch.linalg.svdvals(a.root @ b.root.T))


def _squared(a: Statistics, b: Statistics, cross: Tensor) -> float:
    """d² from the singular values of A Bᵀ."""
    value = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross.sum()
    return max(float(value), 0.0)


def frechet_distance(features_a: Tensor | np.ndarray, features_b: Tensor | np.ndarray) -> float:
    """The Fréchet distance between features (N, D) and (M, D).

    >>> x = torch.tensor([[-1.0], [1.0]])
    >>> round(frechet_distance(x, x + 3.0), 6)
    9.0
    """
    return frechet_between(statistics(features_a), statistics(features_b))


def frechet_interval(
    a: Tensor | np.ndarray, b: Tensor | np.ndarray, *, known: tuple[Statistics, Statistics] | None = None
) -> Measured:
    """The Fréchet distance of features (N, D) and (M, D), as `frechet_distance` gives it, with a 95 % interval.

    The interval is that of other items on both sides at the same counts; the bias of the distance, which only falls
    with the counts, stays in it. Well above the baseline of equal clouds its width is right within about 25 %; near the
    baseline, and with fewer items than dimensions, it errs on the wide side (by up to two thirds in our trials), since the
    estimated T is never quite I. With fewer than 10 items on a side there is none: its ends are NaN.

    Args:
        known: statistics of a and of b, if they have been computed before.

    Raises:
        UserError: as `statistics`.
    """
    side_a, side_b = known if known is not None else (statistics(a), statistics(b))
    same_width(len(side_a.mean), len(side_b.mean))
    x, y = torch.as_tensor(a), torch.as_tensor(b)
    if (len(x), len(y)) != (side_a.count, side_b.count):
        raise UserError("The known statistics are not those of these features: their counts differ.")
    u, s, vh = torch.linalg.svd(side_a.factor @ side_b.factor.T, full_matrices=False)
    error = float("nan")
    if min(len(x), len(y)) >= LEAST:
        shift = side_a.mean - side_b.mean
        first = _influences(x, side_a, shift, u * s.sqrt())
        second = _influences(y, side_b, -shift, vh.T * s.sqrt())
        error = float((first.var() / len(x) + second.var() / len(y)).sqrt())
    return Measured.normal(_squared(side_a, side_b, s), error, least=0.0)


def _influences(x: Tensor, side: Statistics, shift: Tensor, rotation: Tensor) -> Tensor:
    """IF of each item (N,), up to a constant; rotation (rank, r) = U S^½."""
    variances = side.factor.square().sum(1)
    alive = variances > FLAT * variances.max()
    # rows of the factor are sd · direction, so that row / variance whitens: (D, r)
    project = (side.factor[alive] / variances[alive, None]).T @ rotation[alive]
    out = torch.empty(len(x), dtype=torch.float64)
    for i in range(0, len(x), CHUNK):
        centred = x[i : i + CHUNK].double() - side.mean
        # float32 for the one large product: an error bar needs no more
        transported = (centred.float() @ project.float()).square().sum(1).double()
        out[i : i + CHUNK] = 2 * centred @ shift + centred.square().sum(1) - transported
    return out
