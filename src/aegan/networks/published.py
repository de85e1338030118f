"""Networks as papers published them, beside which ours can be compared: DCGAN's and R3GAN's for images, PacGAN's for toys.

Decoders have a `code_shape` and go into `ConditionalGenerator`, bodies into `Critic`, as ours do.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aegan.errors import UserError
from aegan.networks.critics import Critic, CriticBody, with_head
from aegan.networks.r3gan import R3Body, R3Decoder


def start_published(net: nn.Module) -> None:
    """Weights from N(0, 0.02²), gains of batch normalisation from N(1, 0.02²), biases 0."""
    for m in net.modules():
        weight, bias = getattr(m, "weight", None), getattr(m, "bias", None)
        if isinstance(weight, nn.Parameter):
            nn.init.normal_(weight, mean=1.0 if isinstance(m, _BatchNorm) else 0.0, std=0.02)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)


def dcgan_grid(shape: tuple[int, ...]) -> tuple[int, tuple[int, int]]:
    """How often DCGAN halves the sides of an image (C, H, W), and the grid that is left: about 4x4.

    >>> dcgan_grid((3, 64, 64)), dcgan_grid((1, 28, 28))
    ((4, (4, 4)), (2, (7, 7)))
    """
    if len(shape) != 3:
        raise UserError(f"DCGAN's networks are for images, and this data has shape {shape}.", "Set networks=pacgan.")
    n, (h, w) = 0, shape[1:]
    while h % 2 == 0 and w % 2 == 0 and min(h, w) >= 8:
        n, h, w = n + 1, h // 2, w // 2
    if n < 2 or max(h, w) > 8:
        raise UserError(
            f"DCGAN's networks do not fit images of {shape[2]}x{shape[1]}: they halve the sides down to about 4x4.",
            "Choose --size 16, 28, 32, 64 or 128, or networks=ours.",
        )
    return n, (h, w)


class DCGANDecoder(nn.Module):
    """G of Radford et al. 2016 (arXiv 1511.06434): z (N, d) to images (N, C, H, W) in (-1, 1).

    A linear layer to a grid, then 5x5 convolutions of fractional stride 1/2; batch normalisation and ReLU after each
    but the last, which ends in tanh.

    `z_dim` d is 100 in the paper; `width`, the channels of the finest hidden layer, doubled at each coarser one, 128.
    """

    def __init__(self, shape: tuple[int, ...], z_dim: int, *, width: int) -> None:
        super().__init__()
        n, (h, w) = dcgan_grid(shape)
        self.code_shape = (z_dim,)
        widths = [width * 2**i for i in reversed(range(n))]
        self.grid = (widths[0], h, w)
        self.project = nn.Sequential(
            nn.Linear(z_dim, widths[0] * h * w, bias=False), nn.BatchNorm1d(widths[0] * h * w), nn.ReLU()
        )
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [_up(a, b), nn.BatchNorm2d(b), nn.ReLU()]
        self.net = nn.Sequential(*layers, _up(widths[-1], shape[0]), nn.Tanh())
        start_published(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(self.project(z).view(-1, *self.grid))


def _up(a: int, b: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, output_padding=1, bias=False)


class DCGANBody(CriticBody):
    """D of the same paper up to its last layer: 5x5 convolutions of stride 2, leaky ReLU 0.2, batch normalisation in all
    but the first."""

    def __init__(self, shape: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        n, (h, w) = dcgan_grid(shape)
        widths = [shape[0], *(width * 2**i for i in range(n))]
        self.layers = nn.ModuleList()
        for i, (a, b) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(a, b, 5, stride=2, padding=2, bias=False)
            self.layers.append(nn.Sequential(conv, nn.BatchNorm2d(b) if i else nn.Identity()))
        self.out = widths[-1] * h * w
        start_published(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return [*maps, x.flatten(1)]


class PacGANDecoder(nn.Module):
    """G of the toys of ALI and PacGAN (arXiv 1606.00704, 1712.04086): z (N, d) to vectors (N, D), four hidden layers
    with batch normalisation and ReLU, and a linear one."""

    def __init__(self, dim: int, z_dim: int, *, width: int) -> None:
        super().__init__()
        self.code_shape = (z_dim,)
        layers: list[nn.Module] = []
        for a in (z_dim, width, width, width):
            layers += [nn.Linear(a, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(width, dim))
        start_published(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class MaxoutBody(CriticBody):
    """D of the same toys up to its last layer: three layers, each value the largest of 5 linear ones; no normalisation."""

    pieces = 5

    def __init__(self, dim: int, *, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, width * self.pieces) for a in (dim, width, width))
        self.out = width
        start_published(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.layers:
            x = layer(x).unflatten(1, (-1, self.pieces)).amax(2)
            maps.append(x)
        return maps


def published_decoder(kind: str, shape: tuple[int, ...], z_dim: int, *, width: int) -> nn.Module:
    """The decoder called `kind`, dcgan, pacgan or r3gan, from its own start."""
    if kind == "r3gan":
        return R3Decoder(shape, z_dim, width=width)
    if kind == "dcgan":
        return DCGANDecoder(shape, z_dim, width=width)
    return PacGANDecoder(_dimension(shape), z_dim, width=width)


def published_critic(
    kind: str, shape: tuple[int, ...], *, width: int, classes: int = 0, pack: int = 1, minibatch: int = 0
) -> Critic:
    """The critic called `kind`, dcgan, pacgan or r3gan, from its own start; see `build_critic` for the arguments.

    >>> import torch
    >>> published_critic("pacgan", (2,), width=8, pack=2)(torch.zeros(4, 2)).shape
    torch.Size([2])
    """
    body: DCGANBody | MaxoutBody | R3Body
    if kind == "r3gan":
        body = R3Body((shape[0] * pack, *shape[1:]), width=width)
    elif kind == "dcgan":
        body = DCGANBody((shape[0] * pack, *shape[1:]), width=width)
    else:
        body = MaxoutBody(_dimension(shape) * pack, width=width)
    critic = with_head(body, body.out, classes=classes, pack=pack, minibatch=minibatch)
    if kind != "r3gan":
        start_published(critic.linear)
    return critic


def _dimension(shape: tuple[int, ...]) -> int:
    if len(shape) != 1:
        raise UserError(
            f"PacGAN's toy networks are for vectors, and this data has shape {shape}.", "Set networks=dcgan."
        )
    return shape[0]
