"""A small classifier of the data's own labels: class probabilities for mode counts, features that see what labels mean.

It is trained once for each data set and kept in the cache. Its accuracy on held-out images belongs beside every number
made with it: a mode counted by a poor classifier is a poor count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.data.fit import with_channels
from aegan.data.format import WHITE
from aegan.errors import UserError
from aegan.metrics.features._base import (
    Extractor,
    ExtractorRequest,
    Progress,
    averaged_down,
    check_shape,
    in_batches,
    on_device,
    register,
)
from aegan.metrics.features._kept import fit, hash_of, kept
from aegan.torch_state import kept_random, seed_random

if TYPE_CHECKING:
    from aegan.data import Data

VERSION = 1  # of the network and its training: a change makes what is kept stale
SEED = 0  # of its first weights and of the order of images
SIDE = 32  # larger images are averaged down to this
BATCH, EPOCHS, LEAST_STEPS, MOST_STEPS, RATE = 64, 12, 150, 700, 4e-3
WIDTH = 128  # numbers in the features


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of K classes; also an extractor, whose features are the 128 numbers before its last layer.

    Args:
        net: in eval mode.
        classes: K names.
        accuracy: share of `tested` held-out images that it gets right; training images are never counted.
        tested: how many images that is.
        shape: (C, H, W) of what it sees; transparent images are composited on `background` first, so C is 1 or 3.
        device: where it computes.
        background: (R, G, B).
    """

    net: nn.Sequential
    classes: tuple[str, ...]
    accuracy: float
    tested: int
    shape: tuple[int, ...]
    device: str = "cpu"
    background: tuple[int, int, int] = WHITE

    def describe(self) -> dict[str, str]:
        return {
            "name": "classifier",
            "sha256": hash_of(self.net),
            "resizing": f"averaged down to at most {SIDE}x{SIDE}, [-1, 1]",
            "features": f"{WIDTH}, before the last layer",
            "classes": str(len(self.classes)),
            "accuracy": f"{self.accuracy:.4f} of {self.tested} held-out images",
        }

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        """uint8 (N, H, W, C) -> float32 (N, 128)."""
        return self._apply(images, self.net[:-1], progress)

    def probabilities(self, images: np.ndarray) -> Tensor:
        """uint8 (N, H, W, C) -> float32 (N, K); rows sum to 1."""
        return self._apply(images, self.net).softmax(1) if len(images) else torch.zeros(0, len(self.classes))

    def labels(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each image: int64 (N,)."""
        return self.probabilities(images).argmax(1).numpy()

    def _apply(self, images: np.ndarray, net: nn.Module, progress: Progress | None = None) -> Tensor:
        if images.ndim == 4 and images.shape[3] == 4:
            images = with_channels(images, 3, self.background)
        check_shape(images.shape[1:], self.shape, "classifier")
        return in_batches(images, 256, self.device, lambda x: net(averaged_down(x, SIDE)), progress)


def classifier(data: Data, *, device: str = "cpu", progress: Progress | None = None) -> Classifier:
    """The classifier of this data set: from the cache ($AEGAN_CACHE/classifiers), or trained now, in at most a minute.

    Args:
        data: labelled images. Without a held-out part, every tenth training image is kept for the test.
        device: where it computes.
        progress: called with (steps done, steps in all) while it trains.

    Raises:
        UserError: not images, no labels, fewer than two classes, or a class without training images.
    """
    images, labels, test, wanted = _parts(data)
    shape = (min(data.spec.channels, 3), *data.spec.shape[1:])
    classes = data.spec.classes or tuple(str(i) for i in range(int(labels.max()) + 1))
    empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(classes) < 2:
        raise UserError("A classifier needs at least two classes.", "Use another extractor, such as 'lite0'.")
    if len(empty):
        raise UserError(
            f"The class '{classes[empty[0]]}' has no training images.", "Add some, or leave the class out of the data."
        )
    net = _network(shape[0], len(classes))
    made = Classifier(net, classes, 0.0, len(test), shape, device, data.spec.background)

    def train() -> dict[str, str]:
        _train(net.to(device), images, labels, data.spec.background, device, progress)
        return {"accuracy": repr(float((made.labels(test) == wanted).mean()))}

    meta = kept("classifiers", (VERSION, data.fingerprint, data.spec.shape, classes, SEED), net, train)
    net.eval().requires_grad_(False).to(device)
    return replace(made, accuracy=float(meta["accuracy"]))


def _parts(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images and labels, test images and labels."""
    images, labels = data.train.items, data.train.labels
    if not data.spec.is_image:
        raise UserError("A classifier needs images; these are vectors.")
    if labels is None or not len(labels):
        raise UserError(
            "A classifier needs labels, and the data has none.",
            "Put each class into a folder of its own, or use another extractor, such as 'lite0'.",
        )
    if len(data.held_out) and data.held_out.labels is not None:
        return images, labels, data.held_out.items, data.held_out.labels
    test = np.arange(len(images)) % 10 == 9
    return images[~test], labels[~test], images[test], labels[test]


def _network(channels: int, classes: int) -> nn.Sequential:
    """About 230,000 weights; any size of at least 4 × 4."""

    def block(a: int, b: int, size: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, size, stride=stride, padding=size // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

    with kept_random():
        seed_random(SEED)
        return nn.Sequential(
            *block(channels, 32, 5, 1),
            nn.MaxPool2d(2, ceil_mode=True),
            *block(32, 64, 3, 2),
            *block(64, WIDTH, 3, 1),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, classes),
        )


def _train(
    net: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    background: tuple[int, int, int],
    device: str,
    progress: Progress | None,
) -> None:
    steps = min(max(math.ceil(EPOCHS * len(images) / BATCH), LEAST_STEPS), MOST_STEPS)
    rng = np.random.default_rng(SEED)
    order = np.concatenate([rng.permutation(len(images)) for _ in range(math.ceil(steps * BATCH / len(images)))])

    def loss(step: int) -> Tensor:
        index = np.sort(order[step * BATCH : (step + 1) * BATCH])  # sorted reads a memory map forwards
        shown = with_channels(images[index], min(images.shape[3], 3), background)
        x = averaged_down(on_device(shown, device), SIDE)
        return F.cross_entropy(net(x), torch.from_numpy(labels[index]).to(device))

    fit(net, loss, steps, RATE, 1e-2, progress)


@register("classifier", needs_data=True)
def _make(asked: ExtractorRequest) -> Extractor:
    assert asked.data is not None
    return classifier(asked.data, device=asked.device)
