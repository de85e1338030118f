"""The pixels themselves: needs nothing, always there."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from aegan.metrics.features._base import Extractor, ExtractorRequest, Progress, in_batches, register


class Pixels:
    """The image itself, averaged down to at most 16 × 16: needs nothing, sees colour and layout, no texture."""

    SIDE = 16

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def describe(self) -> dict[str, str]:
        return {
            "name": "pixels",
            "sha256": "",
            "resizing": f"at most {self.SIDE}x{self.SIDE}, averaged, [-1, 1]",
            "features": "pixels",
        }

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        def of(x: Tensor) -> Tensor:
            size = (min(x.shape[2], self.SIDE), min(x.shape[3], self.SIDE))
            return F.adaptive_avg_pool2d(x, size).flatten(1)

        return in_batches(images, 1024, self.device, of, progress, (1, 3, 4))


@register("pixels")
def _make(asked: ExtractorRequest) -> Extractor:
    return Pixels(asked.device)
