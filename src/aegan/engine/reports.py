"""What a training writes to its log and shows to people as it goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aegan import events
from aegan.engine.log import short
from aegan.engine.schedule import Plan
from aegan.engine.stage_state import StageState
from aegan.engine.threads import Turn
from aegan.text import clock

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


class Reports:
    """Lines of an engine's log, and of its display."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.threads_logged = -60.0  # seconds of training when people last read of threads
        self.start_clock()

    def start_clock(self) -> None:
        """Speed is measured from now on."""
        self._since = time.monotonic(), self.engine.counters.images

    def note(self, stage: str, notes: dict[str, Any], took: float) -> None:
        """What a closed-form stage found, in how many seconds."""
        engine = self.engine
        engine.log.write(events.Note(stage, engine.counters.step, notes, took))
        engine.display.say(f"{stage}: " + ", ".join(f"{k} {short(v)}" for k, v in {**notes, "took": took}.items()))

    def progress(self, run: StageState, plan: Plan) -> None:
        """Losses, rates and speed since the last line."""
        engine = self.engine
        c, (began, images) = engine.counters, self._since
        speed = (c.images - images) / max(time.monotonic() - began, 1e-9)
        self.start_clock()
        values = run.means.flush()
        skipped = int(run.check.skipped)
        rates = {k: float(o.param_groups[0]["lr"]) for k, o in run.optimizers.items()}
        engine.log.write(
            events.Step(
                c.step, run.stage.name, c.stage_step, round(engine.seconds(), 3), c.images, round(speed, 1),
                terms=values.get("terms"), watch=values.get("watch"), rates=rates, skipped=skipped or None,
            )
        )  # fmt: skip
        if plan.knots:
            left = (plan.total - c.stage_step) * engine.strategy.batch_size / max(speed, 1e-9)
            count, rest = f"{c.stage_step}/{plan.total}", f"{clock(left)} left"
        else:
            count, rest = f"{c.stage_step}", "timing the first steps"
        shown = {**values.get("terms", {}), **values.get("watch", {})}
        losses = "  ".join(f"{k} {short(v)}" for k, v in shown.items() if "|grad|" not in k)
        trouble = f"  skipped {skipped}" if skipped else ""
        text = f"step {count}  {speed:,.0f} images/s  {rest}  {losses}{trouble}"
        engine.display.update(run.stage.name, plan.progress(c.stage_step), text)

    def threads(self, turn: Turn | None) -> None:
        """Another number of threads from the next step on, which is in force already; None: the same."""
        if turn is None:
            return
        engine, at = self.engine, self.engine.counters.step
        speeds = {str(k): round(v * engine.strategy.batch_size, 1) for k, v in turn.speeds.items()}
        engine.log.write(events.Threads(at, engine.counters.taken, turn.trial, turn.origin, turn.to, speeds or None))
        if turn.trial or engine.seconds() < self.threads_logged + 60:  # all changes are in the log
            return
        self.threads_logged = engine.seconds()
        known = [f"{speeds[str(k)]:,.0f}" for k in (turn.to, turn.origin) if str(k) in speeds]
        faster = f": {' instead of '.join(known)} images/s" if len(known) > 1 else ""
        engine.display.say(f"threads: {turn.to} instead of {turn.origin} from step {at}{faster}")
