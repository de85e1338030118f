"""Budgets as steps, and learning rates as a function of steps.

`--minutes` is what people have, `--steps` is what repeats. A stage that has minutes times its first steps, then plans how
many it will take; it looks again at a third and at two thirds, since laptops slow down when they get warm. Each look adds
a knot (step, progress, end) to the plan, from which progress heads for 1 at `end`, and the rates depend on progress alone:
so a run that is repeated or resumed from its recorded plan sees exactly the same rates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aegan import events
from aegan.engine.finite import LOOK_EVERY
from aegan.errors import UserError
from aegan.strategies import Fit, Stage

if TYPE_CHECKING:
    from aegan.engine.loop import Engine

REPLAN_AT = (1 / 3, 2 / 3)


@dataclass
class Plan:
    """How one stage's steps map to its progress.

    Args:
        knots: (step, progress, end): from `step` on, progress rises in a straight line from `progress` to 1 at `end`, until
            the next knot. Empty: not planned yet. A knot is never changed by a later one, so that what was seen stays true.
        warmup: steps of linear warm-up.
    """

    warmup: int
    knots: list[tuple[int, float, int]] = field(default_factory=list)

    @classmethod
    def of_steps(cls, total: int, warmup: int) -> Plan:
        """A plan for a known number of steps; a short stage has a short warm-up.

        >>> plan = Plan.of_steps(100, warmup=10)
        >>> plan.total, plan.progress(50), round(plan.rate(4), 2), round(plan.rate(100, final=0.1), 2)
        (100, 0.5, 0.5, 0.1)
        """
        return cls(min(warmup, total // 5), [(0, 0.0, total)])

    @property
    def total(self) -> int:
        """Steps of the stage."""
        return self.knots[-1][2]

    @property
    def head_start(self) -> int:
        """Steps for which a phase with `hold` waits: the warm-up, but no more than a fifth of a stage that has few steps."""
        if not self.knots:
            return self.warmup
        # not before the first look, when this was not yet known: a repeated run must wait as long
        start, _, end = self.knots[0]
        return max(start, min(self.warmup, end // 5))

    def progress(self, step: int) -> float:
        """Progress in [0, 1]; 0 while the stage is still being timed."""
        begun = [knot for knot in self.knots if knot[0] <= step]
        if not begun:
            return 0.0
        start, here, end = begun[-1]
        if end <= start:  # stopped early
            return here
        return min(1.0, here + (1.0 - here) * ((step - start) / (end - start)))

    def rate(self, step: int, final: float = 0.0) -> float:
        """Learning rate at `step`, as a share of the peak: linear warm-up, then a cosine down to `final`."""
        cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * self.progress(step)))
        return cosine * min(1.0, (step + 1) / max(self.warmup, 1))

    def replan(self, step: int, seconds_per_step: float, seconds_left: float) -> None:
        """Sets the end of the stage anew from `step` on, so that it takes `seconds_left` more."""
        left = max(1, round(seconds_left / max(seconds_per_step, 1e-9)))
        self.knots = [*self.knots, (step, self.progress(step), step + left)]

    def stop(self, step: int) -> None:
        """The stage ends here, before its time; what was seen of the plan until now stays true."""
        self.knots = [*(k for k in self.knots if k[0] <= step), (step, self.progress(step), step)]

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Plan:
        """The inverse of `dataclasses.asdict`, by way of JSON or YAML."""
        return cls(int(plain["warmup"]), [(int(a), float(p), int(b)) for a, p, b in plain["knots"]])


def plans_of_steps(stages: Sequence[Stage | Fit], steps: int) -> dict[str, Plan]:
    """The steps of a whole run shared out among its stages, by name."""
    trained = [s for s in stages if isinstance(s, Stage)]
    ends = np.cumsum([s.share for s in trained]) / sum(s.share for s in trained)
    # rounded as ends of stages, not one by one, so that they add up to what was asked for
    counts = np.diff(np.round(ends * steps).astype(int), prepend=0)
    return {s.name: Plan.of_steps(max(1, int(n)), s.warmup) for s, n in zip(trained, counts, strict=True)}


class Timing:
    """Measures a stage's seconds per step, and says when there is enough to plan on."""

    def __init__(self, seconds: float, step: int) -> None:
        self.seconds, self.looks = seconds, 0  # what the stage may take; 0: it is planned already
        self.start = self.mark = time.monotonic()
        self.at = step
        self._skipped = False

    @property
    def active(self) -> bool:
        return self.seconds > 0 and self.looks <= len(REPLAN_AT)

    def ready(self, step: int, warmup: int) -> bool:
        """After the warm-up, or 4 % of the time if that comes first; the very first steps are slow and not counted."""
        if not self._skipped and step - self.at >= 3:
            self._skipped, self.mark, self.at = True, time.monotonic(), step
            return False
        spent = time.monotonic() - self.start
        enough = step >= max(warmup, 16) or spent > 0.04 * self.seconds
        return self._skipped and step - self.at >= 3 and enough

    def look(self, step: int) -> tuple[float, float]:
        """(seconds per step since the last look, seconds left)."""
        now = time.monotonic()
        rate = (now - self.mark) / max(step - self.at, 1)
        self.mark, self.at, self.looks = now, step, self.looks + 1
        return rate, max(0.0, self.seconds - (now - self.start))


def stage_seconds(engine: Engine) -> float:
    """Seconds that the current stage may take: its share of what is left."""
    c = engine.counters
    minutes = engine.extensions[c.part - 1].minutes if c.part else engine.config.minutes
    if minutes is None:
        raise UserError("A run needs a budget.", "Give --minutes or --steps.")
    left = minutes * 60 - (engine.seconds() - c.since)
    return max(0.0, left) * engine.stages[c.stage].share / sum(s.share for s in engine.course.part(c.stage))


def replan(engine: Engine, plan: Plan, timing: Timing) -> None:
    """Times the first steps, then sets the number of steps; looks again at `REPLAN_AT`."""
    step = engine.counters.stage_step
    ready = plan.progress(step) >= REPLAN_AT[timing.looks - 1] if plan.knots else timing.ready(step, plan.warmup)
    if engine.ranks.several:  # rank 0's clock counts
        ready = step % LOOK_EVERY == 0 and bool(engine.ranks.broadcast(ready)[0])
    if ready:
        plan.replan(step, *engine.ranks.broadcast(*timing.look(step)))
        stage = engine.stages[engine.counters.stage].name
        engine.log.write(events.Plan(stage, engine.counters.step, plan.knots))
