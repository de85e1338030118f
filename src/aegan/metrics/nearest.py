"""Nearest training items of given samples, and whether samples are copies of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import AREA

CHUNK = 8192  # training items looked at together, at most
SIDE = 32  # images are averaged down to at most this side before they are compared
NEIGHBOURS = 50
FEW = 4
TAIL = 0.01


def nearest_items(
    queries: np.ndarray,
    items: np.ndarray,
    k: int = 1,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest items of each query by Euclidean distance, nearest first.

    Items may be a memory map: they are read in pieces, once. Images (uint8, N, H, W, C) are compared as numbers in
    [0, 1], averaged down to 32 × 32 if they are larger; anything else (N, D) as it is.

    Args:
        queries: (Q, ...), items: (N, ...), of equal item shapes; k ≤ N.
        progress: called with (items done, items in all).

    Returns:
        index int64 (Q, k) and distance float64 (Q, k).
    """
    if queries.shape[1:] != items.shape[1:] or not 1 <= k <= len(items):
        raise UserError(f"Cannot find {k} neighbours of {queries.shape} among {items.shape}.")
    q = _flat(queries)
    best = torch.full((len(q), 0), 0.0)
    index = torch.zeros(len(q), 0, dtype=torch.int64)
    step = max(256, min(CHUNK, AREA // max(len(q), 1)))
    for start in range(0, len(items), step):
        x = _flat(items[start : start + step])
        # |q − x|² without |q|²: a constant per row does not change the order
        score = torch.addmm(x.square().sum(1)[None], q, x.T, alpha=-2.0)
        value, at = score.topk(min(k, len(x)), dim=1, largest=False)
        best, index = torch.cat([best, value], 1), torch.cat([index, at + start], 1)
        if best.shape[1] > k:
            best, keep = best.topk(k, dim=1, largest=False)
            index = index.gather(1, keep)
        if progress:
            progress(min(start + step, len(items)), len(items))
    best, order = best.sort(dim=1)
    index = index.gather(1, order)
    distance = (best + q.square().sum(1, keepdim=True)).clamp_min(0).sqrt().double()
    # the expanded square loses digits near zero, where copies are: measure the nearest few again, by subtraction
    few = min(k, FEW)
    for i in range(len(q)):
        found = _flat(items[index[i, :few].numpy()]).double()
        distance[i, :few], order = (found - q[i].double()).norm(dim=1).sort()
        index[i, :few] = index[i, :few][order]
    return index.numpy(), distance.numpy()


@dataclass(frozen=True)
class Copying:
    """What `copying` finds.

    Attributes:
        share, expected: of samples that look copied; of new data that would.
        neighbours: k.
        samples, held_out, train: counts.
        ratios: distance to the nearest training item over the mean of k, for each sample; the least look most copied.
        nearest: index of the nearest training item of each sample.
    """

    share: float
    expected: float
    neighbours: int
    samples: int
    held_out: int
    train: int
    ratios: np.ndarray
    nearest: np.ndarray


def copying(
    samples: np.ndarray,
    held_out: np.ndarray,
    train: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Copying:
    """The share of samples that sit on one training item as new data seldom do.

    For each sample, the distance to the nearest training item over the mean distance to the nearest 50: a copy is far
    nearer to one item than to the others, a blurred sample is near to many (the ratio of Carlini et al. 2023,
    2301.13188). A sample looks copied if its ratio is below what 99 % of held-out items have, so new data get 1 %.

    Raises:
        UserError: fewer than 10 training items, 20 held-out items, or one sample.
    """
    if len(train) < 10 or len(held_out) < 20 or not len(samples):
        raise UserError(
            f"A test for copies needs 10 training items, 20 held-out items and a sample, got {len(train)}, "
            f"{len(held_out)} and {len(samples)}."
        )
    k = min(NEIGHBOURS, len(train))
    index, distance = nearest_items(np.concatenate([samples, held_out]), train, k, progress=progress)
    ratio = distance[:, 0] / np.maximum(distance.mean(1), 1e-12)
    limit = np.quantile(ratio[len(samples) :], TAIL)
    share = float((ratio[: len(samples)] < limit).mean())
    n = len(samples)
    return Copying(share, TAIL, k, n, len(held_out), len(train), ratio[:n], index[:n, 0])


def _flat(items: np.ndarray) -> Tensor:
    """Items (N, ...) -> float32 (N, D); images in [0, 1] and no larger than SIDE."""
    # memory maps are read-only, which torch warns about: those are copied
    x = torch.from_numpy(items if items.flags.writeable else np.array(items))
    if x.dtype == torch.uint8 and x.ndim == 4:
        x = x.permute(0, 3, 1, 2).float() / 255
        if max(x.shape[2:]) > SIDE:
            x = F.adaptive_avg_pool2d(x, (min(x.shape[2], SIDE), min(x.shape[3], SIDE)))
    return x.float().flatten(1)
