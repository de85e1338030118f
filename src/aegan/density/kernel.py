"""Kernel distance of two samples, to choose between priors on held-out codes."""

from __future__ import annotations

import torch
from torch import Tensor


def polynomial_kernel(x: Tensor, y: Tensor, *, degree: int = 3) -> Tensor:
    """k(x, y) = (x . y / d + 1)^degree, (N, M): the kernel of KID (Binkowski et al. 2018, arXiv 1801.01401)."""
    return (x @ y.T / x.shape[1] + 1) ** degree


def rbf_kernel(x: Tensor, y: Tensor, *, bandwidth: float) -> Tensor:
    """k(x, y) = exp(-||x - y||^2 / (2 bandwidth^2)), (N, M)."""
    return torch.exp(-torch.cdist(x, y).square() / (2 * bandwidth**2))


def mmd2(x: Tensor, y: Tensor, *, kernel: str = "polynomial", bandwidth: float | None = None) -> Tensor:
    """The unbiased estimate of the squared kernel distance MMD^2 of two samples, a scalar; it can be below zero.

    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)
    (Gretton et al. 2012, lemma 6).

    Args:
        x, y: samples (N, d) and (M, d), N, M > 1; whitened, or the first kernel sees only the largest dimensions.
        kernel: "polynomial" or "rbf".
        bandwidth: of "rbf"; None: the square root of d, about the median distance of whitened samples over sqrt 2.
    """
    x, y = x.flatten(1).double(), y.flatten(1).double()
    if kernel == "polynomial":
        kxx, kyy, kxy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    elif kernel == "rbf":
        b = bandwidth if bandwidth is not None else x.shape[1] ** 0.5
        kxx, kyy, kxy = (rbf_kernel(p, q, bandwidth=b) for p, q in ((x, x), (y, y), (x, y)))
    else:
        raise ValueError(f"no kernel {kernel!r}: polynomial or rbf")
    n, m = len(x), len(y)
    within_x = (kxx.sum() - kxx.diagonal().sum()) / (n * (n - 1))
    within_y = (kyy.sum() - kyy.diagonal().sum()) / (m * (m - 1))
    return within_x + within_y - 2 * kxy.mean()
