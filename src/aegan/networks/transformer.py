"""Transformers on codes: a generator that corrects its code level by level, and a critic that reads all levels at once.

A code (c, h, w) is h·w tokens of c numbers, their places learned. GAT (Hyun, Lee & Heo 2025, arXiv 2509.24935), which
has patches of 2×2 and rotary embeddings beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.networks.blocks import zero
from aegan.networks.critics import Critic, CriticBody, with_head

HEAD = 32  # numbers of a token that one head of attention compares
GAIN = 0.1  # of what a block adds at the start


class Attention(nn.Module):
    """Self-attention of several heads, (N, T, width) to the same; queries and keys have unit mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(n for n in range(max(1, width // HEAD), 0, -1) if width % n == 0)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = (F.rms_norm(side, side.shape[-1:]).to(v.dtype) for side in (q, k))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """(silu(x W₁) · x W₂) W₃, the gated layer of Shazeer 2020, arXiv 2002.05202."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into = nn.Linear(width, 2 * (8 * width // 3))
        self.out = nn.Linear(8 * width // 3, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, h = self.into(x).chunk(2, dim=2)
        return self.out(F.silu(gate) * h)


class StyledBlock(nn.Module):
    """h + g₁(w) · attention((1 + s₁(w)) · norm(h)), then the same with a gated layer; s and g are linear in w."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.mlp = Attention(width), SwiGLU(width)
        self.style = nn.Linear(width, 4 * width)
        nn.init.xavier_uniform_(self.style.weight, gain=GAIN)
        nn.init.zeros_(self.style.bias)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        scale1, gate1, scale2, gate2 = self.style(w).unsqueeze(1).chunk(4, dim=2)
        h = h + gate1 * self.attention((1 + scale1) * F.rms_norm(h, h.shape[-1:]))
        return h + gate2 * self.mlp((1 + scale2) * F.rms_norm(h, h.shape[-1:]))


class TokenGenerator(nn.Module):
    """Codes v (N, c, h, w) to codes at all levels, (N, levels · c, h, w): level i is v and what i groups of blocks add.

    At the start every level is v. All of v, and the class, also set how each block scales what it reads and adds.

    Args:
        shape: of a code, (c, h, w).
        width: of a token.
        depth: blocks, a multiple of `levels`.
        levels: how often a code is read out.
        classes: number of classes, 0: unconditional.

    >>> H = TokenGenerator((8, 4, 4), width=32, depth=4, levels=4)
    >>> H(torch.randn(2, 8, 4, 4)).shape
    torch.Size([2, 32, 4, 4])
    """

    def __init__(self, shape: Sequence[int], *, width: int, depth: int, levels: int, classes: int = 0) -> None:
        super().__init__()
        numbers, tokens = shape[0], math.prod(shape[1:])
        self.levels = levels
        self.style = nn.Sequential(nn.Linear(numbers * tokens, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(classes, width) if classes else None
        self.embed = nn.Linear(numbers, width)
        self.places = nn.Parameter(torch.randn(tokens, width))
        self.blocks = nn.ModuleList(StyledBlock(width) for _ in range(depth))
        self.read = nn.ModuleList(nn.Linear(width, numbers) for _ in range(levels))
        zero(*self.read.parameters())

    def forward(self, v: Tensor, y: Tensor | None = None) -> Tensor:
        w = self.style(v.flatten(1))
        if self.classes is not None and y is not None:
            w = w + self.classes(y)
        w, h, code = F.silu(w), self.embed(v.flatten(2).mT) + self.places, v
        levels: list[Tensor] = []
        for i, block in enumerate(self.blocks, 1):
            h = block(h, w)
            if i % (len(self.blocks) // self.levels) == 0:
                code = code + self.read[len(levels)](F.rms_norm(h, h.shape[-1:])).mT.reshape(v.shape)
                levels.append(code)
        return torch.cat(levels, 1)


class TokenBody(CriticBody):
    """Codes at all levels, (N, levels · c, h, w), to one token (N, width) that has looked at the others."""

    def __init__(self, shape: Sequence[int], *, width: int, depth: int, levels: int) -> None:
        super().__init__()
        numbers, tokens = shape[0], math.prod(shape[1:])
        self.embed = nn.Linear(levels * numbers, width)
        self.places = nn.Parameter(torch.randn(1 + tokens, width))
        self.blocks = nn.ModuleList(TokenBlock(width) for _ in range(depth))
        self.norm = nn.RMSNorm(width)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = F.pad(self.embed(x.flatten(2).mT), (0, 0, 1, 0)) + self.places
        for block in self.blocks:
            h = block(h)
        return [self.norm(h[:, 0])]


class TokenBlock(nn.Module):
    """A block of attention and a gated layer, each scaled by learned numbers that begin small (LayerScale)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.mlp = Attention(width), SwiGLU(width)
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.scale1, self.scale2 = (nn.Parameter(torch.full((width,), GAIN)) for _ in range(2))

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.scale1 * self.attention(self.norm1(h))
        return h + self.scale2 * self.mlp(self.norm2(h))


def build_token_critic(shape: Sequence[int], *, width: int, depth: int, levels: int, classes: int = 0) -> Critic:
    """A critic of codes at all levels, (N, levels · c, h, w), to logits (N,).

    >>> D = build_token_critic((8, 4, 4), width=32, depth=2, levels=4)
    >>> D(torch.zeros(2, 32, 4, 4)).shape
    torch.Size([2])
    """
    return with_head(TokenBody(shape, width=width, depth=depth, levels=levels), width, classes=classes, pack=1)
