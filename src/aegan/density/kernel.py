"""Kernel distance of two samples: to choose between priors on held-out codes, and as a loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def mmd2(x: Tensor, y: Tensor, *, kernel: str = "polynomial", bandwidth: float | None = None) -> Tensor:
    """The unbiased estimate of the squared kernel distance MMD^2 of two samples, a scalar; it can be below zero.

    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)
    (Gretton et al. 2012, lemma 6).

    Args:
        x, y: samples (N, d) and (M, d), N, M > 1; whitened, or the first kernel sees only the largest dimensions.
        kernel: "polynomial", (x . y / d + 1)^3 as of KID (Binkowski et al. 2018, arXiv 1801.01401), or "rbf",
            exp(-||x - y||^2 / (2 bandwidth^2)).
        bandwidth: of "rbf"; None: the square root of d, about the median distance of whitened samples over sqrt 2.
    """
    x, y = x.flatten(1).double(), y.flatten(1).double()
    d = x.shape[1]

    def k(a: Tensor, b: Tensor) -> Tensor:
        if kernel == "polynomial":
            return (a @ b.T / d + 1) ** 3
        if kernel == "rbf":
            return torch.exp(-torch.cdist(a, b).square() / (2 * (d**0.5 if bandwidth is None else bandwidth) ** 2))
        raise ValueError(f"no kernel {kernel!r}: polynomial or rbf")

    return _unbiased(k, x, y)


def kernel_distance(x: Tensor, y: Tensor, bandwidths: tuple[float, ...] = (0.1, 0.3, 1.0)) -> Tensor:
    """The same estimate as a loss, with a sum of Gaussian kernels, in the precision of the samples.

    k(a, b) = sum_s exp(-||a - b||^2 / (2 s^2 d)).

    Args:
        x, y: (N, ...) and (M, ...), d numbers each of about unit variance, N, M > 1.
        bandwidths: the s, in root mean squares of x.
    """

    def k(a: Tensor, b: Tensor) -> Tensor:
        square = (a[:, None] - b[None]).square().mean(2)  # no root: it has no gradient at 0
        return torch.stack([(-square / (2 * s**2)).exp() for s in bandwidths]).sum(0)

    return _unbiased(k, x.flatten(1), y.flatten(1))


def _unbiased(k: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    def within(a: Tensor) -> Tensor:
        of_all = k(a, a)
        return (of_all.sum() - of_all.diagonal().sum()) / (len(a) * (len(a) - 1))

    return within(x) + within(y) - 2 * k(x, y).mean()
