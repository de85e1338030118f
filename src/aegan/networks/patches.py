"""A critic of patches: many logits an image, each of what one neighbourhood looks like."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PatchCritic(nn.Module):
    """D: images (N, C, H, W) to one logit for each place of a grid of a quarter of the sides, (N, H/4 · W/4).

    After Isola et al. 2017 (PatchGAN, arXiv 1611.07004), whose logits see 70x70 pixels; ours see 34x34, and there is no
    batch normalisation, so that R1 can be used. `width` are the channels at a quarter of the size.
    """

    def __init__(self, channels: int, *, width: int) -> None:
        super().__init__()
        first = nn.Conv2d(channels, width // 2, 4, stride=2, padding=1)
        second = nn.Conv2d(width // 2, width, 4, stride=2, padding=1)
        more = (nn.Conv2d(n * width, 2 * width, 3, padding=1) for n in (1, 2))
        self.convs = nn.ModuleList((first, second, *more))
        self.last = nn.Conv2d(2 * width, 1, 3, padding=1)
        for conv in (*self.convs, self.last):
            nn.init.kaiming_normal_(conv.weight, a=0.2)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        return self.last(x).flatten(1)
