"""Features of the data itself: a small network trained by contrast on the user's own images, without labels.

Networks trained on photographs see what photographs have. For drawings, textures or X-rays this one is a second judge: it
has seen nothing but the data, and tells each image from all others however it is zoomed, shifted, turned or lit.

It is trained once for each data set, on every second training image, and kept in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from aegan.data.fit import with_channels
from aegan.data.stream import Streamed
from aegan.errors import UserError
from aegan.metrics.features._base import (
    BatchedExtractor,
    Extractor,
    ExtractorRequest,
    Progress,
    check_shape,
    on_device,
    register,
)
from aegan.metrics.features._kept import fit, hash_of, kept
from aegan.networks.eyes import EMBEDDED, ContrastEyes
from aegan.objectives.views import nt_xent, view
from aegan.torch_state import kept_random, seed_random

if TYPE_CHECKING:
    from aegan.data import Data

VERSION = 1  # of the network and its training: a change makes what is kept stale
SEED = 0  # of its first weights, the order of images and the views
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
        self.register_buffer("mean", torch.zeros(EMBEDDED))
        self.register_buffer("sd", torch.ones(EMBEDDED))

    def forward(self, x: Tensor) -> Tensor:
        return (self.net.embed(x).float() - self.mean) / self.sd


def own(data: Data, *, device: str = "cpu", progress: Progress | None = None) -> Extractor:
    """The network of this data set, 128 features: from the cache ($AEGAN_CACHE/own), or trained now, in about a minute.

    Args:
        data: images; labels are not used.
        device: where it computes.
        progress: called with (steps done, steps in all) while it trains.

    Raises:
        UserError: not images, or too few.
    """
    if not data.spec.is_image:
        raise UserError("The extractor 'own' learns from images; these are vectors.", "Use 'pixels'.")
    items, (channels, *size) = data.train.items, data.spec.shape
    # a slice of streamed images would be decoded at once
    images = items.take(np.arange(0, len(items), 2)) if isinstance(items, Streamed) else items[::2]
    if len(images) < LEAST:
        raise UserError(
            f"The extractor 'own' learns from half of the training images, and {len(images)} are too few.",
            f"Give at least {2 * LEAST}, or use 'pixels'.",
        )
    # transparent images are judged, and so learnt, on their background
    shape, background = (min(channels, 3), *size), data.spec.background

    def shown(index: np.ndarray | slice) -> Tensor:
        return on_device(with_channels(images[index], shape[0], background), device)

    where = torch.device(device)
    with kept_random(where):
        seed_random(SEED, where)
        net = Standardised(shape)
        kept(
            "own",
            (VERSION, data.fingerprint, shape, SEED),
            net,
            lambda: _train(net.to(device), len(images), shown, progress),
        )
    net.eval().requires_grad_(False).to(device)

    def of(x: Tensor) -> Tensor:
        check_shape((*x.shape[2:], x.shape[1]), shape, "extractor 'own'")
        return net(x)

    about = {
        "name": "own",
        "sha256": hash_of(net),
        "resizing": "none, [-1, 1]",
        "features": f"{len(net.mean)}, trained by contrast on {len(images):,} of the training images",
    }
    return BatchedExtractor(about, of, 128, device)


def _train(
    net: Standardised, count: int, shown: Callable[[np.ndarray | slice], Tensor], progress: Progress | None
) -> dict[str, str]:
    rng, batch = np.random.default_rng(SEED), min(BATCH, count)

    def loss(_: int) -> Tensor:
        x = shown(np.sort(rng.choice(count, batch, replace=False)))
        a, b = net.net.project(torch.cat((view(x, zoom=0.4), view(x, zoom=0.4)))).chunk(2)
        return nt_xent(a, b, TEMPERATURE).mean()

    fit(net, loss, STEPS, RATE, 1e-3, progress)
    with torch.no_grad():
        parts = [net.net.embed(shown(slice(i, i + 128))) for i in range(0, count, 128)]
        sd, mean = torch.std_mean(torch.cat(parts).float(), dim=0)
        net.mean.copy_(mean)
        net.sd.copy_(sd.clamp_min(1e-6))
    return {}


@register("own", needs_data=True)
def _make(asked: ExtractorRequest) -> Extractor:
    assert asked.data is not None
    return own(asked.data, device=asked.device)
