"""Any network of yours as an extractor."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.metrics.features._base import Progress, in_batches
from aegan.metrics.features._kept import hash_of


@dataclass(frozen=True)
class ModuleExtractor:
    """An extractor out of a network that maps float32 (N, C, H, W) to (N, ...).

    Images are resized to `size` × `size` bilinearly (antialiased when they shrink), brought to `channels` (one is
    repeated), and normalised: (x − mean) / sd with x in [0, 1]. Features are flattened to (N, D). The network is put
    into eval mode while it runs, and back into its own after.

    Args:
        net: computes in its own precision; moved to `device`.
        name: for results. The sha256 of the weights is recorded with it.
        size: None leaves images as they are.
        mean, sd: one number, or one a channel.
        channels: 1 or 3, what the network takes.
        batch: images at a time.

    >>> ModuleExtractor(nn.Flatten(), channels=1)(np.zeros((2, 4, 4, 1), np.uint8)).shape
    torch.Size([2, 16])
    """

    net: nn.Module
    _: KW_ONLY
    name: str = "module"
    size: int | None = None
    mean: tuple[float, ...] = (0.5,)
    sd: tuple[float, ...] = (0.5,)
    channels: int = 3
    batch: int = 64
    device: str = "cpu"

    def __post_init__(self) -> None:
        for what, values in (("mean", self.mean), ("sd", self.sd)):
            if len(values) not in (1, self.channels):
                raise UserError(
                    f"The extractor '{self.name}' takes {self.channels} channels, but its {what} has {len(values)} numbers."
                )
        positive = min(self.sd) > 0 and self.batch >= 1 and (self.size is None or self.size >= 1)
        if not positive or self.channels not in (1, 3):
            raise UserError(f"The extractor '{self.name}' needs sd, batch and size above 0, and 1 or 3 channels.")
        self.net.to(self.device)

    def describe(self) -> dict[str, str]:
        side = f"{self.size}x{self.size} bilinear, antialiased" if self.size else "none"
        return {
            "name": self.name,
            "sha256": hash_of(self.net),
            "resizing": f"{side}; [0, 1], mean {list(self.mean)}, sd {list(self.sd)}; {self.channels} channels",
            "features": type(self.net).__name__,
        }

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        if images.ndim == 4 and images.shape[-1] > self.channels:
            raise UserError(
                f"The extractor '{self.name}' takes images of {self.channels} channel, got {images.shape[-1]}.",
                "Make them grey first, or give a network of 3 channels.",
            )
        mean, sd = (torch.tensor(v, device=self.device).view(1, -1, 1, 1) for v in (self.mean, self.sd))

        def of(x: Tensor) -> Tensor:
            x = (x + 1) / 2
            if self.size is not None and x.shape[2:] != (self.size, self.size):
                x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=True)
            x = ((x - mean) / sd).expand(-1, self.channels, -1, -1)
            try:
                y = self.net(x)
            except RuntimeError as error:  # torch's word for shapes that do not fit
                first = str(error).splitlines()[0]
                raise UserError(
                    f"The network '{self.name}' refuses images as {tuple(x.shape)} (made from {images.shape}): {first}",
                    "Set size= and channels= to what it takes.",
                ) from error
            if not isinstance(y, Tensor) or y.ndim < 2 or len(y) != len(x):
                got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
                raise UserError(
                    f"The network '{self.name}' gave {got} for images as {tuple(x.shape)}, not ({len(x)}, ...)."
                )
            return y.flatten(1)

        training = [m for m in self.net.modules() if m.training]  # each module's own: a frozen part stays as it was
        self.net.eval()
        try:
            return in_batches(images, self.batch, self.device, of, progress)
        finally:
            for m in training:
                m.training = True


module_extractor = ModuleExtractor
