"""The data as the engine and its closed-form stages see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from aegan.data.loader import Batch
from aegan.data.loader import batches as read_batches
from aegan.data.spec import Data, DataSpec, Split


class DataView:
    """The data as a closed-form stage sees it.

    Args:
        data: what is trained on.
        spec: of the data; without classes where they are not to be used.
        device: where batches go.
    """

    def __init__(self, data: Data, spec: DataSpec, device: torch.device) -> None:
        self.spec, self._data, self._device = spec, data, device

    def batches(self, split: Literal["train", "held_out"], limit: int | None = None) -> Iterator[Batch]:
        """See `aegan.strategies.View`."""
        whole: Split = getattr(self._data, split)
        if limit is not None and limit < len(whole):
            index = np.linspace(0, len(whole) - 1, limit).astype(np.int64)
            whole = take(whole, index)
        for batch in read_batches(whole, self.spec.at_once):
            yield to_device(batch, self._device)


def take(split: Split, index: np.ndarray) -> Split:
    """Some examples of a split."""
    labels = None if split.labels is None else split.labels[index]
    return Split(np.asarray(split.items[index]), labels, [split.names[i] for i in index], split.mean, split.scale)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device; itself on a CPU."""
    if device.type == "cpu":
        return batch
    x = batch.x.to(device, non_blocking=True)
    return Batch(x, None if batch.y is None else batch.y.to(device, non_blocking=True), batch.index)
