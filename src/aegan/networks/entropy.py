"""Densities that a codec writes symbols under: of a code's numbers, each given those before it, and of pixels, likewise.

Both give mixtures of two logistic distributions, of which the codec takes integer frequencies; see `aegan.codec.fixed`,
which evaluates the same layers in exact arithmetic.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.fp32 import in_fp32

OCTAVES = (-4.0, 8.0)  # range of log₂ σ, which the codec's table of scales shares
OWN = (
    (0, -1), (0, -2), (0, -3), (0, -4), (-1, -3), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (-1, 3),
    (-2, -2), (-2, -1), (-2, 0), (-2, 1), (-2, 2), (-3, -2), (-3, 0), (-3, 2), (-4, 0), (-6, 0), (0, -6),
)  # fmt: skip
"""(dy, dx) of the pixels of a channel that were coded before, nearest first within a row."""
OTHER = ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1))
"""(dy, dx) of the pixels of each earlier channel, which is known as a whole."""
REACH = 6  # pixels, the farthest of both
CAUSAL = ((0, -1), (0, -2), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (-2, -1), (-2, 0), (-2, 1))
"""(dy, dx) of the numbers of a plane of codes that were coded before."""
AROUND = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
"""(dy, dx) of the numbers that are read of an earlier plane."""
PIXEL_UNIT = 64.0  # grey levels to one unit of the pixel density's outputs


def earlier(c: int) -> list[int]:
    """The planes before plane c that its density reads: the first four, and the twelve latest."""
    return sorted({*range(min(4, c)), *range(max(0, c - 12), c)})


def logistic_mixture(
    x: Tensor, out: Tensor, half: Tensor | float, unit: Tensor | float, octaves: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """F(x − half) and F(x + half) of a mixture of two logistics at x (...), where symbols are 2 half wide.

    Args:
        out: (..., 5): the logit of w, μ₁, μ₂ and log₂ σ₁, log₂ σ₂; F = w F₁ + (1 − w) F₂.
        unit: that μ is counted in.
        octaves: added to log₂ σ.
    """
    w = torch.sigmoid(out[..., 0])
    low, high = torch.zeros_like(x), torch.zeros_like(x)
    for k, weight in ((1, w), (2, 1 - w)):
        mu, sigma = out[..., k] * unit, torch.exp2((out[..., k + 2] + octaves).clamp(*OCTAVES))
        low = low + weight * torch.sigmoid((x - half - mu) / sigma)
        high = high + weight * torch.sigmoid((x + half - mu) / sigma)
    return low, high


def steps_of(y: Tensor, s: Tensor, offset: float) -> Tensor:
    """k = sign(y) ⌊|y| / s + offset⌋, whole numbers in y's shape; y ≈ k s.

    y are codes (N, ...) and s the step of each, (N,). An offset of 0.5 rounds to the nearest; less favours smaller numbers,
    which cost fewer bits than they add error.
    """
    return y.sign() * (y.abs() / s.view(-1, *(1,) * (y.ndim - 1)) + offset).floor()


def hidden_net(inputs: int, width: int, start: list[float]) -> nn.Sequential:
    """Two hidden layers, and outputs that are `start` at first."""
    last = nn.Linear(width, len(start))
    nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(start)
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)


class CodeDensity(nn.Module):
    """p(y | s) = Π p(y_i | y_1 … y_{i−1}, s): of codes (N, P, h, w) that are rounded to multiples of a step s.

    Plane after plane is coded, each row by row. A small network of each plane reads the numbers left and above, all around
    in planes before (the first and the latest few), log₂ s and the place; it gives the mixture of y_i / 2^e, where e is of
    the plane. Both hidden layers have `width` numbers.
    """

    octaves: Tensor

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.shape = shape
        start = [0.0, -0.5, 0.5, -1.0, -1.0]
        self.nets = nn.ModuleList(
            hidden_net(len(CAUSAL) + len(earlier(c)) * len(AROUND) + 3, width, start) for c in range(shape[0])
        )
        self.register_buffer("octaves", torch.full((shape[0],), 2.0))

    def expect(self, deviation: Tensor) -> None:
        """Sets the scales 2^e to those of planes with these deviations, (P,)."""
        self.octaves.copy_(deviation.clamp(0.25, 256.0).log2().round())

    def forward(self, y: Tensor, s: Tensor, places: int = 0) -> Tensor:
        """Bits of each code, (N,), of codes y (N, P, h, w) and steps s (N,).

        They are estimated from so many random `places` of each plane; 0: all.
        """
        with in_fp32(y):
            y, s = y.float(), s.float()
            n, _, h, w = y.shape
            scale = torch.exp2(self.octaves)
            padded = F.pad(y / scale[:, None, None], (2,) * 4)
            read = slice(None) if not 0 < places < h * w else torch.randperm(h * w, device=y.device)[:places]

            def shifted(offsets: tuple[tuple[int, int], ...]) -> Tensor:
                views = [padded[:, :, 2 + dy : 2 + dy + h, 2 + dx : 2 + dx + w] for dy, dx in offsets]
                return torch.stack(views, -1).flatten(2, 3)[:, :, read]  # (N, P, places, offsets)

            own, around, value = shifted(CAUSAL), shifted(AROUND), y.flatten(2)[:, :, read]
            row, col = ((2 * torch.arange(v, device=y.device) - (v - 1)) / (2 * v) for v in (h, w))
            where = torch.stack(torch.meshgrid(row, col, indexing="ij"), -1).flatten(0, 1)[read]
            extra = torch.cat([s.log2()[:, None, None].expand(n, len(where), 1), where.expand(n, -1, -1)], -1)
            total = torch.zeros(n, device=y.device)
            for c, net in enumerate(self.nets):
                context = [own[:, c], *(around[:, b] for b in earlier(c)), extra]
                out = net(torch.cat(context, -1))
                low, high = logistic_mixture(value[:, c], out, 0.5 * s[:, None], scale[c], self.octaves[c])
                total = total - (high - low).clamp_min(1e-9).log2().sum(1)
            return total * (h * w / len(where))


class PixelDensity(nn.Module):
    """p(x) = Π p(x_i | earlier pixels): zero or not, and if not a mixture of two logistics, clipped to 1 … 255.

    A small network of each channel, with two hidden layers of `width` numbers, reads the pixels left and above, those of
    the channels before, and the place in the image.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels, self.width = channels, width
        start = [0.0, 0.0, 1.0, 2.5, 3.0, 4.0]
        self.nets = nn.ModuleList(hidden_net(len(OWN) + c * len(OTHER) + 2, width, start) for c in range(channels))

    def forward(self, x: Tensor, places: int) -> Tensor:
        """Bits of pixels at random places, (N,): a mean over `places` places and all channels of each image.

        Images x (N, C, H, W) are in [-1, 1], of at least 8 bits.
        """
        with in_fp32(x):
            n, channels, height, width = x.shape
            level = ((x.float() + 1) * 127.5).round()
            padded = F.pad(level, (REACH,) * 4)
            row = torch.randint(height, (n, places), device=x.device)
            col = torch.randint(width, (n, places), device=x.device)
            which = torch.arange(n, device=x.device)[:, None]

            def at(c: int, offsets: tuple[tuple[int, int], ...]) -> list[Tensor]:
                return [padded[which, c, row + REACH + dy, col + REACH + dx] / 256 for dy, dx in offsets]

            where = [(2 * v - (side - 1)) / (2 * side) for v, side in ((row, height), (col, width))]
            total = torch.zeros(n, places, device=x.device)
            for c, net in enumerate(self.nets):
                context = at(c, OWN) + [v for b in range(c) for v in at(b, OTHER)] + where
                out = net(torch.stack(context, -1))
                total = total + self.bits(level[which, c, row, col], out)
            return total.mean(1) / channels

    @staticmethod
    def bits(x: Tensor, out: Tensor) -> Tensor:
        """−log₂ p of levels x (...), of the network's outputs (..., 6)."""
        low, high = logistic_mixture(x, out[..., 1:], 0.5, PIXEL_UNIT)
        low = torch.where(x <= 1, torch.zeros_like(low), low)
        high = torch.where(x >= 255, torch.ones_like(high), high)
        zero = F.softplus(-out[..., 0]) / math.log(2)  # bits of a one, "it is zero"
        other = F.softplus(out[..., 0]) / math.log(2) - (high - low).clamp_min(1e-9).log2()
        return torch.where(x == 0, zero, other)
