"""Nearest training items of given samples, and whether samples are copies of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import AREA, pair
from aegan.metrics.features._base import averaged_down
from aegan.metrics.interval import Measured

CHUNK = 8192  # training items looked at together, at most
FEWEST = 20  # held-out items for a test for copies
SIDE = 32  # images are averaged down to at most this side before they are compared


def nearest_items(
    queries: np.ndarray, items: np.ndarray, k: int = 1, *, progress: Callable[[int, int], None] | None = None
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
    flat = _flat(queries)
    # about the mean, squares of numbers far from 0 lose fewer digits; those of images lie in [0, 1]
    shift = flat.mean(0, keepdim=True) if queries.ndim == 2 else torch.zeros(1, 1)
    q = flat - shift
    best = torch.full((len(q), 0), 0.0)
    index = torch.zeros(len(q), 0, dtype=torch.int64)
    step = max(256, min(CHUNK, AREA // max(len(q), 1)))
    for start in range(0, len(items), step):
        x = _flat(items[start : start + step]) - shift
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
    few = min(k, 4)
    for i in range(len(q)):
        found = _flat(items[index[i, :few].numpy()]).double()
        distance[i, :few], order = (found - flat[i].double()).norm(dim=1).sort()
        index[i, :few] = index[i, :few][order]
    return index.numpy(), distance.numpy()


@dataclass(frozen=True)
class Copying:
    """What `copying` finds."""

    share: Measured  # of samples that look copied
    ratios: np.ndarray  # distance to the nearest training item over the mean of 50, (N,); the least look most copied
    nearest: np.ndarray  # index of the nearest training item of each sample, int64 (N,)


def copying(
    samples: np.ndarray, held_out: np.ndarray, train: np.ndarray, *, progress: Callable[[int, int], None] | None = None
) -> Copying:
    """The share of samples that sit on one training item as new data seldom do.

    For each sample, the distance to the nearest training item over the mean distance to the nearest 50: a copy is far
    nearer to one item than to the others, a blurred sample is near to many (the ratio of Carlini et al. 2023,
    2301.13188). A sample looks copied if its ratio is below what 99 % of held-out items have; see `chance_of_copies`.

    Raises:
        UserError: fewer than 10 training items, 20 held-out items, or one sample.
    """
    if len(train) < 10 or len(held_out) < FEWEST or not len(samples):
        raise UserError(
            f"A test for copies needs 10 training items, {FEWEST} held-out items and a sample, got {len(train)}, "
            f"{len(held_out)} and {len(samples)}."
        )
    k = min(50, len(train))
    index, distance = nearest_items(np.concatenate([samples, held_out]), train, k, progress=progress)
    ratio = distance[:, 0] / np.maximum(distance.mean(1), 1e-12)
    limit = np.quantile(ratio[len(samples) :], 0.01)
    n = len(samples)
    return Copying(Measured.share(float((ratio[:n] < limit).mean()), n), ratio[:n], index[:n, 0])


def chance_of_copies(held_out: int) -> float:
    """The share of new data that look copied, in the mean over sets of so many held-out items.

    The 1 % quantile of a few lies within their least: of 20 new data, one in 21 is below them all.

    >>> round(chance_of_copies(20), 3), round(chance_of_copies(1000), 3)
    (0.057, 0.011)
    """
    return (1 + 0.01 * (held_out - 1)) / (held_out + 1)


@dataclass(frozen=True)
class Authenticity:
    """What `authenticity` finds."""

    share: Measured  # of authentic samples; the interval is that of other samples, beside the same training items
    authentic: np.ndarray  # bool (N,)
    nearest: np.ndarray  # the nearest training item of each sample, int64 (N,)


def authenticity(train: Tensor | np.ndarray, samples: Tensor | np.ndarray) -> Authenticity:
    """How many samples (N, D), N ≥ 1, are not one of the training items (T, D), T ≥ 2, slightly changed.

    A sample s with nearest training item t is authentic if it is farther from t than t is from its nearest other
    training item (Alaa et al. 2022, 2102.08921). Copies and their near variants are not. Real data outside the training
    set are seldom all authentic: about half are, where they are as dense as the training set, so read the number beside
    that of held-out items.

    >>> found = authenticity(np.array([[0.0], [1.0], [5.0]]), np.array([[0.2], [3.5], [-2.0]]))
    >>> found.authentic.tolist(), found.nearest.tolist()
    ([False, False, True], [0, 2, 0])
    """
    # of the training set only items that are nearest to a sample are asked for their own neighbours
    t, s = (x.numpy() for x in pair(train, samples, least=1, what="Authenticity", sides=("training items", "samples")))
    if len(t) < 2:
        pair(train, train, least=2, what="Authenticity", sides=("training items", "training items"))
    index, distance = nearest_items(s, t)
    nearest = index[:, 0]
    asked, back = np.unique(nearest, return_inverse=True)
    # the first of two is the item itself, or an equal one, and then the second is at distance 0 as well
    _, own = nearest_items(t[asked], t, 2)
    authentic = distance[:, 0] > own[back, 1]
    return Authenticity(Measured.share(float(authentic.mean()), len(s)), authentic, nearest)


def _flat(items: np.ndarray) -> Tensor:
    """Items (N, ...) -> float32 (N, D); images in [0, 1] and no larger than SIDE."""
    # memory maps are read-only, which torch warns about: those are copied
    x = torch.from_numpy(items if items.flags.writeable else np.array(items))
    if x.dtype == torch.uint8 and x.ndim == 4:
        x = averaged_down(x.permute(0, 3, 1, 2).float() / 255, SIDE)
    return x.float().flatten(1)
