"""One trial in a process of its own: `python -m aegan.comparison.worker RUN`, as RUN/order.json says."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch

from aegan.comparison import cost
from aegan.comparison.trials import MISTAKE, SAID, Status, Trial
from aegan.config import RunConfig, with_options
from aegan.data import Data
from aegan.engine.log import Display
from aegan.engine.loop import Interrupted
from aegan.engine.monitor import Monitor
from aegan.errors import Diverged, TooLittleMemory, UserError
from aegan.evaluation import evaluate_run
from aegan.events import Tick
from aegan.files import write_text
from aegan.jsonl import number
from aegan.runs.folder import Run
from aegan.runs.reading import RunHistory
from aegan.training import train


def main(folder: Path) -> int:
    """Runs the trial; its outcome is RUN/trial.json, unless it was interrupted.

    Returns:
        exit code: 0; 2 for a user's mistake, whose words are in RUN/mistake.json; 128 + signal if interrupted.
    """
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    order = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    try:
        trial = run_trial(folder, order)
    except Interrupted as stop:
        return 128 + stop.signum
    except UserError as error:
        print(error, file=sys.stderr)
        write_text(folder / SAID, json.dumps({"what": error.what, "fix": error.fix}))
        return MISTAKE
    trial.write(folder / "trial.json")
    return 0


def run_trial(folder: Path, order: dict[str, Any]) -> Trial:
    """Trains (or goes on), counts, evaluates.

    Args:
        folder: RUN.
        order: config (of `RunConfig`), options (of the strategy), folder (as the results name it), extractor, count.

    Raises:
        Interrupted: a checkpoint was written.
        UserError: something that is not the strategy's fault: a full disk, changed data.
    """
    config = with_options(RunConfig(), order["config"], "a trial")

    def ended(status: Status, reason: str) -> Trial:
        return Trial(
            config.strategy, config.seed, order["folder"], status, reason, **_trained(folder),
            peak_bytes=_peak(config.device),
        )  # fmt: skip

    try:
        resume = (folder / "config.yaml").exists()
        run = train(config, order["options"], resume=resume, evaluate=False, display=Display())
        peak = _peak(config.device)
        data = run.data()
        run.model.check_weights()
        evaluation = evaluate_run(
            run, data=data, extractor=order["extractor"], count=order["count"], device=config.device
        )
    except (Diverged, TooLittleMemory) as error:
        return ended("diverged" if isinstance(error, Diverged) else "crashed", error.what)
    except (Interrupted, MemoryError, UserError):
        raise
    except Exception as error:
        traceback.print_exc()
        return ended("crashed", f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}")
    if "fd" in evaluation and evaluation["fd"].value is None and "finite" in evaluation["fd"].why:
        return ended("diverged", evaluation["fd"].why)
    trained = _trained(folder)
    points = curve(run, data, trained["seconds"])  # before operations are counted, which moves a codebook
    return Trial(
        config.strategy, config.seed, order["folder"], "finished", **trained,
        parameters=cost.parameters(run.model), operations=_operations(run, data), peak_bytes=peak,
        figures=evaluation.as_dict()["figures"], seen=evaluation.extractor.get("seen", ""),
        curve=points,
    )  # fmt: skip


def _operations(run: Run, data: Data) -> float | None:
    """A count that fails costs the trial nothing but the count; the output says why."""
    try:
        return cost.operations(run.model, data, run.config)
    except (RuntimeError, TypeError, ValueError):
        traceback.print_exc()
        return None


def curve(run: Run, data: Data, seconds: float) -> list[list[float]]:
    """[seconds, distance] of samples that were scored while training, and of the finished model: a strategy whose prior
    is fitted last makes none before."""
    ticks = RunHistory(run.log).events(Tick)
    found = [[t.seconds or 0.0, far] for t in ticks if (far := number(t.fd_pixels)) is not None]
    model = run.model
    last, _ = Monitor(model.strategy, data, model.device).look(model.networks, 0)
    value = math.inf if last.fd_pixels is None else last.fd_pixels
    return [*found, [seconds, value]] if math.isfinite(value) else found


def _trained(folder: Path) -> dict[str, Any]:
    """Seconds, steps and images, as far as the log goes."""
    lines = [line for line in Run(folder).log if "step" in line and "seconds" in line]
    last = lines[-1] if lines else {}
    images = next((line["images"] for line in reversed(lines) if "images" in line), 0)
    return {"seconds": float(last.get("seconds", 0.0)), "steps": int(last.get("step", 0)), "images": int(images)}


def _peak(device: str) -> int:
    """Most bytes of memory held so far."""
    if torch.cuda.is_available() and device != "cpu":
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _stop_with_parent() -> None:
    """The parent holds the other end of stdin: when it goes, in whatever way, this trial writes a checkpoint and stops."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # a daemon thread that reads stdin would hold up the interpreter's end
