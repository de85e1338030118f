"""Trials: ordinary runs, each in a process of its own, so that one that fails takes nothing with it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aegan.cores import usable
from aegan.errors import UserError
from aegan.files import write_json

Status = Literal["finished", "diverged", "crashed"]
SAID = "mistake.json"  # in which a trial says what it was
MISTAKE = 2  # exit code of a trial that met a user's mistake, such as a full disk: the comparison stops


@dataclass(frozen=True)
class Trial:
    """One strategy with one seed, as it ended; RUN/trial.json."""

    strategy: str
    seed: int
    folder: str  # the run's, relative to the comparison's
    status: Status  # diverged: the guard gave up, or the samples are not finite; crashed: an error of any kind
    reason: str = ""  # of a failure, in a line
    seconds: float = 0.0  # of training
    steps: int = 0
    images: int = 0
    parameters: dict[str, int] = field(default_factory=dict)  # trained weights by network
    operations: float | None = None  # floating-point, for each training example; None where they could not be counted
    peak_bytes: int = 0  # most memory held while training: resident, or on the GPU if it trained there
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)  # by name, as evaluation.json has them
    seen: str = ""  # networks of the extractor's family that its critics have seen images through
    curve: list[list[float]] = field(default_factory=list)  # [seconds, Fréchet distance of pixels or vectors]

    @property
    def failed(self) -> bool:
        return self.status != "finished"

    def value(self, name: str) -> float | None:
        """A figure's value."""
        found = self.figures.get(name, {}).get("value")
        return None if found is None else float(found)

    def baseline(self, name: str) -> float | None:
        """What real data get by a figure."""
        figure = self.figures.get(name, {})
        found = figure.get("baseline", figure.get("floor"))  # as it was called before
        return None if found is None else float(found)

    @property
    def collapsed(self) -> str:
        """How a finished trial has collapsed; empty if it has not.

        Where the modes are known: it covers less than half of them. Of images and other vectors: recall and coverage
        are both below a tenth of what real held-out items get.
        """
        if self.failed:
            return ""
        modes, of = self.value("modes"), self.baseline("modes")
        if modes is not None and of is not None:
            return f"{modes:.0f} of {of:.0f} modes" if modes < 0.5 * of else ""
        low = []
        for name in ("recall", "coverage"):
            value, perfect = self.value(name), self.baseline(name)
            if value is None or not perfect or value >= 0.1 * perfect:
                return ""
            low.append(f"{name} {100 * value:.1f} %")
        return ", ".join(low)

    @property
    def bad(self) -> str:
        """Why it counts as unstable: diverged, crashed, collapsed; empty otherwise."""
        return self.status if self.failed else ("collapsed" if self.collapsed else "")

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> Trial | None:
        """From JSON; None if there is none, or it is damaged."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Job:
    """A trial to be run."""

    folder: Path  # of the run
    order: dict[str, Any]  # what the process is to do, plain values; see `run_trial`
    name: str  # for people

    @property
    def done(self) -> Trial | None:
        """How it ended, if it has."""
        return Trial.read(self.folder / "trial.json")


def run_jobs(
    jobs: Sequence[Job],
    *,
    at_once: int,
    devices: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
    ended: Callable[[Trial], object] = lambda trial: None,
) -> list[Trial]:
    """Runs what has not been run, some at once; trials in the order of the jobs.

    Args:
        jobs: each with a folder of its own; a half-done one is resumed.
        at_once: processes; the cores are divided among them.
        devices: given out in turn, if there are several.
        say: gets a line for what begins and ends.
        ended: called after each.

    Raises:
        UserError: a trial met a user's mistake; the others have been stopped and can be continued.
        KeyboardInterrupt: likewise.
    """
    waiting = [job for job in jobs if job.done is None]
    began, count = time.monotonic(), len(waiting)
    if len(jobs) > count:
        say(f"{len(jobs) - count} of {len(jobs)} trials are done already")
    running: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}
    finished = 0
    try:
        while waiting or running:
            for slot in range(at_once):
                if slot not in running and waiting:
                    job = waiting.pop(0)
                    say(f"{job.name}: {'resumed' if (job.folder / 'config.yaml').exists() else 'started'}")
                    device = devices[slot % len(devices)] if devices else None
                    running[slot] = job, _start(job, at_once, device)
            time.sleep(0.05)
            for slot, (job, process) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[slot]
                process.communicate()
                outcome = _outcome(job, process.returncode)
                finished += 1
                left = (time.monotonic() - began) / finished * (count - finished)
                say(
                    f"{job.name}: {_words(outcome)}; {finished}/{count}{f', {left / 60:.0f} min left' if left > 90 else ''}"
                )
                ended(outcome)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.communicate()
    return [trial for job in jobs if (trial := job.done) is not None]


def check_conditions(jobs: Sequence[Job]) -> None:
    """Refuses to run more trials under other conditions than those that were run before.

    Of trials of older versions only what they recorded is known.

    Raises:
        UserError: the version of aegan, the threads of a trial or the options that presets give are others.
    """
    words = {"aegan": "version of aegan", "threads": "number of threads a trial (--jobs)", "options": "preset"}
    if all(job.done for job in jobs):
        return
    for job in jobs:
        try:
            before = json.loads((job.folder / "order.json").read_text(encoding="utf-8")).get("conditions", {})
        except (OSError, ValueError):  # it was not run
            continue
        for key, now in job.order["conditions"].items():
            then = before.get(key, now)
            if then == now:
                continue
            what = f"{words[key]} ({then}, now {now})"
            if key == "options":
                changed = {k: f"{then.get(k)} → {now.get(k)}" for k in {**then, **now} if then.get(k) != now.get(k)}
                what = f"{words[key]} ({', '.join(f'{k}: {v}' for k, v in changed.items())})"
            raise UserError(
                f"{job.name} was run with another {what}: trials under unequal conditions are not compared.",
                "Go on under the same conditions, or compare again in a new folder with --out.",
            )


def threads_each(at_once: int) -> int:
    """The threads of a trial: the cores are divided among those that run at once."""
    limit, share = os.environ.get("OMP_NUM_THREADS", ""), max(1, usable() // at_once)
    return min(share, int(limit)) if limit.isdigit() else share


def _start(job: Job, at_once: int, device: str | None) -> subprocess.Popen[bytes]:
    """A process of its own session: Ctrl-C reaches this process alone, which then stops the trials one by one."""
    threads = str(threads_each(at_once))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "AEGAN_TENSORBOARD": "0"}
    order = job.order if device is None else {**job.order, "config": {**job.order["config"], "device": device}}
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / "order.json", order)
    with open(job.folder / "output.txt", "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "aegan.comparison.worker", str(job.folder)],
            stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip


def _outcome(job: Job, code: int) -> Trial:
    """What a process left; one that left nothing has crashed, which is recorded."""
    trial = job.done
    if trial is not None:
        return trial
    if code == MISTAKE:
        try:
            said = json.loads((job.folder / SAID).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a full disk, perhaps
            said = {"what": "a trial failed", "fix": f"Its output is in {job.folder / 'output.txt'}."}
        raise UserError(f"{job.name}: {said['what']}", said["fix"])
    killed = "the system, perhaps for lack of memory" if code == -9 else f"signal {-code}"
    reason = f"its process was killed by {killed}" if code < 0 else f"its process ended with code {code}"
    config = job.order["config"]
    lost = Trial(config["strategy"], config["seed"], job.order["folder"], "crashed", reason)
    lost.write(job.folder / "trial.json")
    return lost


def _words(trial: Trial) -> str:
    if trial.failed:
        return f"{trial.status}: {trial.reason}"
    what = f"trained in {trial.seconds:.0f} s"
    return f"{what}, collapsed ({trial.collapsed})" if trial.collapsed else what
