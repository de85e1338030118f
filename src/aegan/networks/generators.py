"""Generators: the residual f of a latent GAN, and a decoder that takes noise and a class.

`build_residual(code_shape)` makes f(z, y) with a last layer of zeros, so that G(z) = z + f(z, y) starts exactly at the
prior of z. `ConditionalGenerator` turns a decoder into the generator of a pixel GAN. Their cost depends on the code
only; the decoder's grows with the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aegan.networks.autoencoders import code_shape_of
from aegan.networks.blocks import CriticBlock, ResidualMLPBlock, channels_last, zero
from aegan.networks.layers import use_virtual_batch_norm


class ResidualMLP(nn.Module):
    """f: (N, d) and optional classes (N,) to (N, d), zero at the start."""

    def __init__(self, dim: int, *, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(dim, width)
        self.embed = nn.Embedding(classes, width) if classes else None
        self.net = nn.Sequential(*(ResidualMLPBlock(width) for _ in range(blocks)))
        self.last = nn.Linear(width, dim)
        zero(self.last.weight, self.last.bias)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.stem(z)
        if self.embed is not None and y is not None:
            h = h + self.embed(y)
        return self.last(nn.functional.leaky_relu(self.net(h), 0.2))


class ResidualConv(nn.Module):
    """f: (N, c, h, w) and optional classes (N,) to (N, c, h, w), zero at the start.

    A linear layer across the whole grid joins the first block, as 3x3 convolutions alone see too little of it.
    """

    def __init__(self, shape: tuple[int, int, int], *, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        channels, h, w = shape
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.whole = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(shape), 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, width * h * w)
        )
        self.embed = nn.Embedding(classes, width) if classes else None
        self.net = nn.Sequential(*(CriticBlock(width, depth=blocks) for _ in range(blocks)))
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        zero(self.last.weight, self.last.bias)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.stem(z)
        h = h + self.whole(z).view_as(h)
        if self.embed is not None and y is not None:
            h = h + self.embed(y)[:, :, None, None]
        return self.last(nn.functional.leaky_relu(self.net(h), 0.2))


def build_residual(
    code_shape: Sequence[int], *, width: int = 128, blocks: int = 2, classes: int = 0
) -> ResidualMLP | ResidualConv:
    """f for codes of `code_shape`: an MLP for (d,), convolutions for (c, h, w).

    >>> f = build_residual((8,), width=16)
    >>> bool((f(torch.randn(4, 8)) == 0).all())
    True
    """
    if len(code_shape) == 1:
        return ResidualMLP(code_shape[0], width=2 * width, blocks=blocks, classes=classes)
    channels, h, w = code_shape
    return channels_last(ResidualConv((channels, h, w), width=width // 2, blocks=blocks, classes=classes))


class ConditionalGenerator(nn.Module):
    """G(z, y) = decoder(z + e_y): noise of the decoder's code shape, plus an embedding of the class.

    Args:
        decoder: any module with a `code_shape`.
        classes: number of classes, 0: unconditional.
        noise: what z is drawn from: `normal` is N(0, I), `uniform` is U(-1, 1) for each number.
        reference: R > 0 gives the decoder virtual batch normalisation: R fixed z go before every batch.
    """

    reference: Tensor | None
    reference_y: Tensor

    def __init__(
        self,
        decoder: nn.Module,
        *,
        classes: int = 0,
        noise: Literal["normal", "uniform"] = "normal",
        reference: int = 0,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.code_shape = code_shape_of(decoder)
        self.embed = nn.Embedding(classes, math.prod(self.code_shape)) if classes else None
        self.kind = noise
        self.register_buffer("reference", None)
        if reference:
            use_virtual_batch_norm(decoder, reference)
            self.register_buffer("reference", self.noise(reference))
            self.register_buffer("reference_y", torch.randint(max(classes, 1), (reference,)))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """z ~ N(0, I) or U(-1, 1), (count, *code_shape)."""
        shape, device = (count, *self.code_shape), next(self.parameters()).device
        if self.kind == "uniform":
            return 2 * torch.rand(shape, generator=generator, device=device) - 1
        return torch.randn(shape, generator=generator, device=device)

    def code(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """c = z + e_y, what the decoder takes; z itself without classes."""
        if self.embed is not None and y is not None:
            z = z + self.embed(y).view(-1, *self.code_shape)
        return z

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z = self.code(z, y)
        if self.reference is None:
            return self.decoder(z)
        first = self.reference if y is None else self.code(self.reference, self.reference_y)
        return self.decoder(torch.cat((first, z)))[len(first) :]


class MixtureNoise(nn.Module):
    """z = μ_i + σ_i ε, i ~ U{1..N}, ε ~ N(0, I): noise whose N places are learned with G (DeLiGAN, arXiv 1706.02071).

    N is `components`, and `sigma` is σ of every place at the start.
    """

    def __init__(self, dim: int, *, components: int, sigma: float = 0.2) -> None:
        super().__init__()
        self.mu = nn.Parameter(2 * torch.rand(components, dim) - 1)
        self.sigma = nn.Parameter(torch.full((components, dim), sigma))

    def forward(self, n: int, truncation: float = 1.0, rng: torch.Generator | None = None) -> Tensor:
        """(n, dim); a truncation less than 1 draws nearer to the places."""
        i = torch.randint(len(self.mu), (n,), generator=rng, device=self.mu.device)
        e = torch.randn(n, self.mu.shape[1], generator=rng, device=self.mu.device)
        return self.mu[i] + truncation * self.sigma[i] * e
