"""Kernel distance: the unbiased squared maximum mean discrepancy under a cubic kernel, as KID takes it.

    k(x, y) = (xᵀy / D + 1)³
    MMD²    = mean_{i≠j} k(xᵢ, xⱼ) + mean_{i≠j} k(yᵢ, yⱼ) − 2 mean_{i,j} k(xᵢ, yⱼ)

Bińkowski et al. 2018, 1801.01401. Unlike a Fréchet distance it has no bias that depends on the count, so that it may
fall below 0, and means the same at any count. By hand, since the torchmetrics class demands a package that requires
torchvision, and none gives a standard error of the value; the tests hold it against torchmetrics' function.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import pair
from aegan.metrics.interval import Measured


def kernel_distance(
    a: Tensor | np.ndarray, b: Tensor | np.ndarray, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Measured:
    """The mean of MMD² over random subsets of features (N, D) and (M, D), each at least two.

    Subsets are drawn as torch-fidelity draws them (NumPy's RandomState, first from a, then from b), so that equal
    features and an equal seed give equal values. They have `subset_size` items of each side, or all of the smaller
    side if it has fewer.

    The standard error is that of new items on both sides: 4 var(h_a) / N + 4 var(h_b) / M, with h the mean
    discrepancy of each item from the others (Hoeffding's projection), plus what the draw of subsets adds. The standard
    deviation over subsets that is often quoted is that of `subset_size` items, not of the value.
    """
    x, y = pair(a, b, least=2, what="A kernel distance", sides=("first items", "second items"))
    if subsets < 1 or subset_size < 2:
        raise UserError("A kernel distance needs at least 1 subset of at least 2 items.")
    m = min(subset_size, len(x), len(y))
    rng = np.random.RandomState(seed)  # not default_rng: the draws of torch-fidelity
    values, spread_x, spread_y = [], [], []
    whole = m == len(x) == len(y)  # then each subset is everything
    for _ in range(1 if whole else subsets):
        value, h_x, h_y = _mmd(
            x[torch.from_numpy(rng.choice(len(x), m, replace=False))],
            y[torch.from_numpy(rng.choice(len(y), m, replace=False))],
        )
        values.append(value)
        spread_x.append(float(h_x.var()))
        spread_y.append(float(h_y.var()))
    drawn = 0.0 if len(values) < 2 else float(np.var(values, ddof=1)) / len(values)
    variance = 4 * float(np.mean(spread_x)) / len(x) + 4 * float(np.mean(spread_y)) / len(y) + drawn
    return Measured.normal(float(np.mean(values)), variance**0.5)


def _mmd(x: Tensor, y: Tensor) -> tuple[float, Tensor, Tensor]:
    """MMD² of equally many x and y (m, D), and each item's projection (m,), float64."""
    m, d = x.shape
    k_xx, k_yy, k_xy = (((p @ q.T) / d + 1).pow(3) for p, q in ((x, x), (y, y), (x, y)))
    own_x = (k_xx.sum(1, dtype=torch.float64) - k_xx.diagonal()) / (m - 1)
    own_y = (k_yy.sum(1, dtype=torch.float64) - k_yy.diagonal()) / (m - 1)
    across_x, across_y = k_xy.mean(1, dtype=torch.float64), k_xy.mean(0, dtype=torch.float64)
    value = own_x.mean() + own_y.mean() - 2 * across_x.mean()
    return float(value), own_x - across_x, own_y - across_y
