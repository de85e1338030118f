"""Kernel distance of two samples, to choose between priors on held-out codes."""

from __future__ import annotations

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
    d, n, m = x.shape[1], len(x), len(y)

    def k(a: Tensor, b: Tensor) -> Tensor:
        if kernel == "polynomial":
            return (a @ b.T / d + 1) ** 3
        if kernel == "rbf":
            return torch.exp(-torch.cdist(a, b).square() / (2 * (d**0.5 if bandwidth is None else bandwidth) ** 2))
        raise ValueError(f"no kernel {kernel!r}: polynomial or rbf")

    kxx, kyy = k(x, x), k(y, y)
    within_x = (kxx.sum() - kxx.diagonal().sum()) / (n * (n - 1))
    within_y = (kyy.sum() - kyy.diagonal().sum()) / (m * (m - 1))
    return within_x + within_y - 2 * k(x, y).mean()
