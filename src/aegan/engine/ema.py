"""Exponential moving averages of networks' weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Keeps averages of some networks' weights: a ← a + (1 − d)(w − a), d rising to `decay` as d = (1 + n) / (10 + n)."""

    def __init__(self, networks: dict[str, nn.Module], names: tuple[str, ...], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._weights = {f"{name}.{key}": p for name in names for key, p in networks[name].named_parameters()}
        self._averages = [p.detach().clone() for p in self._weights.values()]

    @torch.no_grad()
    def update(self) -> None:
        if not self._weights:
            return
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._averages, [p.detach() for p in self._weights.values()], 1 - d)

    def adopt(self) -> None:
        """The networks take the averages as their weights."""
        self._set(self._averages)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the networks have the averaged weights."""
        kept = [p.detach().clone() for p in self._weights.values()]
        self.adopt()
        try:
            yield
        finally:
            self._set(kept)

    @torch.no_grad()
    def _set(self, values: Iterable[Tensor]) -> None:
        for p, value in zip(self._weights.values(), values, strict=True):
            p.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """The averages by name, for checkpoints."""
        return dict(zip(self._weights, self._averages, strict=True))

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """The inverse of `tensors`."""
        for name, average in self.tensors().items():
            average.copy_(tensors[name])
        self.updates = updates
