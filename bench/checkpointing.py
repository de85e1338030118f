"""What it costs to lose nothing: checkpoints and the guard as shares of training time, and how fast a stopped run goes on.

    python bench/checkpointing.py                        about five minutes
    python bench/checkpointing.py --seconds 20 --out /tmp/checkpointing.json         a quick look

Everything on the default strategy and the built-in images, in one process. A checkpoint is timed from its call to the flush
to disk, within training. Steps with and without the guard alternate in blocks, so that a machine that slows down slows both.
The resumed run is the last tenth of one stopped by SIGTERM at nine tenths; seconds count from the start of its process to
its first new step. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from aegan.config import RunConfig
from aegan.data import open_data
from aegan.engine import Engine
from aegan.engine.device import describe_machine
from aegan.engine.finite import FiniteCheck
from aegan.jsonl import read_log
from aegan.runs.settings import resolve

BLOCK = 8  # steps between changes of the guard


class Unguarded(FiniteCheck):
    """Counts nothing and looks at nothing: clips, where a phase asks for it, as any training would."""

    def clip_and_skip_nonfinite(
        self, phase: str, optimizer: Any, loss: Any, parameters: Any, clip: float | None
    ) -> Any:
        if clip is None:
            return loss
        return torch.nn.utils.clip_grad_norm_(parameters, clip)


def engine_of(config: RunConfig, folder: Path) -> Engine:
    data = open_data(config.data)
    settings = resolve(config, data, {})
    return Engine(settings.strategy(), data, settings.run, folder)


def checkpoints(data: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Seconds of each checkpoint in a run, and their share at the default interval."""
    config = RunConfig(data=data, minutes=seconds / 60, checkpoint_every=min(5.0, seconds / 8), logger="none")
    engine, took = engine_of(config, folder), []
    real = engine.saving.save

    def timed(run: Any) -> None:
        began = time.perf_counter()
        real(run)
        if run is not None:
            took.append(time.perf_counter() - began)

    engine.saving.save = timed  # type: ignore[method-assign]
    engine.run()
    size = max(p.stat().st_size for p in (folder / "checkpoints").iterdir())
    every = RunConfig.checkpoint_every
    return {
        "checkpoints": len(took),
        "megabytes": round(size / 1e6, 1),
        "milliseconds": {"median": round(1e3 * statistics.median(took), 1), "most": round(1e3 * max(took), 1)},
        "every_seconds": every,
        "share_percent": round(100 * statistics.mean(took) / every, 3),
    }


def guard(data: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Milliseconds of a step with and without the guard, by stage, in alternating blocks of one run; what its looks took."""
    config = RunConfig(data=data, minutes=seconds / 60, checkpoint_every=1e9, logger="none")
    engine = engine_of(config, folder)
    times: dict[str, dict[bool, list[float]]] = {}
    state: dict[str, Any] = {"stage": None, "count": 0, "mark": 0.0}
    real_next, guarded = engine.loader.next, FiniteCheck.clip_and_skip_nonfinite

    def timed() -> Any:
        now, stage = time.perf_counter(), engine.stages[engine.counters.stage].name
        if stage != state["stage"]:
            state.update(stage=stage, count=0)
        on = (state["count"] // BLOCK) % 2 == 0
        place = state["count"] % BLOCK
        # the block's first step holds the change, the last one the report and the look at the counters
        if 1 < place < BLOCK:
            times.setdefault(stage, {True: [], False: []})[on].append(now - state["mark"])
        FiniteCheck.clip_and_skip_nonfinite = guarded if on else Unguarded.clip_and_skip_nonfinite  # type: ignore[method-assign]
        state["count"] += 1
        batch = real_next()
        state["mark"] = time.perf_counter()
        return batch

    engine.loader.next = timed  # type: ignore[method-assign]
    try:
        engine.run()
    finally:
        FiniteCheck.clip_and_skip_nonfinite = guarded  # type: ignore[method-assign]
    spent = engine.monitor.spent
    found: dict[str, Any] = {
        "looks": {"seconds": round(spent, 2), "share_percent": round(100 * spent / engine.counters.seconds, 2)}
    }
    for stage, both in times.items():
        if min(len(both[True]), len(both[False])) < 30:
            continue
        on, off = (statistics.median(both[key]) for key in (True, False))
        found[stage] = {
            "steps": len(both[True]) + len(both[False]),
            "milliseconds_with": round(1e3 * on, 3),
            "milliseconds_without": round(1e3 * off, 3),
            "share_percent": round(100 * (on - off) / off, 2),
        }
    return found


def resuming(data: str, steps: int, folder: Path) -> dict[str, Any]:
    """Seconds from the start of `aegan train --resume` until it steps, for a run of which nine tenths are done."""
    aegan = [sys.executable, "-m", "aegan", "train"]
    environment = {**os.environ, "AEGAN_TENSORBOARD": "0"}
    log = folder / "log.jsonl"
    first = subprocess.Popen(
        [*aegan, data, "--steps", str(steps), "--out", str(folder), "--no-evaluate"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    while not any(x.get("step", 0) >= 0.9 * steps for x in read_log(log)):
        if first.poll() is not None:
            raise SystemExit("the run ended before it could be stopped: give it more --steps")
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    first.wait()
    at = max(x.get("step", 0) for x in read_log(log))
    began = time.monotonic()
    second = subprocess.Popen(
        [*aegan, "--resume", "--out", str(folder), "--no-evaluate"], env=environment, stderr=subprocess.DEVNULL
    )
    while not any(x.get("step", 0) > at and "terms" in x for x in read_log(log)):
        if second.poll() is not None:
            raise SystemExit("the resumed run ended before its first line")
        time.sleep(0.02)
    took = time.monotonic() - began
    second.kill()
    second.wait()
    return {"steps": steps, "stopped_at": at, "seconds_until_stepping": round(took, 2)}


def asked(args: argparse.Namespace) -> str:
    """The command line, without where its result goes."""
    words = [f"--{name} {value}" for name, value in vars(args).items() if value and name != "out"]
    return " ".join(["python bench/checkpointing.py", *(word.removesuffix(" True") for word in words)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion")
    parser.add_argument("--seconds", type=float, default=90, help="of training in each of the first two parts")
    parser.add_argument("--steps", type=int, default=400, help="of the run that is stopped and resumed")
    parser.add_argument("--out", type=Path, default=Path("docs/results/checkpointing.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aegan-checkpointing-") as name:
        root, load = Path(name), os.getloadavg()[0]
        result = {
            "command": asked(args),
            "machine": describe_machine(torch.device("cpu")),
            "load_before": round(load, 2),
            "data": args.data,
            "checkpoints": checkpoints(args.data, args.seconds, root / "checkpoints"),
            "guard": guard(args.data, args.seconds, root / "guard"),
            "resume": resuming(args.data, args.steps, root / "resume"),
        }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
