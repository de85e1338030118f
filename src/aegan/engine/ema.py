"""Exponential moving averages of networks' weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Keeps averages of some networks: a ← a + (1 − d)(w − a), d rising to `decay` as d = (1 + n) / (10 + n).

    Buffers (of normalisation layers, say) are copied, not averaged.
    """

    def __init__(self, networks: dict[str, nn.Module], names: tuple[str, ...], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._networks = {name: networks[name] for name in names}
        self._weights = [p for net in self._networks.values() for p in net.parameters()]
        self._buffers = [b for net in self._networks.values() for b in net.buffers()]
        self._averages = [p.detach().clone() for p in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """After each step."""
        if not self._weights:
            return
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._averages, [p.detach() for p in self._weights], 1 - d)

    @torch.no_grad()
    def adopt(self) -> None:
        """The networks take the averages as their weights."""
        for p, a in zip(self._weights, self._averages, strict=True):
            p.copy_(a)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the networks have the averaged weights."""
        kept = [p.detach().clone() for p in self._weights]
        self.adopt()
        try:
            yield
        finally:
            with torch.no_grad():
                for p, w in zip(self._weights, kept, strict=True):
                    p.copy_(w)

    def tensors(self) -> dict[str, Tensor]:
        """The averages by name, for checkpoints."""
        names = [f"{net}.{key}" for net, m in self._networks.items() for key, _ in m.named_parameters()]
        return dict(zip(names, self._averages, strict=True))

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """The inverse of `tensors`."""
        for name, average in self.tensors().items():
            average.copy_(tensors[name])
        self.updates = updates
