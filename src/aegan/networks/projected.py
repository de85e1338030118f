"""The projected critic: small heads on the maps of frozen eyes, mixed across channels and scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aegan.networks.critics import halving

SIDE = 4  # to which every head reduces its map


class Mixer(nn.Module):
    """Fixed random mixing of maps across channels and, from coarse to fine, across scales (Sauer et al. 2021, section 3.2).

    Without it heads look at the few strongest channels, and G satisfies those. Nothing here is trained.

    `channels` are those of the maps, finest first, `width` those of each mixed map.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        # buffers: whatever trains this network must not train these
        self.across = [self._fixed(f"across{i}", (width, c, 1, 1)) for i, c in enumerate(channels)]
        self.down = [self._fixed(f"down{i}", (width, width, 3, 3)) for i in range(len(channels) - 1)]

    def _fixed(self, name: str, shape: tuple[int, ...]) -> str:
        """Draws a convolution's weight from N(0, 1 / fan_in); its name."""
        self.register_buffer(name, torch.randn(shape) * math.prod(shape[1:]) ** -0.5)
        return name

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        mixed = [F.conv2d(m, self.get_buffer(name).to(m.dtype)) for name, m in zip(self.across, maps, strict=True)]
        for i in reversed(range(len(self.down))):
            above = F.interpolate(mixed[i + 1], size=mixed[i].shape[2:], mode="bilinear", align_corners=False)
            down = self.get_buffer(self.down[i])
            mixed[i] = (mixed[i] + F.conv2d(above, down.to(above.dtype), padding=1)) * 0.5**0.5
        return mixed


class Head(nn.Module):
    """Logits at every place of one map: 1×1, then stride 2 down to about 4×4, 3×3; all under spectral normalisation.

    With `classes` each place also gets e_y · h (Miyato & Koyama 2018). `sides` are the map's (height, width).
    """

    def __init__(self, channels: int, sides: tuple[int, int], *, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [spectral_norm(nn.Conv2d(channels, width, 1)), nn.LeakyReLU(0.2)]
        while max(sides) > SIDE:
            layers += [spectral_norm(halving(width, width, sides)), nn.LeakyReLU(0.2)]
            sides = (max(1, sides[0] // 2), max(1, sides[1] // 2))
        self.body = nn.Sequential(*layers, spectral_norm(nn.Conv2d(width, width, 3, padding=1)), nn.LeakyReLU(0.2))
        self.logit = spectral_norm(nn.Conv2d(width, 1, 1))
        self.embed = spectral_norm(nn.Embedding(classes, width)) if classes else None

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        """Logits (N, places) of a map (N, c, h, w)."""
        h = self.body(h)
        logit = self.logit(h)
        if self.embed is not None:
            if y is None:
                raise ValueError("a critic with classes needs labels")
            logit = logit + (self.embed(y)[:, :, None, None] * h).sum(1, keepdim=True)
        return logit.flatten(1)


class ProjectedCritic(nn.Module):
    """D(φ(x), y): a head on each map of frozen eyes φ, which are not part of it. Logits (N, places of all heads).

    Args:
        channels, sides: of the eyes' maps, finest first.
        width: channels inside the heads.
        classes: number of classes, 0 for none.
        mixing: mix maps across channels and scales first.

    >>> D = ProjectedCritic((24, 40), ((16, 16), (8, 8)), width=8, classes=0)
    >>> D([torch.zeros(2, 24, 16, 16), torch.zeros(2, 40, 8, 8)]).shape
    torch.Size([2, 32])
    """

    def __init__(
        self,
        channels: Sequence[int],
        sides: Sequence[tuple[int, int]],
        *,
        width: int = 64,
        classes: int = 0,
        mixing: bool = True,
    ) -> None:
        super().__init__()
        self.mixer = Mixer(channels, width) if mixing else None
        self.heads = nn.ModuleList(
            Head(width if mixing else c, side, width=width, classes=classes)
            for c, side in zip(channels, sides, strict=True)
        )

    def forward(self, maps: Sequence[Tensor], y: Tensor | None = None) -> Tensor:
        maps = self.mixer(maps) if self.mixer is not None else maps
        return torch.cat([head(m, y) for head, m in zip(self.heads, maps, strict=True)], 1)
