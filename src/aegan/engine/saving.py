"""The complete state of a training: collected, written as a checkpoint, and taken up again."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from aegan.engine.monitor import Best
from aegan.engine.schedule import Plan
from aegan.engine.stage_state import StageState, State
from aegan.engine.state import load_random_state, prefixed, random_state, under
from aegan.errors import UserError
from aegan.jsonl import read_log

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


class Saving:
    """Writes and reads the checkpoints of an engine's run, and keeps a state to go back to where a later one is ill."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.saved_at = 0.0  # seconds of training
        self.good: State | None = None  # the state to go back to; None: the newest checkpoint
        self._written = -1  # its step, once it is on disk

    def state(self, run: StageState | None) -> State:
        """All of it; `run` is None between stages."""
        engine = self.engine
        c = engine.counters
        tensors = {f"net/{k}": v for k, v in prefixed(engine.networks).items()}
        tensors |= {f"random/{k}": v for k, v in random_state(engine.device).items()}
        meta: dict[str, Any] = {
            "counters": asdict(c),
            "plans": {k: asdict(p) for k, p in engine.plans.items()},
            "threads": engine.threads.record(c.taken).to_plain(),
            "loader": engine.loader.state_dict(),
            "data": engine.data.fingerprint,
            "notes": engine.notes,
            "stages": [s.name for s in engine.stages],
            "settings": engine.settings,
            "best": asdict(engine.monitor.best) if engine.monitor.best.step >= 0 else None,
        }
        if run is not None and c.stage_step > 0:
            more, plain = run.state()
            tensors, meta = tensors | more, meta | plain
        return tensors, meta

    def save(self, run: StageState | None) -> None:
        """Writes a checkpoint, and the state to go back to if it is a new one; `run` is None between stages."""
        engine = self.engine
        engine.counters.seconds = engine.seconds()
        if not engine.ranks.first:
            return
        if run is not None and self.good is not None and (at := _step(self.good)) != self._written:
            engine.checkpoints.save(at, *self.good, kind="good")  # before the checkpoint that counts on it
            self._written = at
        engine.checkpoints.save(engine.counters.step, *self.state(run))
        self.saved_at = engine.counters.seconds

    def keep(self, run: StageState) -> None:
        """Keeps the present state in memory, to go back to."""
        engine = self.engine
        if engine.ranks.first and (engine.config.guard == "auto" or engine.early_stop):
            tensors, meta = self.state(run)
            self.good = {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}, deepcopy(meta)

    def last_good(self) -> State:
        """A copy of the state to go back to: an optimiser goes on in the tensors that it is given."""
        if self.good is None:
            return self.engine.checkpoints.newest()[:2]
        tensors, meta = self.good
        return {k: v.clone() for k, v in tensors.items()}, deepcopy(meta)

    def load(self) -> State | None:
        """Takes the newest whole checkpoint; returns the state of the stage it stands in, None behind the last."""
        engine = self.engine

        def newest() -> State:
            tensors, meta, damaged = engine.checkpoints.newest()
            for message in damaged:
                engine.display.say(f"{message} Going on from the checkpoint before it.")
            return tensors, meta

        tensors, meta = engine.ranks.tensors_from_first(newest)
        if meta["data"] != engine.data.fingerprint:
            raise UserError(
                f"The data is not what this run was trained on ({engine.data.source} has changed).",
                "Train in a new folder with --out, or bring the data back.",
            )
        if not engine.course.begins_with(meta["stages"]):
            raise UserError(
                "The run's stages are not those of this version.", "Start again in a new folder with --out."
            )
        then = meta.get("settings", {})
        if changed := {k: v for k, v in engine.settings.items() if v != then.get(k, v)}:
            what = ", ".join(f"{k}: {then[k]} → {v}" for k, v in changed.items())
            raise UserError(
                f"{engine.folder / 'config.yaml'} is not what this run was trained with ({what}).",
                "Bring it back, or train in a new folder with --out.",
            )
        stage = self.adopt(tensors, meta)
        log = [] if engine.ranks.several else read_log(engine.folder / "log.jsonl")
        engine.threads.resume(meta.get("threads"), log, engine.counters.taken, engine.counters.step)
        if engine.ranks.first and stage:
            found = engine.checkpoints.good(engine.counters.step)
            self.good = found if found is not None and found[1]["counters"]["stage"] == engine.counters.stage else None
            self._written = -1 if self.good is None else _step(self.good)
        return (stage, meta) if engine.counters.stage < len(meta["stages"]) else None

    def adopt(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Tensor]:
        """Takes a state; returns the tensors of the stage it stands in."""
        engine = self.engine
        # in place: the loop holds on to it; checkpoints of older versions do not count what was taken back
        vars(engine.counters).update({"taken": meta["counters"]["step"], **meta["counters"]})
        engine.notes = meta["notes"]
        engine.monitor.best = Best(**meta["best"]) if meta.get("best") else Best()
        engine.plans = {**engine.plans, **{k: Plan.from_plain(p) for k, p in meta["plans"].items()}}
        for name, net in engine.networks.items():
            try:
                net.load_state_dict(under(tensors, f"net/{name}/"))
            except RuntimeError as error:
                raise UserError(
                    f"The checkpoint's {name} is not of this shape: {str(error).splitlines()[-1].strip()}",
                    "Resume with the networks that it was trained with, or train in a new folder with --out.",
                ) from error
        engine.loader.load_state_dict(meta["loader"])
        load_random_state(under(tensors, "random/"), engine.device)
        return {k: v for k, v in tensors.items() if k.startswith(("ema/", "opt/", "guard/", "means/"))}


def _step(state: State) -> int:
    return int(state[1]["counters"]["step"])
