"""Looks at what a model makes while it trains: the figures of which the doctor's diagnoses and the best model are made.

All figures are of 500 samples, on the items themselves (images averaged down to at most 16 × 16): they see layout and
brightness, hardly sharpness, and are what can be had within 2 % of the time. The best model is the one whose samples are
nearest to training items. Only `kernel`, `novelty` and the figures of reconstructions look at held-out items, for
diagnoses and, where data is small, for stopping early; a run whose stages were stopped by them says so. The last model is
kept beside the best, and is the one that counts: a best of many looks at noise is better than it should be.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aegan.data.loader import batches as read_batches
from aegan.data.loader import to_items
from aegan.data.spec import Data
from aegan.engine.view import spread, to_device
from aegan.events import Look
from aegan.metrics.features.pixels import pixels
from aegan.metrics.frechet import Statistics, frechet_between, statistics
from aegan.metrics.kernel import kernel_distance
from aegan.metrics.neighbours import prdc
from aegan.strategies import Networks, Strategy

TICKS = 8  # in each stage, at most
LOOK_IMAGES = 25_000  # seen between two looks at least: a look costs about as much as training on 500
SAMPLES, REFERENCE = 500, 2000
RECONSTRUCTED = 128  # held-out items
LEAST = 10  # items on each side, below which neighbours say nothing
FEW = 100  # held-out items
NEIGHBOURS = 5


@dataclass
class Best:
    """The least distance so far and its step."""

    value: float = math.inf
    step: int = -1


def due(before: float, now: float, images: int) -> bool:
    """Whether a stage's progress from `before` to `now` passes a tick, `images` after the last look.

    By what was trained and not by the clock, so that a run that is resumed or repeated looks at the same steps. The last
    tick is never left out: the last model has figures too.
    """
    return int(now * TICKS) != int(before * TICKS) and (now >= 1 or images >= LOOK_IMAGES)


class Monitor:
    """Measures samples and reconstructions. Draws from a generator of its own."""

    def __init__(self, strategy: Strategy, data: Data, device: torch.device) -> None:
        self.strategy, self.data, self.device = strategy, data, device
        self.best = Best()
        self.spent = 0.0  # seconds
        self._sides: _Sides | None = None

    @torch.no_grad()
    def look(self, networks: Networks, step: int, *, samples: bool = True) -> tuple[Look, bool]:
        """(figures now, whether samples are nearer to training items than ever before); `samples`: whether there are any."""
        began = time.monotonic()
        able = self.strategy.capabilities
        figures: dict[str, float] = {}
        if samples and "sample" in able:
            figures |= self._of_samples(networks)
        if {"encode", "decode"} <= able:
            figures |= self._of_reconstructions(networks)
        value = figures.get("fd_pixels", math.inf)
        better = value < self.best.value
        if better:
            self.best = Best(value, step)
        self.spent += time.monotonic() - began
        return Look(**figures), better

    def _of_samples(self, networks: Networks) -> dict[str, float]:
        rng = torch.Generator(self.device).manual_seed(0)
        parts, most = [], self.data.spec.at_once
        for start in range(0, SAMPLES, most):
            made = self.strategy.sample(networks, min(most, SAMPLES - start), None, 1.0, rng)
            if not bool(made.isfinite().all()):
                return {"fd_pixels": math.inf}
            parts.append(_flat(to_items(made, self.data.mean, self.data.scale)))
        if self._sides is None:
            self._sides = _Sides(self.data)
        s = self._sides
        x = torch.cat(parts)
        found = {"fd_pixels": frechet_between(statistics(x), s.statistics)}
        few = min(len(x), len(s.train))  # equal counts: the distance to a neighbour depends on them
        if few > LEAST:
            found["diversity"] = float(_own_distance(x[:few]) / s.own_distance(few))
            found["coverage"] = prdc(_spread(s.train, few), x[:few], k=NEIGHBOURS)["coverage"].value
        if len(s.held) > NEIGHBOURS:
            # of many, equal counts, of which one value is made; of few, the mean over subsets, so that all samples count
            count = min(len(x), len(s.held))
            made = x if count < FEW else x[:count]
            kernel = kernel_distance(
                s.standard(made), s.standard(_spread(s.held, count)), subsets=50, subset_size=count
            )
            found |= {"kernel": kernel.value, "kernel_error": kernel.standard_error}
            found["novelty"] = float(_distance(x, s.train) / s.held_distance.clamp_min(1e-12))
        return found

    def _of_reconstructions(self, networks: Networks) -> dict[str, float]:
        held = self.data.held_out
        if len(held) < 2:
            return {}
        batch = to_device(next(read_batches(spread(held, RECONSTRUCTED), RECONSTRUCTED)), self.device)
        x = batch.x.float()
        back = self.strategy.decode(networks, self.strategy.encode(networks, batch.x)).float()
        if not bool(back.isfinite().all()):
            return {}
        found = {"r2": 1 - float((x - back).square().mean() / (x - x.mean(0)).square().mean().clamp_min(1e-12))}
        if x.ndim == 4:
            found["sharpness"] = float(_laplacian(back) / _laplacian(x).clamp_min(1e-12))
        return found


class _Sides:
    """What samples are compared with, prepared once."""

    def __init__(self, data: Data) -> None:
        self.train = _flat(np.asarray(spread(data.train, REFERENCE).items))
        self.statistics: Statistics = statistics(self.train)
        self.held = _flat(np.asarray(spread(data.held_out, SAMPLES).items)) if len(data.held_out) else self.train[:0]
        self._mean = self.train.mean(0)
        self._scale = (self.train - self._mean).square().mean().sqrt().clamp_min(1e-12)
        self.held_distance = _distance(self.held, self.train)
        self._own: dict[int, Tensor] = {}

    def standard(self, x: Tensor) -> Tensor:
        """About 0, with one common scale: the cubic kernel depends on units."""
        return (x - self._mean) / self._scale

    def own_distance(self, count: int) -> Tensor:
        """The mean distance of so many training items to their nearest other."""
        if count not in self._own:
            self._own[count] = _own_distance(_spread(self.train, count)).clamp_min(1e-12)
        return self._own[count]


def _spread(x: Tensor, count: int) -> Tensor:
    return x[torch.linspace(0, len(x) - 1, count).long()]


def _flat(items: np.ndarray[Any, Any]) -> Tensor:
    return pixels()(items) if items.ndim == 4 else torch.from_numpy(np.asarray(items, np.float32))


def _own_distance(x: Tensor) -> Tensor:
    distance = torch.cdist(x, x)
    distance.fill_diagonal_(math.inf)
    return distance.min(1).values.mean()


def _distance(x: Tensor, to: Tensor) -> Tensor:
    """The median distance to the nearest of `to`: (), 0 where there is nothing to measure."""
    return torch.cdist(x, to).min(1).values.median() if len(x) and len(to) else torch.zeros(())


def _laplacian(x: Tensor) -> Tensor:
    """The mean square of 4 x_ij less its four neighbours, which blur takes away first."""
    neighbours = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return (4 * x[..., 1:-1, 1:-1] - neighbours).square().mean()
