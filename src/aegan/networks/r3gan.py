"""The networks of R3GAN (Huang et al. 2024, arXiv 2501.05441): residual, grouped convolutions, no normalisation.

A block is x + conv 1x1(a(grouped conv 3x3(a(conv 1x1(x))))), twice as wide inside, with a = leaky ReLU 0.2 after a bias. G
begins at a learnt basis of about 4x4 pixels whose weights are linear in z, D ends in the same; both resample by
interpolation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.networks.critics import CriticBody

BLOCKS = 2  # a stage
GROUP = 16  # channels
GAIN = (2 / (1 + 0.2**2)) ** 0.5  # keeps the variance through leaky ReLU 0.2


def r3gan_sides(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Sides of the maps of an image (C, H, W), coarsest first: halved, rounding up, until they are at most 4.

    >>> r3gan_sides((3, 28, 20))
    [(4, 3), (7, 5), (14, 10), (28, 20)]
    """
    if len(shape) != 3:
        raise UserError(f"R3GAN's networks are for images, and this data has shape {shape}.", "Set networks=pacgan.")
    sides = [(shape[1], shape[2])]
    while max(sides[-1]) > 4:
        h, w = sides[-1]
        sides.append(((h + 1) // 2, (w + 1) // 2))
    return sides[::-1]


def _widths(sides: list[tuple[int, int]], width: int) -> list[int]:
    """Channels at each of the sides: as in the paper half as many above 32 pixels."""
    return [width if max(s) <= 32 else max(1, width // 2) for s in sides]


def conv(a: int, b: int, size: int, *, groups: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """Without bias, weights from N(0, gain² / fan_in)."""
    layer = nn.Conv2d(a, b, size, padding=size // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, std=gain * (a // groups * size * size) ** -0.5)
    return layer


class BiasedLeakyReLU(nn.Module):
    """max(x + b, 0.2 (x + b)), a bias b for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias, 0.2)


class R3Block(nn.Sequential):
    """A residual block, whose branch is zero at first.

    With L = `depth` blocks in the whole network the first two convolutions start scaled by L^(-1/4) (fix-up, Zhang et al.
    2019, arXiv 1901.09321, of a branch of three layers).
    """

    def __init__(self, channels: int, *, depth: int) -> None:
        inner, gain = 2 * channels, GAIN * depth**-0.25
        groups = math.gcd(inner, max(1, inner // GROUP))
        super().__init__(
            conv(channels, inner, 1, gain=gain),
            BiasedLeakyReLU(inner),
            conv(inner, inner, 3, groups=groups, gain=gain),
            BiasedLeakyReLU(inner),
            conv(inner, channels, 1, gain=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class R3Decoder(nn.Module):
    """G: z (N, d) to images (N, C, H, W), without a last activation; in the paper d = 64, and `width` 768 channels."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, *, width: int) -> None:
        super().__init__()
        self.code_shape = (z_dim,)
        self.sides = r3gan_sides(shape)
        channels = _widths(self.sides, width)
        self.project = nn.Linear(z_dim, channels[0], bias=False)
        nn.init.normal_(self.project.weight, std=z_dim**-0.5)
        self.basis = nn.Parameter(torch.randn(channels[0], *self.sides[0]))
        depth = BLOCKS * len(self.sides)
        self.stages = nn.ModuleList()
        for before, c in zip([channels[0], *channels], channels, strict=False):
            change = conv(before, c, 1) if before != c else nn.Identity()
            self.stages.append(nn.Sequential(change, *(R3Block(c, depth=depth) for _ in range(BLOCKS))))
        self.out = conv(channels[-1], shape[0], 1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.basis * self.project(z)[..., None, None]
        for stage, side in zip(self.stages, self.sides, strict=True):
            if x.shape[2:] != side:
                x = F.interpolate(x, side, mode="bilinear", align_corners=False)
            x = stage(x)
        return self.out(x)


class R3Body(CriticBody):
    """D up to its linear layer: the stages of G in the other direction, then a 4x4 basis for each channel.

    `shape` is (C, H, W) with the pack already counted in C.
    """

    def __init__(self, shape: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        self.sides = r3gan_sides(shape)[::-1]
        channels = _widths(self.sides, width)
        self.stem = conv(shape[0], channels[0], 1)
        depth = BLOCKS * len(self.sides)
        self.stages = nn.ModuleList()
        for c, after in zip(channels, [*channels[1:], channels[-1]], strict=True):
            change = conv(c, after, 1) if after != c else nn.Identity()
            self.stages.append(nn.Sequential(*(R3Block(c, depth=depth) for _ in range(BLOCKS)), change))
        h, w = self.sides[-1]
        self.basis = nn.Parameter(torch.randn(channels[-1], h, w) * (h * w) ** -0.5)
        self.out = channels[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for stage, side in zip(self.stages, [*self.sides[1:], self.sides[-1]], strict=True):
            x = F.adaptive_avg_pool2d(stage(x), side)
            maps.append(x)
        return [*maps, (x * self.basis).sum((2, 3))]
