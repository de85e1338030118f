"""The test for data copying of Meehan, Chaudhuri & Dasgupta 2020 (2004.05675).

Space is cut into cells by k-means on the training items. In each cell, do samples lie nearer to the training set than
held-out items do? Z is the Mann-Whitney statistic of the two sets of distances, standardised, and

    C_T = Σ_cells P(cell) Z(cell) / Σ_cells P(cell)        P: the share of held-out items in the cell.

Around 0: as near as new data. Far below 0 (−3 or less): copies. Far above: the samples lie off the data (underfitted).
A share of copies among bad samples may cancel out, hence Z of each cell is given too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aegan.density.mixture import kmeans
from aegan.errors import UserError
from aegan.metrics.checks import pair
from aegan.metrics.nearest import nearest_items

ROUNDS = 20  # of k-means: cells need not be optimal
MOST_FITTED = 20000  # training items that k-means sees


@dataclass(frozen=True)
class Cell:
    """One cell: items of each kind in it, and Z, NaN if it holds too few samples or no held-out item."""

    train: int
    held_out: int
    samples: int
    z: float


@dataclass(frozen=True)
class DataCopying:
    """C_T (NaN if no cell counts), its cells, and the share of held-out items that lie in cells that count.

    Under no copying C_T has a standard error below 1: Z of each cell is a standard normal then, and C_T their mean.
    """

    c_t: float
    standard_error: float
    cells: tuple[Cell, ...]
    counted: float


def data_copying(
    train: Tensor | np.ndarray,
    held_out: Tensor | np.ndarray,
    samples: Tensor | np.ndarray,
    *,
    cells: int | None = None,
    least: int = 20,
) -> DataCopying:
    """C_T of samples (N, D) beside training items (T, D) and held-out items (H, D).

    Args:
        cells: of k-means; by default one for each 100 of the smaller of samples and held-out items, at most 20.
        least: samples, and held-out items, that a cell needs to count (or it would be a rounding of luck).

    Raises:
        UserError: fewer than `least` samples or held-out items, or fewer training items than cells.
    """
    what = "A test for data copying"
    t, p = pair(train, held_out, least=least, what=what, sides=("training items", "held-out items"))
    t, q = pair(train, samples, least=least, what=what, sides=("training items", "samples"))
    count = cells if cells is not None else max(1, min(len(p) // 100, len(q) // 100, 20))
    if not 1 <= count <= len(t):
        raise UserError(f"{what} needs from 1 to {len(t):,} cells (the number of training items), got {count}.")
    cell_t, cell_p, cell_q = _cells(t, p, q, count)
    d_p, d_q = (nearest_items(x.numpy(), t.numpy())[1][:, 0] for x in (p, q))
    out, weight, total, square = [], 0.0, 0.0, 0.0
    for i in range(count):
        own_p, own_q = d_p[cell_p == i], d_q[cell_q == i]
        counts = len(own_p) >= least and len(own_q) >= least
        z = mann_whitney(own_q, own_p) if counts else float("nan")
        out.append(Cell(int((cell_t == i).sum()), len(own_p), len(own_q), z))
        if counts:
            share = len(own_p) / len(p)
            weight, total, square = weight + share, total + share * z, square + share**2
    known = weight > 0
    nan = float("nan")
    return DataCopying(total / weight if known else nan, square**0.5 / weight if known else nan, tuple(out), weight)


def mann_whitney(q: np.ndarray, p: np.ndarray) -> float:
    """The standardised Mann-Whitney statistic: below 0 where q tends to be smaller than p. 0 if all are equal.

    By hand, since SciPy, which has it, is no dependency; ties share their mean rank.

    >>> round(mann_whitney(np.array([1.0, 2.0]), np.array([3.0, 4.0])), 4)
    -1.5492
    """
    n, m = len(q), len(p)
    _, back, times = np.unique(np.concatenate([q, p]), return_inverse=True, return_counts=True)
    rank = (times.cumsum() - (times - 1) / 2)[back]
    u = rank[:n].sum() - n * (n + 1) / 2
    ties = (times.astype(np.float64) ** 3 - times).sum() / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return float((u - n * m / 2) / variance**0.5) if variance > 1e-12 else 0.0


def _cells(t: Tensor, p: Tensor, q: Tensor, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cell of each item of each kind."""
    generator = torch.Generator().manual_seed(0)
    some = t[torch.randperm(len(t), generator=generator)[:MOST_FITTED]]
    owner = kmeans(some, count, ROUNDS, generator)
    centres = torch.stack([some[owner == i].mean(0) for i in range(count) if bool((owner == i).any())]).numpy()
    a, b, c = (nearest_items(x.numpy(), centres)[0][:, 0] for x in (t, p, q))
    return a, b, c
