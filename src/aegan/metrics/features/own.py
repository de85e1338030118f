"""Features of the data itself: a small network trained by contrast on the user's own images, without labels.

Networks trained on photographs see what photographs have. For drawings, textures or X-rays this one is a second judge: it
has seen nothing but the data, and tells each image from all others however it is zoomed, shifted, turned or lit.

It is trained once for each data set, on every second training image, and kept in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.metrics.features._base import Extractor, ExtractorRequest, Progress, in_batches, register
from aegan.metrics.features._kept import hash_of, kept, path_of, write
from aegan.networks.eyes import ContrastEyes
from aegan.objectives.views import nt_xent, view

if TYPE_CHECKING:
    from aegan.data import Data

VERSION = 1  # of the network and its training: a change makes what is kept stale
STEPS, BATCH, RATE, TEMPERATURE = 600, 96, 1e-3, 0.2
LEAST = 64  # training images, below which there is too little to contrast


class Standardised(nn.Module):
    """The vectors of `ContrastEyes`, each number with mean 0 and variance 1 over the training images.

    Args:
        shape: (C, H, W).
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = ContrastEyes(shape)
        dim = self.net.out.out_features
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("sd", torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return (self.net.embed(x).float() - self.mean) / self.sd


@dataclass(frozen=True)
class OwnFeatures:
    """A trained network; 128 features.

    Args:
        net: in eval mode.
        shape: (C, H, W) of the images.
        seen: training images that it was trained on.
        device: where it computes.
    """

    net: Standardised
    shape: tuple[int, ...]
    seen: int
    device: str = "cpu"

    def describe(self) -> dict[str, str]:
        return {
            "name": "own",
            "sha256": hash_of(self.net),
            "resizing": "none, [-1, 1]",
            "features": f"{len(self.net.mean)}, trained by contrast on {self.seen:,} of the training images",
        }

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        c, h, w = self.shape
        if images.ndim != 4 or images.shape[1:] != (h, w, c):
            raise UserError(
                f"The extractor 'own' learned images of {(h, w, c)} (height, width, channels), got {images.shape[1:]}.",
                "Bring both to one size and number of channels.",
            )
        return in_batches(images, 128, self.device, self.net, progress)


def own(data: Data, *, device: str = "cpu", seed: int = 0, progress: Progress | None = None) -> OwnFeatures:
    """The network of this data set: from the cache ($AEGAN_CACHE/own), or trained now, in about a minute.

    Args:
        data: images; labels are not used.
        device: where it computes.
        seed: of its first weights, the order of images and the views.
        progress: called with (steps done, steps in all) while it trains.

    Raises:
        UserError: not images, or too few.
    """
    if not data.spec.is_image:
        raise UserError("The extractor 'own' learns from images; these are vectors.", "Use 'pixels'.")
    images = data.train.items[::2]
    if len(images) < LEAST:
        raise UserError(
            f"The extractor 'own' learns from half of the training images, and {len(images)} are too few.",
            f"Give at least {2 * LEAST}, or use 'pixels'.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Standardised(data.spec.shape)
        path = path_of("own", VERSION, data.fingerprint, data.spec.shape, seed)
        if kept(path, net) is None:
            _train(net.to(device), images, seed, device, progress)
            write(path, net, {})
    return OwnFeatures(net.eval().requires_grad_(False).to(device), data.spec.shape, len(images), device)


def _train(net: Standardised, images: np.ndarray, seed: int, device: str, progress: Progress | None) -> None:
    """AdamW with one rise and fall of the rate. The same seed gives the same weights."""
    rng, batch = np.random.default_rng(seed), min(BATCH, len(images))
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    net.train()
    for step in range(STEPS):
        x = _tensor(images[np.sort(rng.choice(len(images), batch, replace=False))], device)
        a, b = net.net.project(torch.cat((view(x, zoom=0.4), view(x, zoom=0.4)))).chunk(2)
        loss = nt_xent(a, b, TEMPERATURE).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, STEPS)
    net.eval()
    with torch.no_grad():
        parts = [net.net.embed(_tensor(images[i : i + 128], device)) for i in range(0, len(images), 128)]
        sd, mean = torch.std_mean(torch.cat(parts).float(), dim=0)
        net.mean.copy_(mean)
        net.sd.copy_(sd.clamp_min(1e-6))


def _tensor(images: np.ndarray, device: str) -> Tensor:
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


@register("own", needs_data=True)
def _make(asked: ExtractorRequest) -> Extractor:
    assert asked.data is not None
    return own(asked.data, device=asked.device)
