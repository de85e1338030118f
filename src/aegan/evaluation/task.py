"""One evaluation under way: both sides, their features (computed once, when first asked for), the figures so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from aegan.data import Data, DataSpec
from aegan.data.stream import Streamed
from aegan.errors import UserError
from aegan.evaluation.features import cached_features, features
from aegan.evaluation.rows import Rows
from aegan.evenly import evenly
from aegan.figures import Figure
from aegan.metrics import Copying, Extractor, Measured, Statistics, frechet_interval, statistics
from aegan.metrics.features import Progress

LEAST = 64  # below, a Fréchet distance says more about the count than about the images (the baseline passes 700)
SPAN = 1_000_000  # between the first samples of one seed of an evaluation and of the next: sets that share none
SEARCHED = 100_000  # streamed images in which copies are looked for
Side = Literal["samples", "reference", "baseline", "base", "back"]
NAMES = {
    "samples": "samples",
    "reference": "items to compare with",
    "baseline": "held-out items",
    "base": "reference items beside those that are kept aside",
    "back": "reconstructions",
}


class Model(Protocol):
    """What evaluation asks of a model; `aegan.Model` is one."""

    @property
    def capabilities(self) -> frozenset[str]: ...

    spec: DataSpec

    def sample(self, n: int, *, seed: int = 0) -> np.ndarray: ...
    def encode(self, items: np.ndarray) -> np.ndarray: ...
    def reconstruct(self, items: np.ndarray) -> np.ndarray: ...
    def interpolate(self, rows: int = 8, steps: int = 10, *, seed: int = 0) -> np.ndarray: ...


Steps = Callable[[str], Progress]  # names the step under way


@dataclass
class Task:
    """One evaluation under way.

    Attributes:
        model: None where images were given.
        data: what is compared with.
        samples: made or given.
        reference: what samples are compared with: training items, or all items of data that are not split.
        baseline: real items that stand in for perfect samples, the held-out ones first.
        held: how many of `baseline` are held out, never trained on; of data that are not split, all of them.
        halves: rows of the reference, the base and the baseline, if that is in it.
        split: whether the data are divided into training and held-out items.
        extract: of images; None for vectors, and where it is missing, as `missing` says.
    """

    model: Model | None
    data: Data
    samples: Rows | None
    reference: Rows
    baseline: Rows
    held: int
    seed: int
    device: str
    step: Steps
    halves: tuple[np.ndarray, np.ndarray] | None = None
    split: bool = True
    extract: Extractor | None = None
    missing: str = ""
    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    copied: Copying | None = None  # what the search for copies in pixels found, and of which samples
    looked_up: Rows | None = None
    _features: dict[str, Tensor | UserError] = field(default_factory=dict)
    _statistics: dict[str, Statistics] = field(default_factory=dict)

    def can(self, *needed: str) -> bool:
        """Whether there is a model with these capabilities."""
        return self.model is not None and set(needed) <= self.model.capabilities

    @cached_property
    def held_out(self) -> Rows:
        return Rows(self.baseline.parts, self.baseline.index[: self.held])

    @cached_property
    def base(self) -> Rows:
        """What the baseline is compared with: the reference, without the baseline where that is a part of it."""
        return self.reference if self.halves is None else self.reference.at(self.halves[0])

    def sampled(self, n: int) -> Rows:
        """n new samples of the model; those of two seeds share none."""
        assert self.model is not None
        return Rows([self.model.sample(n, seed=self.seed * SPAN)])

    @cached_property
    def searched(self) -> np.ndarray:
        """The training items among which copies are looked for: all; of streamed ones, which must be decoded for it,
        `SEARCHED`, evenly spaced. Of data that are not split, the base."""
        if not self.split:
            return self.base.choose(SEARCHED, 0)[:]
        items = self.data.train.items
        if isinstance(items, Streamed) and len(items) > SEARCHED:
            return cast(np.ndarray, items.take(evenly(len(items), SEARCHED)))
        return items

    @cached_property
    def back(self) -> Rows:
        """Reconstructions of the held-out items."""
        assert self.model is not None
        self.step("reconstructing")
        return Rows([np.concatenate([self.model.reconstruct(piece) for piece in self.held_out.pieces()])])

    @property
    def count(self) -> int:
        """How many samples there are."""
        return 0 if self.samples is None else len(self.samples)

    def the_samples(self) -> Rows:
        """The samples, where there must be some."""
        if self.samples is None:
            raise UserError("this strategy makes no samples")
        return self.samples

    def features(self, side: Side, least: int = LEAST) -> Tensor:
        """Features (N, D) of one side; vectors are their own.

        Raises:
            UserError: fewer than `least` items, no extractor, or values that are not finite.
        """
        side = "reference" if side == "base" and self.halves is None else side
        rows: Rows = self.the_samples() if side == "samples" else getattr(self, side)
        if len(rows) < least:
            raise UserError(f"needs at least {least} {NAMES[side]}, there are {len(rows)}")
        if self.halves is not None and side in ("base", "baseline"):
            return self.features("reference")[self.halves[0 if side == "base" else 1]]
        if side not in self._features:
            try:
                self._features[side] = self._extract(rows, side)
            except UserError as error:  # reported once for each figure that needs them, computed once
                self._features[side] = error
        found = self._features[side]
        if isinstance(found, UserError):
            raise found
        return found

    def frechet(self, a: Side, b: Side) -> Measured:
        """The Fréchet distance between two sides, whose statistics are computed once."""
        x, y = self.features(a), self.features(b)
        for side, rows in ((a, x), (b, y)):
            if side not in self._statistics:
                self._statistics[side] = statistics(rows)
        return frechet_interval(x, y, known=(self._statistics[a], self._statistics[b]))

    @cached_property
    def real_frechet(self) -> Measured:
        """What real items get in place of samples."""
        return self.frechet("baseline", "base" if self.halves is not None else "reference")

    def held_out_features(self, least: int = LEAST) -> Tensor:
        """Those of the held-out items alone."""
        if self.held < least:
            raise UserError(f"needs at least {least} held-out items, there are {self.held}")
        return self.features("baseline", least)[: self.held]

    def _extract(self, rows: Rows, side: Side) -> Tensor:
        if self.data.spec.is_vector:
            found = torch.from_numpy(np.asarray(rows[:], np.float32))
            if not bool(found.isfinite().all()):
                raise UserError(f"some {NAMES[side]} are not finite numbers: the model diverged")
            return found
        if self.extract is None:
            raise UserError(self.missing)
        progress = self.step(f"features of {NAMES[side]}")
        real = side in ("reference", "baseline")
        return (cached_features if real else features)(rows, self.extract, progress)

    def add(
        self,
        name: str,
        title: str,
        value: Callable[[], Measured | float],
        *,
        baseline: Callable[[], Measured | float] | float | None = None,
        better: Literal["lower", "higher", "near"] = "lower",
        unit: str = "",
        count: int = 0,
        against: int = 0,
        meaning: str,
    ) -> None:
        """Measures one figure; a UserError becomes the reason why it has no value."""
        found, why = _attempt(value)
        real, _ = _attempt(baseline) if callable(baseline) else (_numbers(baseline), "")
        self.figures.append(
            Figure(name, title, found[0], real[0], better, unit, count, against, meaning, why, *found[1:])
        )


def _attempt(measure: Callable[[], Measured | float]) -> tuple[list[float | None], str]:
    """What was measured, and why there is no value."""
    try:
        found = _numbers(measure())
    except UserError as error:
        return _numbers(None), error.what.rstrip(".")
    return found, "" if found[0] is not None else "it is not a finite number"


def _numbers(found: Measured | float | None) -> list[float | None]:
    """Value, both ends of the interval and standard error; None for what is not a finite number."""
    each = dataclasses.astuple(found) if isinstance(found, Measured) else (found, None, None, None)
    return [None if v is None or not np.isfinite(v) else float(v) for v in each]
