"""The complete state of a training: collected, written as a checkpoint, and taken up again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from aegan.engine.schedule import Plan
from aegan.engine.stage_state import StageState, State
from aegan.engine.state import load_random_state, random_state
from aegan.engine.watch import Best
from aegan.errors import UserError
from aegan.jsonl import read_log

if TYPE_CHECKING:
    from aegan.engine.loop import Engine


class Saving:
    """Writes and reads the checkpoints of an engine's run.

    Attributes:
        saved_at: seconds of training when a checkpoint was last written.
        stage_meta: plain values of the state that was taken up last.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.saved_at = 0.0
        self.stage_meta: dict[str, Any] = {}

    def state(self, run: StageState | None) -> State:
        """All of it; `run` is None between stages."""
        engine = self.engine
        c = engine.counters
        tensors = {f"net/{k}/{key}": v for k, net in engine.networks.items() for key, v in net.state_dict().items()}
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
            "best": asdict(engine.watch.best) if engine.watch.best.step >= 0 else None,
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
        if run is not None:
            engine.recovery.write()
        engine.checkpoints.save(engine.counters.step, *self.state(run))
        self.saved_at = engine.counters.seconds

    def load(self) -> dict[str, Tensor] | None:
        """Takes the newest whole checkpoint; returns the tensors of the stage it stands in, None behind the last."""
        engine = self.engine
        tensors, (meta, damaged) = engine.ranks.tensors_from_first(self.newest)
        for message in damaged:
            engine.display.say(f"{message} Going on from the checkpoint before it.")
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
            engine.recovery.read()
        return stage if engine.counters.stage < len(meta["stages"]) else None

    def adopt(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Tensor]:
        """Takes a state; returns the tensors of the stage it stands in."""
        engine = self.engine
        # in place: the loop holds on to it; checkpoints of older versions do not count what was taken back
        vars(engine.counters).update({"taken": meta["counters"]["step"], **meta["counters"]})
        engine.notes = meta["notes"]
        engine.watch.best = Best(**meta["best"]) if meta.get("best") else Best()
        engine.plans = {**engine.plans, **{k: Plan.from_plain(p) for k, p in meta["plans"].items()}}
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition("/")
            if kind == "net":
                name, _, rest = rest.partition("/")
                groups.setdefault(f"net/{name}", {})[rest] = value
            else:
                groups.setdefault(kind, {})[rest] = value
        for name, net in engine.networks.items():
            try:
                net.load_state_dict(groups.get(f"net/{name}", {}))
            except RuntimeError as error:
                raise UserError(
                    f"The checkpoint's {name} is not of this shape: {str(error).splitlines()[-1].strip()}",
                    "Resume with the networks that it was trained with, or train in a new folder with --out.",
                ) from error
        engine.loader.load_state_dict(meta["loader"])
        load_random_state(groups["random"], engine.device)
        self.stage_meta = meta
        return {f"{kind}/{k}": v for kind in ("ema", "opt", "guard", "means") for k, v in groups.get(kind, {}).items()}

    def newest(self) -> tuple[dict[str, Tensor], tuple[dict[str, Any], list[str]]]:
        """The newest whole checkpoint, and the messages about damaged ones."""
        tensors, meta, damaged = self.engine.checkpoints.newest()
        return tensors, (meta, damaged)
