"""The best model while training: looked for at ticks, by a figure that costs little and sees training items only.

The figure is the Fréchet distance of 500 samples to 2,000 training items, on the items themselves (images averaged down
to at most 16 × 16). It sees layout and brightness, hardly sharpness; it is what can be had within 2 % of the time. Held-out
items stay unseen, so that they can judge the choice. The last model is kept beside it, and is the one that counts: a best
of many looks at noise is better than it should be.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aegan.data.loader import to_items
from aegan.data.spec import Data
from aegan.metrics.features.pixels import Pixels
from aegan.metrics.frechet import Statistics, frechet_between, statistics
from aegan.strategies import Networks, Strategy

TICKS = 8  # in each stage that can make samples
SAMPLES, REFERENCE = 500, 2000
SHARE = 0.02  # of the time, at most


@dataclass
class Best:
    """The least figure so far and its step."""

    value: float = math.inf
    step: int = -1


class Watch:
    """Measures samples at ticks.

    Args:
        strategy: what makes them.
        data: its training items are the reference.
        device: where the networks are.
    """

    def __init__(self, strategy: Strategy, data: Data, device: torch.device) -> None:
        self.strategy, self.data, self.device = strategy, data, device
        self.best = Best()
        self.spent = 0.0  # seconds
        self._reference: Statistics | None = None

    def due(self, before: float, now: float, seconds: float) -> bool:
        """Whether a stage's progress from `before` to `now` passes a tick, and the time spent so far allows it.

        The last tick is never left out: the last model has a figure too.
        """
        if int(now * TICKS) == int(before * TICKS):
            return False
        return now >= 1 or self.spent <= SHARE * seconds

    @torch.no_grad()
    def look(self, networks: Networks, step: int) -> tuple[float, bool]:
        """(figure of samples made now, whether it is the least so far). Draws from a generator of its own."""
        began = time.monotonic()
        rng = torch.Generator(self.device).manual_seed(0)
        made = self.strategy.sample(networks, SAMPLES, None, 1.0, rng)
        if self._reference is None:
            train = self.data.train.items
            index = np.linspace(0, len(train) - 1, min(REFERENCE, len(train))).astype(np.int64)
            self._reference = statistics(self._flat(np.asarray(train[index])))
        value = math.inf
        if bool(made.isfinite().all()):
            found = self._flat(to_items(made, self.data.mean, self.data.scale))
            value = frechet_between(statistics(found), self._reference)
        better = value < self.best.value
        if better:
            self.best = Best(value, step)
        self.spent += time.monotonic() - began
        return value, better

    def _flat(self, items: np.ndarray) -> Tensor:
        return Pixels()(items) if items.ndim == 4 else torch.from_numpy(np.asarray(items, np.float32))
