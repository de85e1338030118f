"""Precision, recall, density and coverage: do samples lie where the data lie, and data where the samples lie?

Each item has a ball as wide as its distance to its k-th neighbour of its own kind.

    precision   share of samples inside some ball of the data        recall    share of data inside some ball of samples
    density     balls of the data around a sample, on average, / k   coverage  share of the data's balls with a sample

Kynkäänniemi et al. 2019, 1904.06991; Naeem et al. 2020, 2002.09797. All of them depend on the counts: compare at equal
ones. By hand, since the `prdc` package holds three whole distance matrices (60 GB at 50,000 items); equal to it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import pair, rows
from aegan.metrics.interval import Measured


def prdc(real: Tensor | np.ndarray, fake: Tensor | np.ndarray, *, k: int = 5) -> dict[str, Measured]:
    """Precision, recall, density and coverage of features real (N, D) and fake (M, D), both more than k, by name.

    Distances are computed in the precision of the features, in pieces: 128 MB at any count. An item lies in a ball if
    it is strictly nearer than the radius. All but density, which may exceed 1, are shares.

    The standard error is that of the mean over the items that are counted: samples for precision and density, data
    for recall and coverage. The noise in the balls themselves is not in it, so that the intervals are somewhat short.

    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> {name: found.value for name, found in prdc(square, square + [0.5, 0.0], k=1).items()}
    {'precision': 1.0, 'recall': 1.0, 'density': 1.5, 'coverage': 1.0}
    """
    out = {}
    for name, each in _per_item(real, fake, k).items():
        if name == "density":
            error = float(each.std(correction=1)) / len(each) ** 0.5
            out[name] = Measured.normal(float(each.mean()), error, least=0.0)
        else:
            out[name] = Measured.share(float(each.mean()), len(each))
    return out


def _radii(x: Tensor, k: int) -> Tensor:
    """The distance of each item to its k-th nearest other, (N,)."""
    out = []
    step = rows(len(x))
    for start in range(0, len(x), step):
        square = _squares(x[start : start + step], x)
        square[torch.arange(len(square)), torch.arange(start, start + len(square))] = 0  # an item and itself
        out.append(square.topk(k + 1, largest=False).values[:, -1])
    return torch.cat(out).sqrt()


def _per_item(real: Tensor | np.ndarray, fake: Tensor | np.ndarray, k: int) -> dict[str, Tensor]:
    """What is averaged for each measure: float64 (M,) or (N,)."""
    if k < 1:
        raise UserError("Precision and recall need k of at least 1.")
    x, y = pair(real, fake, least=k + 1, what=f"Precision and recall with k = {k}", sides=("real items", "samples"))
    mean = x.mean(0)  # about the mean, |x|² + |y|² − 2 xᵀy loses fewer digits
    x, y = x - mean, y - mean
    radius_x, radius_y = _radii(x, k).square(), _radii(y, k).square()
    around = torch.zeros(len(y), dtype=torch.float64)  # balls of the data around each sample
    inside = torch.zeros(len(x), dtype=torch.float64)  # is each real item in a ball of the samples?
    covered = torch.zeros(len(x), dtype=torch.float64)
    step = rows(len(y))
    for i in range(0, len(x), step):
        square = _squares(x[i : i + step], y)
        around += (square < radius_x[i : i + step, None]).sum(0)
        inside[i : i + step] = (square < radius_y[None]).any(1).double()
        covered[i : i + step] = (square.amin(1) < radius_x[i : i + step]).double()
    return {"precision": (around > 0).double(), "recall": inside, "density": around / k, "coverage": covered}


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (N, M) of x (N, D) and y (M, D)."""
    return torch.addmm(y.square().sum(1)[None], x, y.T, alpha=-2).add_(x.square().sum(1)[:, None]).clamp_min_(0)
