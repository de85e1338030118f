"""The data as the engine and its closed-form stages see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from aegan.data.loader import Batch
from aegan.data.loader import batches as read_batches
from aegan.data.spec import Data, DataSpec, Split
from aegan.evenly import evenly


class DataView:
    """The data as a closed-form stage sees it; `spec` has no classes where they are not to be used."""

    def __init__(self, data: Data, spec: DataSpec, device: torch.device) -> None:
        self.spec, self._data, self._device = spec, data, device

    def batches(self, split: Literal["train", "held_out"], limit: int | None = None) -> Iterator[Batch]:
        """See `aegan.strategies.View`."""
        rows: Split = getattr(self._data, split)
        if limit is not None and limit < len(rows):
            rows = spread(rows, limit)
        for batch in read_batches(rows, self.spec.at_once):
            yield to_device(batch, self._device)


def take(split: Split, index: np.ndarray) -> Split:
    """Some examples of a split."""
    labels = None if split.labels is None else split.labels[index]
    codes = None if split.codes is None else split.codes[:, index]
    return Split(
        np.asarray(split.items[index]), labels, [split.names[i] for i in index], split.mean, split.scale, codes
    )


def spread(split: Split, most: int) -> Split:
    """At most so many examples, from its first to its last."""
    return take(split, evenly(len(split), most))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device."""
    y = None if batch.y is None else batch.y.to(device, non_blocking=True)
    z = None if batch.z is None else batch.z.to(device, non_blocking=True)
    return Batch(batch.x.to(device, non_blocking=True), y, batch.index, z)
