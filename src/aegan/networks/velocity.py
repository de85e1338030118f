"""v(z, t, y): the velocity of codes on their way from noise to data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.networks.blocks import zero

FREQUENCIES, FASTEST = 32, 200.0  # of the sines by which a time is told from another


class Modulated(nn.Module):
    """A residual layer whose normalised input is scaled and moved by what is known of time and class; 0 at the start.

    Peebles & Xie 2023 (adaLN-Zero), arXiv 2212.09748.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.scale = nn.Linear(width, 2 * width)
        last = nn.Linear(2 * width, width)
        self.net = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), last)
        for layer in (self.scale, last):
            zero(layer.weight, layer.bias)

    def forward(self, h: Tensor, known: Tensor) -> Tensor:
        scale, move = self.scale(known).chunk(2, dim=1)
        return h + self.net(self.norm(h) * (1 + scale) + move)


class Velocity(nn.Module):
    """Codes (N, *shape), times (N,) in [0, 1] and optional classes (N,) to velocities of the codes' shape, 0 at the start.

    Args:
        shape: of a code; its numbers are taken as one vector, so that any may depend on any.
        blocks: residual layers, of `width` numbers.
        classes: number of classes, 0: unconditional.

    >>> v = Velocity((8, 4, 4), width=16)
    >>> bool((v(torch.randn(3, 8, 4, 4), torch.rand(3)) == 0).all())
    True
    """

    frequencies: Tensor

    def __init__(self, shape: Sequence[int], *, width: int = 512, blocks: int = 4, classes: int = 0) -> None:
        super().__init__()
        self.code_shape = tuple(shape)
        self.stem = nn.Linear(math.prod(shape), width)
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.embed = nn.Embedding(classes, width) if classes else None
        self.blocks = nn.ModuleList(Modulated(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, math.prod(shape))
        zero(self.last.weight, self.last.bias)
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(FASTEST), FREQUENCIES)))

    def forward(self, z: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        angle = t[:, None] * self.frequencies
        known = self.time(torch.cat((angle.sin(), angle.cos()), 1))
        if self.embed is not None and y is not None:
            known = known + self.embed(y)
        known = F.silu(known)
        h = self.stem(z.flatten(1)) + known  # so that time and class matter before the blocks have moved
        for block in self.blocks:
            h = block(h, known)
        return self.last(self.norm(h)).view_as(z)
