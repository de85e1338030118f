"""How a run's time is shared among its stages, and turned into steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegan import events
from aegan.engine.guard import LOOK_EVERY
from aegan.engine.schedule import REPLAN_AT, Plan, Timing
from aegan.errors import UserError

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


class Budget:
    """The budget of an engine's run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def begin_part(self, i: int) -> None:
        """Where stage `i` is the first of an extension: notes when that began, and says so."""
        engine = self.engine
        c, part = engine.counters, engine.course.parts[i]
        if part <= c.part:
            return
        c.part, c.since = part, engine.seconds()
        more, names = engine.extensions[part - 1], [s.name for s in engine.course.part(i)]
        engine.log.write(events.Extended(names[0], c.step, c.since, more.minutes, more.steps, names))
        engine.display.say(f"{more} more, after {c.step:,} steps: {', '.join(names)}")

    def stage_seconds(self) -> float:
        """Seconds that the current stage may take: its share of what is left."""
        engine = self.engine
        c = engine.counters
        minutes = engine.extensions[c.part - 1].minutes if c.part else engine.config.minutes
        if minutes is None:
            raise UserError("A run needs a budget.", "Give --minutes or --steps.")
        left = minutes * 60 - (engine.seconds() - c.since)
        return max(0.0, left) * engine.stages[c.stage].share / sum(s.share for s in engine.course.part(c.stage))

    def replan(self, plan: Plan, timing: Timing) -> None:
        """Times the first steps, then sets the number of steps; looks again at `REPLAN_AT`."""
        engine = self.engine
        step = engine.counters.stage_step
        first = not plan.knots
        if first:
            ready = timing.ready(step, plan.warmup)
        else:
            ready = timing.active and plan.progress(step) >= REPLAN_AT[timing.looks - 1]
        if engine.ranks.several:  # rank 0's clock counts
            ready = step % LOOK_EVERY == 0 and bool(engine.ranks.broadcast(ready)[0])
        if ready:
            plan.replan(step, *engine.ranks.broadcast(*timing.look(step)))
            stage = engine.stages[engine.counters.stage].name
            engine.log.write(events.Plan(stage, engine.counters.step, plan.knots))
