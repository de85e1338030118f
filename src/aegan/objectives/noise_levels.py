"""What a critic sees of examples at several levels of noise (Hyun et al. 2025, arXiv 2509.24935)."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_SIGNAL = 0.99  # what is left at the last level: a critic of clean codes alone is one without any noise


def noise_levels(x: Tensor, levels: int, least_signal: float) -> Tensor:
    """(1 - t_i) x_i + t_i n_i for every level i = 1 to L, with 1 - t_i = 0.99 least_signal^((L - i) / (L - 1)).

    The noises of one example are one path: what is lost at a level is lost at all rougher ones, so that a critic learns
    nothing of a level from the others' noise. Each n_i is N(0, I).

    Args:
        x: (N, L * c, ...), the level along the second axis; the same x at all levels for real examples.
        levels: L, at least 2; the last is the least noisy.
        least_signal: in (0, 1), what is left at the first level.

    >>> noise_levels(torch.zeros(5, 8, 4, 4), 2, 0.125).shape
    torch.Size([5, 8, 4, 4])
    """
    signal = [MOST_SIGNAL * least_signal ** ((levels - 1 - i) / (levels - 1)) for i in range(levels)]
    parts, found = x.chunk(levels, 1), []
    noise, before = torch.zeros_like(parts[-1]), 1.0
    for part, left in zip(reversed(parts), reversed(signal), strict=True):
        kept = left / before  # of what the finer level has, its noise as well, whose deviation is 1 - before
        fresh = ((1 - left) ** 2 - kept**2 * (1 - before) ** 2) ** 0.5
        noise = kept * noise + fresh * torch.randn_like(noise)
        found.append(left * part + noise)
        before = left
    return torch.cat(found[::-1], 1)
