"""When a training goes wrong: what the doctor says at each tick, and how the engine goes back to an earlier state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from aegan import events
from aegan.doctor.care import Change, diagnose_tick
from aegan.engine.finite import FiniteCheck
from aegan.engine.schedule import Plan
from aegan.engine.stage_state import StageState, State
from aegan.errors import Diverged
from aegan.jsonl import read_log
from aegan.torch_state import seed_random

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


def look(engine: Engine, run: StageState, plan: Plan) -> Change | None:
    """At a tick: measures what the model makes, keeps the best, and asks the doctor; what to do, if anything."""
    engine.counters.looked = engine.counters.images
    change = engine.ranks.broadcast_object(lambda: _diagnose(engine, run, plan))
    return None if change is None else Change(**change)


def _diagnose(engine: Engine, run: StageState, plan: Plan) -> dict[str, Any] | None:
    c, name = engine.counters, run.stage.name
    asked = engine.config.guard != "off" or engine.early_stop
    if not asked and engine.save_best is None:
        return None
    with run.ema.applied():
        found, better = engine.monitor.look(engine.networks, c.step, samples=run.stage.preview == "sample")
        if better and engine.save_best is not None:
            with _buffers_kept(engine):
                engine.strategy.settle(engine.networks, engine.view)
                engine.save_best(engine.networks, c, engine.notes)
    figures = found.found()
    if not figures:
        return None
    seconds, progress = round(engine.seconds(), 3), round(plan.progress(c.stage_step), 4)
    engine.log.write(events.Tick(name, c.step, seconds, progress, better, **figures))
    if not asked:
        return None
    seen = diagnose_tick(
        [events.parse(line) for line in read_log(engine.log.path)], name,
        guard=engine.config.guard, early_stop=engine.early_stop, changes_left=FiniteCheck.rollbacks - c.rollbacks,
    )  # fmt: skip
    for finding in seen.new:
        engine.log.write(events.Diagnosis(c.step, **asdict(finding)))
        engine.display.say(str(finding))
    if seen.good and run.check.healthy:
        engine.saving.keep(run)
    return None if seen.change is None else asdict(seen.change)


@contextmanager
def _buffers_kept(engine: Engine) -> Iterator[None]:
    """Puts the networks' buffers back at the end."""
    kept = [(buffer, buffer.clone()) for net in engine.networks.values() for buffer in net.buffers()]
    try:
        yield
    finally:
        for buffer, value in kept:
            buffer.copy_(value)


def apply(engine: Engine, run: StageState, plan: Plan, change: Change) -> None:
    """Does what the doctor asks for."""
    state = engine.ranks.tensors_from_first(engine.saving.last_good)
    if change.what != "stop":
        return _roll_back(engine, run, state, change)
    at, name = engine.counters.step, run.stage.name
    _take_back(engine, run, state)
    step = engine.counters.step
    plan.stop(engine.counters.stage_step)
    engine.saving.save(run)
    engine.log.write(events.Stop(name, step, at, change.why, plan.knots))
    engine.display.say(f"{name}: {change.why} at step {at}; the stage ends with the model of step {step}")


def not_finite(engine: Engine, run: StageState) -> None:
    """Too many steps in a row were left out: back to the last checkpoint, with half the rates."""
    at = engine.counters
    if at.rollbacks >= FiniteCheck.rollbacks:
        engine.log.write(events.Guard(run.stage.name, at.step, "stop"))
        raise Diverged(
            f"Training diverged {at.rollbacks + 1} times in stage '{run.stage.name}' (step {at.step}): "
            "the loss or its gradient is not finite.",
            "Lower the rates (--set), or train with --precision fp32.",
        )
    state = engine.ranks.tensors_from_first(lambda: engine.checkpoints.newest()[:2])
    _roll_back(engine, run, state, Change("not finite", "rates"))


def _roll_back(engine: Engine, run: StageState, state: State, change: Change) -> None:
    """Back to an earlier state of this stage with one thing changed; the data goes on, so other batches follow."""
    at, batches = replace(engine.counters), engine.loader.state_dict()
    _take_back(engine, run, state)
    engine.loader.load_state_dict(batches)
    c, name = engine.counters, run.stage.name
    c.rollbacks, c.parts = at.rollbacks + 1, at.parts
    c.rate_scale = at.rate_scale / (2 if change.what == "rates" else 1)
    c.critic_scale = at.critic_scale / (2 if change.what == "critic" else 1)
    seed_random(engine.config.seed + 1000 * c.rollbacks, engine.device)
    engine.log.write(events.Guard(name, c.step, "rollback", change.why, at.step, c.rate_scale, c.critic_scale))
    rates = f"rates × {c.rate_scale:g}" if change.what == "rates" else f"the critic's rates × {c.critic_scale:g}"
    engine.display.say(f"{name}: {change.why} at step {at.step}; back to step {c.step} with {rates}")
    engine.saving.save(run)


def _take_back(engine: Engine, run: StageState, state: State) -> None:
    plans, taken = engine.plans, engine.counters.taken
    tensors = engine.saving.adopt(*state)
    engine.plans, engine.counters.taken = plans, taken  # what the state knew of them may be less
    if tensors:
        run.load(tensors, state[1])
    else:  # the stage's first step
        fresh = StageState.start(run.stage, engine.networks, engine.device, engine.precision)
        vars(run).update(vars(fresh))
