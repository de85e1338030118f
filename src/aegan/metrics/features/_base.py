"""What an extractor is, how one is registered, and the batches that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.errors import UserError, unknown
from aegan.folders import expanded

if TYPE_CHECKING:
    from aegan.data import Data

Progress = Callable[[int, int], None]


class MissingExtractor(UserError):
    """A known extractor whose package or weights are not on this machine."""


class Extractor(Protocol):
    """What evaluation needs of an extractor."""

    def describe(self) -> dict[str, str]:
        """Name, sha256 of the weights (empty: it has none), and the resizing: what makes two scores comparable."""
        ...

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        """uint8 (N, H, W, C) -> float32 (N, D) on the CPU; progress is called with (done, N)."""
        ...


@dataclass(frozen=True)
class ExtractorRequest:
    """What was asked for: each extractor takes what it needs."""

    device: str = "cpu"  # where it computes
    weights: Path | None = None  # the file after the colon in "inception:FILE"
    data: Data | None = None  # what `classifier` and `own` learn


Make = Callable[[ExtractorRequest], Extractor]


@dataclass(frozen=True)
class _Entry:
    make: Make
    takes_file: bool
    needs_data: bool


_REGISTRY: dict[str, _Entry] = {}


def register(name: str, *, takes_file: bool = False, needs_data: bool = False) -> Callable[[Make], Make]:
    """Registers a function from `ExtractorRequest` to an extractor. A second use of a name raises."""

    def add(make: Make) -> Make:
        if name in _REGISTRY:
            raise ValueError(f"extractor {name!r} is registered twice")
        _REGISTRY[name] = _Entry(make, takes_file, needs_data)
        return make

    return add


def extractors() -> list[str]:
    """The names that `extractor` knows."""
    return sorted(_REGISTRY)


def extractor(name: str = "lite0", device: str = "cpu", *, data: Data | None = None) -> Extractor:
    """The extractor of this name, ready on a device.

    Args:
        name: one of `extractors()`; those that need a file of weights also as "name:FILE".
        device: where it computes.
        data: what `classifier` learns from; the others ignore it.

    Raises:
        UserError: no such name, a file where none is taken, or no (labelled) data for `classifier`.
        MissingExtractor: its package or weights are not here; says what provides them.

    >>> extractor("pixels").describe()["name"]
    'pixels'
    """
    kind, colon, file = name.partition(":")
    if kind not in _REGISTRY:
        raise unknown("extractor", kind, _REGISTRY)
    entry = _REGISTRY[kind]
    if colon and not entry.takes_file:
        able = ", ".join(n for n in extractors() if _REGISTRY[n].takes_file)
        raise UserError(f"The extractor '{kind}' takes no file.", f"Write '{kind}' alone. Files of weights: {able}.")
    if colon and not file:
        raise UserError(f"'{name}' names no file.", f"Write {kind}:FILE, or '{kind}' alone for the usual places.")
    if entry.needs_data and data is None:
        raise UserError(f"The extractor '{kind}' learns from labelled data, and was given none.", "Give the data.")
    return entry.make(ExtractorRequest(device, expanded(file) if file else None, data))


@dataclass
class BatchedExtractor:
    """An extractor out of what it says of itself and a function of batches; see `in_batches`."""

    about: dict[str, str]
    of: Callable[[Tensor], Tensor]
    batch: int
    device: str
    channels: tuple[int, ...] = (1, 3)

    def describe(self) -> dict[str, str]:
        return self.about

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        return in_batches(images, self.batch, self.device, self.of, progress, self.channels)


def in_batches(
    images: np.ndarray,
    batch: int,
    device: str,
    of: Callable[[Tensor], Tensor],
    progress: Progress | None,
    channels: tuple[int, ...] = (1, 3),
) -> Tensor:
    """Applies `of` to float32 (B, C, H, W) in [-1, 1], a batch at a time: in memory are one batch and the result.

    Args:
        channels: what `of` takes.

    Raises:
        UserError: not images, or features that are not one finite vector an image.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in channels:
        raise UserError(
            f"Features need uint8 images (N, H, W, C) of {' or '.join(map(str, channels))} channels, "
            f"got {images.dtype} {images.shape}."
        )
    out: Tensor | None = None
    # TF32 convolutions on recent GPUs move features by more than scores of equal images may differ
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        for i in range(0, len(images), batch):
            part = on_device(images[i : i + batch], device)
            y = of(part).float().cpu()
            if y.ndim != 2 or len(y) != len(part):
                raise UserError(
                    f"Features of {len(part)} images came out as {tuple(y.shape)} instead of ({len(part)}, D)."
                )
            if not bool(y.isfinite().all()):
                bad = i + int((~y.isfinite().all(1)).nonzero()[0])
                raise UserError(f"The features of image {bad} are not finite numbers.", "Look for a broken extractor.")
            if out is None:  # at once: a list of parts and their concatenation would take twice the memory
                with torch.inference_mode(False):  # made in inference mode, it could not be used where gradients are
                    out = torch.empty(len(images), y.shape[1])
            out[i : i + batch] = y
            if progress:
                progress(min(i + batch, len(images)), len(images))
    return out if out is not None else torch.zeros(0, 0)


def on_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 (B, H, W, C) -> float32 (B, C, H, W) in [-1, 1], turned into numbers on the device."""
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def averaged_down(x: Tensor, side: int) -> Tensor:
    """Images (B, C, H, W) at no more than side × side."""
    if max(x.shape[2:]) <= side:
        return x
    return F.adaptive_avg_pool2d(x, (min(x.shape[2], side), min(x.shape[3], side)))


def check_shape(got: tuple[int, ...], shape: tuple[int, ...], what: str) -> None:
    """Refuses images (H, W, C) of another shape than (C, H, W), which a network has learned."""
    c, h, w = shape
    if got != (h, w, c):
        raise UserError(
            f"The {what} learned images of {(h, w, c)} (height, width, channels), got {got}.",
            "Bring both to one size and number of channels.",
        )
