"""The Inception score of class probabilities, of whatever classifier they come from (Salimans et al. 2016, 1606.03498).

    IS = exp( mean_x KL( p(y|x) ‖ p(y) ) )         from 1 to the number of classes

It asks that each image be surely of one class and that all classes be equally frequent. It never sees real images:
memorised, blurred or one-image-a-class samples may score as well as new ones.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError
from aegan.metrics.checks import table
from aegan.metrics.interval import Measured


def inception_score(probabilities: Tensor | np.ndarray, *, splits: int = 10) -> Measured:
    """The mean of the score over consecutive splits of probabilities (N, K), N ≥ splits; rows sum to 1.

    The standard error is that over splits. Items should be in random order.

    >>> inception_score(np.eye(4).repeat(5, 0)[np.argsort(np.arange(20) % 5, kind="stable")], splits=5).value
    4.0
    """
    if splits < 1:
        raise UserError("An Inception score needs at least one split.")
    p = table(probabilities, least=splits, what=f"An Inception score over {splits} splits", side="samples").double()
    if bool((p < 0).any()) or not torch.allclose(p.sum(1), torch.ones(len(p), dtype=p.dtype), atol=1e-3):
        raise UserError("An Inception score needs probabilities: rows of numbers from 0 to 1 that sum to 1.")
    scores = []
    for part in torch.tensor_split(p, splits):
        mean = part.mean(0, keepdim=True)
        # xlogy: 0 log 0 = 0
        divergence = (torch.xlogy(part, part) - torch.xlogy(part, mean)).sum(1).mean()
        scores.append(float(divergence.exp()))
    error = float(np.std(scores, ddof=1)) / splits**0.5 if splits > 1 else float("nan")
    return Measured.normal(float(np.mean(scores)), error, least=1.0, most=float(p.shape[1]))
