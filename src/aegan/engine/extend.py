"""A finished run that is trained for longer: which stages it takes again, under which names and budgets.

The last stage that trains the generator or decoder goes on, and with it everything behind, since that was made for what
this stage gives: the density of the codes, say. Each begins afresh with a warm-up and ends with a decay, from the weights
that the run ended with, at half of its rates: with all of them a short extension leaves a model worse than it was.
Optimisers begin at zero. A stage taken again is called as before with a number: `sharpen-2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aegan.engine.schedule import Plan, plans_of_steps
from aegan.strategies import Fit, Stage

Stages = tuple[Stage | Fit, ...]
RATES = 0.5  # of a stage's learning rates, where it is taken again


@dataclass(frozen=True)
class Extension:
    """So much more training; either `minutes` or `steps` is set."""

    minutes: float | None = None
    steps: int | None = None

    def __str__(self) -> str:
        return f"{self.steps:,} steps" if self.minutes is None else f"{self.minutes:g} minutes"

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Extension:
        """The inverse of `dataclasses.asdict`, by way of YAML."""
        minutes, steps = plain["minutes"], plain["steps"]
        return cls(None if minutes is None else float(minutes), None if steps is None else int(steps))


@dataclass(frozen=True)
class Course:
    """All stages of a run in order, those of its extensions included."""

    stages: Stages
    parts: tuple[int, ...]  # for each stage 0 if it is of the run as it was begun, k if it is of the k-th extension
    plans: dict[str, Plan]  # of the stages whose steps are known from the start

    @classmethod
    def of(cls, stages: Stages, steps: int | None, extensions: Sequence[Extension]) -> Course:
        """The course of a strategy's stages, within `steps` if they are given, and of what was asked for afterwards."""
        every, parts = list(stages), [0] * len(stages)
        plans = plans_of_steps(stages, steps) if steps else {}
        for k, extension in enumerate(extensions, 1):
            more = tuple(_again(stage, f"{stage.name}-{k + 1}") for stage in taken_again(stages))
            every += more
            parts += [k] * len(more)
            plans |= plans_of_steps(more, extension.steps) if extension.steps else {}
        return cls(tuple(every), tuple(parts), plans)

    def part(self, index: int) -> Stages:
        """The stages from the given one to the end of its part."""
        return tuple(s for s, p in zip(self.stages[index:], self.parts[index:], strict=True) if p == self.parts[index])

    def begins_with(self, names: Sequence[str]) -> bool:
        """Whether a run of these stages can go on with this course: it has them all, and whole parts behind them."""
        n = len(names)
        ends = n == len(self.stages) or (0 < n < len(self.stages) and self.parts[n] > self.parts[n - 1])
        return ends and [s.name for s in self.stages[:n]] == list(names)


def taken_again(stages: Stages) -> Stages:
    """The stages that more training consists of."""
    trained = [i for i, s in enumerate(stages) if isinstance(s, Stage)]
    if not trained:
        return stages
    makers = [i for i in trained if any("G" in phase.trains for phase in stages[i].phases)]  # type: ignore[union-attr]
    return stages[(makers or trained)[-1] :]


def _again(stage: Stage | Fit, name: str) -> Stage | Fit:
    if isinstance(stage, Fit):
        return replace(stage, name=name)
    phases = (replace(p, lr=RATES * p.lr, matrix_lr=RATES * p.matrix_lr) for p in stage.phases)
    return replace(stage, name=name, phases=tuple(phases))
