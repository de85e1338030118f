"""Batches of tensors from a split: shuffled without end, or once through in order. The only module here that needs torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aegan.collectives import Share
from aegan.data.spec import Split
from aegan.data.stream import Streamed

AHEAD = 4  # batches of streamed images that are on their way while one is used


@dataclass(frozen=True)
class Batch:
    """Some examples.

    Args:
        x: images, float32 (N, C, H, W) in [-1, 1]; or standardised vectors, float32 (N, D).
        y: labels, int64 (N,), or None.
        index: the places of the examples in their split, int64 (N,).
        z: codes of the examples as they are shown, float32 (N, ...), where the split has them.
    """

    x: Tensor
    y: Tensor | None
    index: np.ndarray
    z: Tensor | None = None


def to_tensor(items: np.ndarray, mean: np.ndarray | None = None, scale: np.ndarray | None = None) -> Tensor:
    """Items of a split as a network takes them.

    Args:
        items: images, uint8 (N, H, W, C); or vectors (N, D).
        mean, scale: vectors only: give (x - mean) / scale.

    Returns:
        float32: images (N, C, H, W), 0 → -1 and 255 → 1; vectors (N, D).

    >>> to_tensor(np.array([[[[0]], [[255]]]], np.uint8)).flatten().tolist()
    [-1.0, 1.0]
    """
    if items.ndim == 4:
        # in numpy, not torch: torch spreads even so small a sum over its threads, and waits for them when cores are busy
        x = np.ascontiguousarray(items.transpose(0, 3, 1, 2)).astype(np.float32)
        x /= np.float32(127.5)
        x -= np.float32(1)
        return torch.from_numpy(x)
    vectors: np.ndarray = np.asarray(items, np.float32)
    if mean is not None and scale is not None:
        vectors = (vectors - mean) / scale
    return torch.from_numpy(np.array(vectors, copy=not vectors.flags.writeable))


def to_items(x: Tensor, mean: np.ndarray | None = None, scale: np.ndarray | None = None) -> np.ndarray:
    """The inverse of `to_tensor`: what a network made, as items of a split.

    Args:
        x: images (N, C, H, W), about [-1, 1], any float type, any device; or vectors (N, D).
        mean, scale: vectors only: give x * scale + mean.

    Returns:
        images, uint8 (N, H, W, C), rounded and clipped; vectors, float32 (N, D).

    >>> items = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    >>> bool((to_items(to_tensor(items)) == items).all())
    True
    """
    x = x.detach().to("cpu", torch.float32)
    if x.ndim == 4:
        pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
    vectors: np.ndarray = x.numpy().copy()
    return vectors if mean is None or scale is None else np.asarray(vectors * scale + mean, np.float32)


class _Drawn(NamedTuple):
    """A batch before it is read, and where the loader stands once it has been given."""

    places: np.ndarray  # of its examples
    mirror: np.ndarray  # which are mirrored
    epoch: int
    offset: int
    pending: Callable[[], np.ndarray] | None  # waits for its images, if they are streamed


class Loader:
    """Shuffled batches without end.

    The order of an epoch is a permutation drawn by Philox, a generator whose stream is a pure function of its key,
    (seed, epoch). So where it stands is two integers, and going on from them repeats every later batch bit for bit.
    The last examples of an epoch that do not fill a batch are left out of that epoch; a split smaller than one batch
    is instead read round and round, through as many epochs as a batch needs.

    Streamed images are decoded ahead, `AHEAD` batches of them, by threads; the order is the same, and so is the state,
    which counts the batches that were given.

    Args:
        seed: two loaders of the same seed give the same batches.
        flip: mirror each image left to right with probability 1/2, drawn by the same generator.
        share: the rows of each batch that are given; None: all. Where the loader stands does not depend on it.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int = 0, flip: bool = False, share: Share | None = None
    ) -> None:
        if batch_size < 1 or len(split) < 1:
            raise ValueError(f"batch_size {batch_size} and {len(split)} examples: both must be at least 1")
        self.split, self.batch_size, self.seed, self.flip = split, batch_size, seed, flip
        self.share = share or Share(0, 1)
        self._streamed = split.items if isinstance(split.items, Streamed) else None
        # a memmap's own class makes each small gather slower
        self._items = split.items if self._streamed else np.asarray(split.items)
        self.load_state_dict({"epoch": 0, "offset": 0})

    def _start(self, epoch: int, offset: int) -> None:
        self._epoch, self._offset = epoch, offset
        rng = np.random.Generator(np.random.Philox(key=np.array([self.seed % 2**64, epoch], np.uint64)))
        self._order = rng.permutation(len(self.split))
        flip = self.flip and self._items.ndim == 4
        self._mirror = rng.random(len(self.split)) < 0.5 if flip else np.zeros(len(self.split), bool)

    def next(self) -> Batch:
        """The next batch."""
        while len(self._drawn) <= (AHEAD if self._streamed else 0):
            self._drawn.append(self._draw())
        drawn = self._drawn.popleft()
        self.epoch, self.offset = drawn.epoch, drawn.offset
        # a gather: always a fresh array
        items = drawn.pending() if drawn.pending else self._items[drawn.places]
        if drawn.mirror.any():
            items[drawn.mirror] = items[drawn.mirror][:, :, ::-1]
        return _batch(self.split, items, drawn.places, drawn.mirror)

    def _draw(self) -> _Drawn:
        """What the next batch is made of; of streamed images, the decoding begins."""
        left, n = len(self.split) - self._offset, self.batch_size
        if left < n <= len(self.split) or left == 0:
            self._start(self._epoch + 1, 0)
        parts = [self._take(n)]
        while (missing := n - sum(len(index) for index, _ in parts)) > 0:
            self._start(self._epoch + 1, 0)
            parts.append(self._take(missing))
        index, mirror = (self.share.rows(np.concatenate(some)) for some in zip(*parts, strict=True))
        pending = self._streamed.start(index) if self._streamed else None
        return _Drawn(index, mirror, self._epoch, self._offset, pending)

    def _take(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        here = slice(self._offset, self._offset + most)
        index = self._order[here]
        self._offset += len(index)
        return index, self._mirror[here]

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the epoch, and how many of its examples have been given."""
        return {"epoch": self.epoch, "offset": self.offset}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from where another loader of the same split, batch size, seed and flip stood."""
        self.epoch, self.offset = int(state["epoch"]), int(state["offset"])
        self._drawn: deque[_Drawn] = deque()
        self._start(self.epoch, self.offset)


def batches(split: Split, batch_size: int) -> Iterator[Batch]:
    """A split once through, in its own order; the last batch may be smaller."""
    for start in range(0, len(split), batch_size):
        index = np.arange(start, min(start + batch_size, len(split)))
        yield _batch(split, np.array(split.items[start : start + batch_size]), index)


def _batch(split: Split, items: np.ndarray, index: np.ndarray, mirror: np.ndarray | int = 0) -> Batch:
    x = to_tensor(items, split.mean, split.scale)
    y = None if split.labels is None else torch.from_numpy(split.labels[index])
    z = None if split.codes is None else torch.from_numpy(split.codes[np.asarray(mirror, np.int64), index])
    return Batch(x, y, index, z)
