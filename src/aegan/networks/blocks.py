"""The few blocks that every network here is built from.

Images are (N, C, H, W). All blocks keep (H, W); only `Down` and `Up` change it, and both accept odd sizes, so that
any image whose sides are multiples of 4 passes through. Convolutions are fastest on CPU with at least 32 channels
at 16x16 and below, in `torch.channels_last`: the builders convert their networks to it.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def groups(channels: int) -> int:
    """Groups for `GroupNorm`: eight, or the largest divisor of `channels` below that.

    >>> groups(64), groups(12), groups(7)
    (8, 6, 7)
    """
    return next(g for g in range(min(8, channels), 0, -1) if channels % g == 0)


def stage_widths(width: int, stages: int) -> list[int]:
    """Channels of each stage: `width`, then twice that (the coarse grids hold little)."""
    return [width if i == 0 else 2 * width for i in range(stages)]


def start(net: nn.Module) -> None:
    """Draw every weight of `net` that is not zero from N(0, 1 / fan_in), and set every bias to zero.

    Keeps the scale of what passes through, which PyTorch's own start shrinks by sqrt 3 a layer.
    """
    for m in net.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            if bool(m.weight.any()):
                nn.init.normal_(m.weight, std=m.weight[0].numel() ** -0.5)
            zero(m.bias)


def zero(*parameters: Tensor | None) -> None:
    """Zeros in parameters of layers; one that a layer does without is None."""
    for p in parameters:
        if p is not None:
            nn.init.zeros_(p)


def channels_last(net: Net) -> Net:
    """The same network, its weights in `torch.channels_last`."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class ResBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the identity at the start because the last convolution is zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups(channels), channels)
        self.norm2 = nn.GroupNorm(groups(channels), channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        zero(self.conv2.weight, self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class CriticBlock(nn.Module):
    """x + conv(a(conv(a(x)))), a = leaky ReLU 0.2, no normalisation (gradient penalties need samples apart).

    Fix-up start (Zhang et al. 2019; R3GAN, arXiv 2501.05441): the first convolution of the two-layer branch is scaled by
    depth^(-1/2), `depth` being the number of residual blocks of the whole network, and the last one is zero.
    """

    def __init__(self, channels: int, *, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv1.weight, std=math.sqrt(2 / (9 * channels)) * depth**-0.5)
        zero(self.conv1.bias, self.conv2.weight, self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))


class Down(nn.Module):
    """Halves height and width, rounding up, by a 3x3 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Up(nn.Module):
    """A 3x3 convolution and a pixel shuffle to twice the height and width, cropped to `size`: what `Down` rounded up."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(inputs, outputs * 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), 2)[..., : self.size[0], : self.size[1]]


class NoiseMaps(nn.Module):
    """h + A(h) ⊙ n: fine detail that no code holds, from maps n ~ N(0, 1) that are drawn once, with the network.

    StyleGAN (Karras et al. 2019, arXiv 1812.04948) draws n anew for every image. Here G stays a function of its code, so
    that it exports, and decodes the same code alike each time. A, a 1x1 convolution that starts at zero, chooses for each
    place how much of each map is added. Maps are as many as channels of h, of its `size` (height, width).
    """

    n: Tensor

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.A = nn.Conv2d(channels, channels, 1)
        zero(self.A.weight, self.A.bias)
        # with its own seed: every network of this size has the same maps
        self.register_buffer("n", torch.randn(channels, *size, generator=torch.Generator().manual_seed(0)))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.A(h) * self.n


class ResidualMLPBlock(nn.Module):
    """x + W2 a(W1 a(x)) on vectors (N, width); W2 starts at zero, `a` is leaky ReLU 0.2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm: nn.Module = nn.Identity()  # `use_virtual_batch_norm` puts another here
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)
        zero(self.linear2.weight, self.linear2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear2(F.leaky_relu(self.linear1(F.leaky_relu(self.norm(x), 0.2)), 0.2))
