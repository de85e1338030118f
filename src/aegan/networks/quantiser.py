"""A codebook that codes are rounded to."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.collectives import all_gather_rows, replicated_random
from aegan.fp32 import in_fp32


class Quantiser(nn.Module):
    """Q: each place of a code becomes the nearest of K entries e_k, which follow the codes given to them.

    Spatial codes (c, h, w) are rounded place by place, c numbers each. Flat codes (d,) are cut into pieces of `dim`
    numbers, all rounded to the same entries. The entries are averages, not parameters:

        n_k ← decay n_k + (1 − decay) |{i: k_i = k}|,  s_k ← decay s_k + (1 − decay) Σ_{i: k_i = k} z_i,  e_k = s_k / n_k

    An entry that is hardly used is put onto a code of the batch (random restart, Dhariwal et al. 2020, 2005.00341), and
    so are all at the first batch.

    References:
        van den Oord et al. 2017, arXiv 1711.00937, appendix A.1 (moving averages); Razavi et al. 2019, 1906.00446.

    >>> Q = Quantiser((2,), entries=3)
    >>> Q.entries.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]]))[0].tolist()
    [0.0, 0.0]
    >>> Q(torch.tensor([[0.9, 0.2], [4.0, 9.0]])).tolist()
    [[1.0, 0.0], [5.0, 5.0]]
    """

    entries: Tensor
    counts: Tensor
    sums: Tensor
    begun: Tensor

    def __init__(self, code_shape: tuple[int, ...], *, entries: int, decay: float = 0.99) -> None:
        super().__init__()
        self.code_shape = tuple(code_shape)
        self.decay = decay
        self.dim = code_shape[0] if len(code_shape) == 3 else math.gcd(code_shape[0], 8)
        self.register_buffer("entries", torch.randn(entries, self.dim))
        self.register_buffer("counts", torch.zeros(entries))
        self.register_buffer("sums", torch.zeros(entries, self.dim))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def pieces(self, z: Tensor) -> Tensor:
        """Codes as rows of numbers that are rounded together, (N · places, dim)."""
        if len(self.code_shape) == 3:
            z = z.movedim(1, -1)
        return z.reshape(-1, self.dim)

    def nearest(self, rows: Tensor) -> Tensor:
        """The index k of each row's nearest entry."""
        with in_fp32(rows):
            # left to choose, torch would look at the number of rows, and a graph has no fixed one
            return torch.cdist(rows.float(), self.entries, compute_mode="use_mm_for_euclid_dist").argmin(1)

    def forward(self, z: Tensor) -> Tensor:
        """Codes (N, ...) rounded; no gradient flows."""
        rounded = self.entries[self.nearest(self.pieces(z.detach()))]
        if len(self.code_shape) == 3:
            c, h, w = self.code_shape
            return rounded.view(-1, h, w, c).movedim(-1, 1)
        return rounded.view(-1, *self.code_shape)

    @torch.no_grad()
    def learn(self, z: Tensor) -> Tensor:
        """Moves the entries towards a batch of codes, and returns how many are in use: exp(−Σ p_k log p_k), ()."""
        rows = self.pieces(all_gather_rows(z.detach().float()))
        used = F.one_hot(self.nearest(rows), len(self.entries)).to(rows)
        self.counts.lerp_(used.sum(0), 1 - self.decay)
        with in_fp32(rows):
            self.sums.lerp_(used.T @ rows, 1 - self.decay)
        # an entry is dead below a hundredth of its fair share, and at first
        fair = len(rows) / len(self.entries)
        dead = (self.counts < 0.01 * fair) | ~self.begun
        # onto codes of the batch, a little apart where there are fewer of them than entries
        with replicated_random():
            other = rows[torch.randint(len(rows), (len(self.entries),), device=rows.device)]
            other = other + 0.1 * rows.std(0, correction=0) * torch.randn_like(other)
        self.counts.copy_(torch.where(dead, fair, self.counts))
        self.sums.copy_(torch.where(dead[:, None], fair * other, self.sums))
        self.entries.copy_(self.sums / self.counts[:, None])
        self.begun.fill_(True)
        p = used.mean(0)
        return (-(p * (p + 1e-10).log()).sum()).exp()
