"""When a training goes wrong: states to go back to, what the doctor says at each tick, and what is done about it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from aegan import events
from aegan.doctor.care import Change, TickDiagnosis, diagnose_tick
from aegan.engine.guard import Guard
from aegan.engine.schedule import Plan
from aegan.engine.stage_state import StageState, State
from aegan.errors import Diverged

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


class Recovery:
    """Keeps good states of an engine's run, and goes back to them.

    Attributes:
        good: the state to go back to where a later one proves to be ill; None: the newest checkpoint.
        written: its step, once it is on disk.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.good: State | None = None
        self.written = -1

    def keep(self, run: StageState) -> None:
        """Keeps the present state in memory, to go back to."""
        engine = self.engine
        if engine.config.guard != "auto" and not engine.early_stop:
            return
        tensors, meta = engine.saving.state(run)
        if engine.ranks.first:
            self.good = {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}, deepcopy(meta)

    def write(self) -> None:
        """Writes the state to go back to, if it is a new one: before the checkpoint that counts on it."""
        if self.good is not None and (at := _step(self.good)) != self.written:
            self.engine.checkpoints.save_good(at, *self.good)
            self.written = at

    def read(self) -> None:
        """Takes what `write` wrote in the stage that a resumed run stands in."""
        counters = self.engine.counters
        found = self.engine.checkpoints.good(counters.step)
        self.good = found if found is not None and found[1]["counters"]["stage"] == counters.stage else None
        self.written = -1 if self.good is None else _step(self.good)

    def not_finite(self, run: StageState) -> None:
        """Too many steps in a row were left out: back to the last checkpoint, with half the rates."""
        engine = self.engine
        at = engine.counters
        if at.rollbacks >= Guard.rollbacks:
            engine.log.write(events.Guard(run.stage.name, at.step, "stop"))
            raise Diverged(
                f"Training diverged {at.rollbacks + 1} times in stage '{run.stage.name}' (step {at.step}): "
                "the loss or its gradient is not finite.",
                "Lower the rates (--set), or train with --precision fp32.",
            )
        tensors, (meta, _) = engine.ranks.tensors_from_first(engine.saving.newest)
        self.roll_back(run, (tensors, meta), Change("not finite", "rates"))

    def roll_back(self, run: StageState, state: State, change: Change) -> None:
        """Back to an earlier state of this stage with one thing changed; the data goes on, so other batches follow."""
        engine = self.engine
        at, seconds = replace(engine.counters), engine.seconds()
        plans, batches = engine.plans, engine.loader.state_dict()
        self._take_back(run, state)
        engine.plans = plans  # what the state knew of them may be less
        engine.loader.load_state_dict(batches)
        c = engine.counters
        c.rollbacks, c.parts, c.taken, c.seconds = at.rollbacks + 1, at.parts, at.taken, seconds
        c.rate_scale = at.rate_scale / (2 if change.what == "rates" else 1)
        c.critic_scale = at.critic_scale / (2 if change.what == "critic" else 1)
        torch.manual_seed(engine.config.seed + 1000 * c.rollbacks)
        engine.log.write(
            events.Guard(run.stage.name, c.step, "rollback", change.why, at.step, c.rate_scale, c.critic_scale)
        )
        rates = f"rates × {c.rate_scale:g}" if change.what == "rates" else f"the critic's rates × {c.critic_scale:g}"
        engine.display.say(f"{run.stage.name}: {change.why} at step {at.step}; back to step {c.step} with {rates}")
        engine.saving.save(run)

    def _take_back(self, run: StageState, state: State) -> None:
        engine = self.engine
        tensors = engine.saving.adopt(*state)
        if tensors:
            run.load(tensors, engine.saving.stage_meta)
        else:  # the stage's first step
            fresh = StageState.start(run.stage, engine.networks, engine.device, engine.precision)
            vars(run).update(vars(fresh))

    def look(self, run: StageState, plan: Plan) -> Change | None:
        """At a tick: measures what the model makes, keeps the best, and asks the doctor; what to do, if anything."""
        engine = self.engine
        engine.counters.looked = engine.counters.images
        if not engine.ranks.several:
            return self._diagnose(run, plan)

        def plain_change() -> list[Any]:
            change = self._diagnose(run, plan)
            return [] if change is None else [change.why, change.what]

        plain = engine.ranks.broadcast_object(plain_change)
        return Change(*plain) if plain else None

    def _diagnose(self, run: StageState, plan: Plan) -> Change | None:
        engine = self.engine
        c, name = engine.counters, run.stage.name
        watched = engine.config.guard != "off" or engine.early_stop
        if not watched and engine.save_best is None:
            return None
        with run.ema.applied():
            look, better = engine.watch.look(engine.networks, c.step, samples=run.stage.preview == "sample")
            if better and engine.save_best is not None:
                engine.save_best(engine.networks, c, engine.notes)
        figures = look.found()
        if not figures:
            return None
        seconds, progress = round(engine.seconds(), 3), round(plan.progress(c.stage_step), 4)
        engine.log.write(events.Tick(name, c.step, seconds, progress, better, **figures))
        if not watched:
            return None
        seen: TickDiagnosis = diagnose_tick(
            events.read_events(engine.log.path), name,
            guard=engine.config.guard, early_stop=engine.early_stop, changes_left=Guard.rollbacks - c.rollbacks,
        )  # fmt: skip
        for finding in seen.new:
            engine.log.write(events.Diagnosis(c.step, **asdict(finding)))
            engine.display.say(str(finding))
        if seen.good and run.guard.healthy:
            self.keep(run)
        return seen.change

    def apply(self, run: StageState, plan: Plan, change: Change) -> None:
        """Does what the doctor asks for."""
        engine = self.engine
        state = engine.ranks.tensors_from_first(self._state_to_go_back_to)
        if change.what != "stop":
            return self.roll_back(run, state, change)
        at, taken, seconds = engine.counters.step, engine.counters.taken, engine.seconds()
        self._take_back(run, state)
        engine.plans[run.stage.name] = plan
        engine.counters.taken, engine.counters.seconds = taken, seconds
        plan.stop(engine.counters.stage_step)
        engine.saving.save(run)
        step, name = engine.counters.step, run.stage.name
        engine.log.write(events.Stop(name, step, at, change.why, plan.knots))
        engine.display.say(f"{name}: {change.why} at step {at}; the stage ends with the model of step {step}")

    def _state_to_go_back_to(self) -> State:
        engine = self.engine
        if self.good is None:
            tensors, (meta, _) = engine.saving.newest()
            return tensors, meta
        tensors, meta = self.good
        # copies: an optimiser goes on in the tensors that it is given, and this state may be wanted again
        return {k: v.clone() for k, v in tensors.items()}, deepcopy(meta)


def _step(state: State) -> int:
    return int(state[1]["counters"]["step"])
