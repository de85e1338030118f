"""Authenticity: how many samples are not a training item slightly changed (Alaa et al. 2022, 2102.08921).

A sample s with nearest training item t is authentic if it is farther from t than t is from its nearest other training
item. Copies and their near variants are not. Real data outside the training set are seldom all authentic: about half
are, where they are as dense as the training set, so read the number beside that of held-out items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from aegan.metrics.checks import pair
from aegan.metrics.interval import Measured
from aegan.metrics.nearest import nearest_items


@dataclass(frozen=True)
class Authenticity:
    """What `authenticity` finds.

    Attributes:
        share: of authentic samples, with its 95 % interval (of other samples, beside the same training items).
        authentic: of each sample, bool (N,).
        nearest: the nearest training item of each sample, int64 (N,).
        samples, train: counts.
    """

    share: Measured
    authentic: np.ndarray
    nearest: np.ndarray
    samples: int
    train: int


def authenticity(train: Tensor | np.ndarray, samples: Tensor | np.ndarray) -> Authenticity:
    """Authenticity of samples (N, D), N ≥ 1, beside training features (T, D), T ≥ 2.

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
    share = float(authentic.mean())
    error = float(np.sqrt(share * (1 - share) / len(s)))
    return Authenticity(Measured.normal(share, error, least=0.0, most=1.0), authentic, nearest, len(s), len(t))
