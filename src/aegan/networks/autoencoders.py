"""Encoders and decoders: images or vectors to codes and back.

Three shapes of code behind one call, `build_autoencoder(shape, code_shape)`:

======================  =====================  ==========================================================
data                    code                   networks
======================  =====================  ==========================================================
(C, H, W), up to 32     (d,)                   pixel-unshuffle by `patch`, residual stages, one linear layer
(C, H, W), any          (c, h, w)              the same, stopped at the grid (h, w), 3x3 convolution to c
(D,)                    (d,)                   residual MLPs
======================  =====================  ==========================================================

32x32: stages at 8x8 and 4x4; 64x64 with a spatial code of 8x8: stages at 16x16 and 8x8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.hints import Shape
from aegan.networks.blocks import (
    Down,
    NoiseMaps,
    ResBlock,
    ResidualMLPBlock,
    Up,
    channels_last,
    stage_widths,
    start,
    zero,
)

Upsampling = Literal["shuffle", "bilinear", "bilinear+noise"]
OVERLAP = 16  # channels of the convolution at half the image's size, by which neighbouring patches see each other


def default_code_shape(shape: Shape) -> Shape:
    """The default code for a data shape.

    Vectors: as many numbers as the data, at most 64. Images up to 32x32: 64 numbers, or a quarter of the values if those
    are fewer. Larger images: 8 channels on a grid of an eighth of the sides.

    >>> [default_code_shape(shape) for shape in ((1, 32, 32), (3, 64, 64), (2,), (1, 8, 8))]
    [(64,), (8, 8, 8), (2,), (16,)]
    """
    if len(shape) == 1:
        return (min(64, shape[0]),)
    channels, height, width = shape
    if height * width <= 32 * 32:
        return (min(64, max(4, channels * height * width // 4)),)
    return (8, math.ceil(height / 8), math.ceil(width / 8))


def code_shape_of(net: nn.Module) -> Shape:
    """The shape of the codes that an encoder gives, or a decoder takes."""
    return tuple(cast(Shape, net.code_shape))


def check_image_shape(shape: Shape) -> None:
    """Raise `UserError` unless `shape` is (C, H, W) with 1 to 4 channels and sides that are multiples of 4."""
    if len(shape) != 3 or not 1 <= shape[0] <= 4:
        raise UserError(f"Cannot build networks for data of shape {shape}.", "Images are (channels 1 to 4, H, W).")
    if shape[1] % 4 or shape[2] % 4 or min(shape[1:]) < 8:
        raise UserError(
            f"Images of {shape[2]}x{shape[1]} pixels do not fit the networks.",
            "Choose sides that are multiples of 4, at least 8 (--size).",
        )


def patch_size(height: int, width: int) -> int:
    """Side of the pixel-unshuffle: 4, or 2 for images below 16 pixels, whose grid would be too small."""
    return 4 if min(height, width) >= 16 else 2


def grids(height: int, width: int, *, coarsest: int = 4) -> list[tuple[int, int]]:
    """Sizes of the stages of an image network, finest first; each half of the one before, rounded up.

    >>> grids(32, 32), grids(64, 48, coarsest=8)
    ([(8, 8), (4, 4)], [(16, 12), (8, 6)])
    """
    patch = patch_size(height, width)
    sizes = [(height // patch, width // patch)]
    while max(sizes[-1]) > coarsest:
        h, w = sizes[-1]
        sizes.append((math.ceil(h / 2), math.ceil(w / 2)))
    return sizes


class Encoder(nn.Module):
    """E: images (N, C, H, W) in [-1, 1] to codes (N, d) or (N, c, h, w), where (h, w) must be one of `grids`."""

    def __init__(self, shape: Shape, code_shape: Shape, *, width: int, blocks: int) -> None:
        super().__init__()
        check_image_shape(shape)
        channels, height, image_width = shape
        self.code_shape = tuple(code_shape)
        self.patch = patch_size(height, image_width)
        sizes = stage_sizes(shape, code_shape)
        widths = stage_widths(width, len(sizes))
        self.stem = nn.Conv2d(channels * self.patch**2, width, 3, padding=1)
        self.stages = nn.ModuleList()
        for i, _ in enumerate(sizes):
            down: nn.Module = Down(widths[i - 1], widths[i]) if i else nn.Identity()
            self.stages.append(nn.Sequential(down, *(ResBlock(widths[i]) for _ in range(blocks))))
        h, w = sizes[-1]
        self.head: nn.Module
        if len(code_shape) == 1:
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * h * w, code_shape[0]))
        else:
            self.head = nn.Conv2d(widths[-1], code_shape[0], 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(F.pixel_unshuffle(x, self.patch))
        for stage in self.stages:
            h = stage(h)
        return self.head(h)


class Decoder(nn.Module):
    """G: codes (N, d) or (N, c, h, w) to images (N, C, H, W), unbounded (the data lie in [-1, 1]; clip to show).

    The mirror of `Encoder`, with one more convolution at half the image's size.
    """

    def __init__(self, shape: Shape, code_shape: Shape, *, width: int, blocks: int, upsampling: Upsampling) -> None:
        super().__init__()
        check_image_shape(shape)
        channels, height, image_width = shape
        self.code_shape = tuple(code_shape)
        self.patch = patch_size(height, image_width)
        sizes = stage_sizes(shape, code_shape)[::-1]
        widths = stage_widths(width, len(sizes))[::-1]
        self.grid = (widths[0], *sizes[0])
        self.head: nn.Module
        if len(code_shape) == 1:
            self.head = nn.Linear(code_shape[0], math.prod(self.grid))
        else:
            self.head = nn.Conv2d(code_shape[0], widths[0], 3, padding=1)
        self.stages = nn.ModuleList()
        for i, size in enumerate(sizes):
            up: nn.Module = Up(widths[i - 1], widths[i], size) if i else nn.Identity()
            self.stages.append(nn.Sequential(up, *(ResBlock(widths[i]) for _ in range(blocks))))
        if upsampling == "shuffle":
            self.tail = nn.Sequential(nn.SiLU(), *shuffling_tail(widths[-1], channels, self.patch))
        else:
            self.tail = interpolating_tail(widths[-1], shape, self.patch, noise=upsampling == "bilinear+noise")

    def forward(self, z: Tensor) -> Tensor:
        h = self.head(z).view(-1, *self.grid)
        h = h.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            h = stage(h)
        return self.tail(h)


def shuffling_tail(width: int, channels: int, patch: int) -> nn.Sequential:
    """From the finest stage to the image by pixel shuffles, with a convolution at half the image's size."""
    half = patch // 2
    first = nn.Conv2d(width, OVERLAP * half**2, 3, padding=1)
    last = nn.Conv2d(OVERLAP, channels * 4, 3, padding=1)
    return nn.Sequential(first, nn.PixelShuffle(half), nn.SiLU(), last, nn.PixelShuffle(2))


def interpolating_tail(width: int, shape: Shape, patch: int, *, noise: bool) -> nn.Sequential:
    """From the finest stage to the image by interpolation, with a convolution at the image's own size last.

    Every pixel is made by the same weights: pixel shuffles make neighbours by different ones, and a game against a critic
    then paints their grid (Odena et al. 2016, Deconvolution and checkerboard artifacts). With `noise`, `NoiseMaps` follow
    each interpolation.
    """
    layers: list[nn.Module] = []
    for factor in (2, 1) if patch == 4 else (1,):  # of the image's size to that of the map
        channels = factor * OVERLAP
        layers += [nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1)]
        layers += [nn.SiLU()] if factor == 1 else []
        layers += [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)]
        layers += [NoiseMaps(channels, (shape[1] // factor, shape[2] // factor))] if noise else []
        width = channels
    return nn.Sequential(*layers, nn.Conv2d(width, shape[0], 3, padding=1))


class VectorNet(nn.Module):
    """E or G for vectors, (N, inputs) to (N, outputs), one of which is `code_dim`: an MLP, 0 at first, and a linear map."""

    def __init__(self, inputs: int, outputs: int, code_dim: int, *, width: int, blocks: int) -> None:
        super().__init__()
        self.code_shape = (code_dim,)
        last = nn.Linear(width, outputs)
        zero(last.weight, last.bias)
        self.net = nn.Sequential(
            nn.Linear(inputs, width), *(ResidualMLPBlock(width) for _ in range(blocks)), nn.LeakyReLU(0.2), last
        )
        self.skip = nn.Linear(inputs, outputs)
        if inputs == outputs:
            nn.init.eye_(self.skip.weight)
            nn.init.zeros_(self.skip.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.net(x)


@torch.no_grad()
def fold_gaussian(decoder: Decoder | VectorNet, codes: Tensor) -> None:
    """Changes a decoder G to G(m + L ε), with the mean m and the covariance L Lᵀ of `codes` (N, d) or (N, c, h, w), N > 1.

    Of a spatial code they are those of its channels at all places; at the edges, where G pads its code by 0, ε is padded.
    """
    z = codes.flatten(2).movedim(1, 2).flatten(0, 1) if codes.ndim > 2 else codes
    factor = torch.linalg.cholesky(z.T.cov().view(z.shape[1], -1) + 1e-6 * torch.eye(z.shape[1], device=z.device))
    first = [decoder.skip, decoder.net[0]] if isinstance(decoder, VectorNet) else [decoder.head]
    for layer in cast(list[nn.Linear | nn.Conv2d], first):
        weight = layer.weight.flatten(2) if layer.weight.ndim > 2 else layer.weight.unsqueeze(2)  # (outputs, d, places)
        cast(Tensor, layer.bias).add_(weight.sum(2) @ z.mean(0))
        layer.weight.copy_(torch.einsum("odp,de->oep", weight, factor).view_as(layer.weight))


def stage_sizes(shape: Shape, code_shape: Shape) -> list[tuple[int, int]]:
    """The grids between an image of `shape` and its code, finest first; `UserError` if the code fits none."""
    _, height, width = shape
    if len(code_shape) == 1:
        return grids(height, width)
    sizes = grids(height, width, coarsest=1)
    for i, size in enumerate(sizes):
        if size == tuple(code_shape[1:]):
            return sizes[: i + 1]
    known = ", ".join(f"{h}x{w}" for h, w in sizes)
    raise UserError(
        f"A code of shape {tuple(code_shape)} does not fit images of {height}x{width}.", f"Its grid can be {known}."
    )


def build_decoder(
    shape: Sequence[int],
    code_shape: Sequence[int] | None = None,
    *,
    width: int = 64,
    blocks: int = 1,
    upsampling: Upsampling = "shuffle",
) -> Decoder | VectorNet:
    """The decoder that `build_autoencoder` makes, alone: also the generator of the pixel GAN."""
    shape = tuple(shape)
    code = tuple(code_shape) if code_shape else default_code_shape(shape)
    if len(shape) == 1:
        return VectorNet(code[0], shape[0], code[0], width=2 * width, blocks=blocks)
    decoder = Decoder(shape, code, width=width, blocks=blocks, upsampling=upsampling)
    start(decoder)
    return channels_last(decoder)


def build_autoencoder(
    shape: Sequence[int],
    code_shape: Sequence[int] | None = None,
    *,
    width: int = 64,
    blocks: int = 1,
    upsampling: Upsampling = "shuffle",
) -> tuple[Encoder | VectorNet, Decoder | VectorNet]:
    """Encoder and decoder for data of `shape`.

    Args:
        shape: (C, H, W), sides multiples of 4, or (D,).
        code_shape: (d,) or (c, h, w); None: `default_code_shape(shape)`.
        width: channels of the finest stage (twice that below it, and in the MLPs).
        blocks: residual blocks a stage.
        upsampling: how the decoder goes from its finest stage, a quarter of the image's size, to the image: by pixel
            shuffles, which is fastest, or by bilinear interpolation, which leaves no grid; there fixed maps of noise can
            be added, for grain that codes do not hold.

    >>> E, G = build_autoencoder((3, 20, 12))
    >>> x = torch.zeros(2, 3, 20, 12)
    >>> E(x).shape, G(E(x)).shape
    (torch.Size([2, 64]), torch.Size([2, 3, 20, 12]))
    """
    shape = tuple(shape)
    code = tuple(code_shape) if code_shape else default_code_shape(shape)
    decoder = build_decoder(shape, code, width=width, blocks=blocks, upsampling=upsampling)
    if len(shape) == 1:
        return VectorNet(shape[0], code[0], code[0], width=2 * width, blocks=blocks), decoder
    encoder = Encoder(shape, code, width=width, blocks=blocks)
    start(encoder)
    return channels_last(encoder), decoder
