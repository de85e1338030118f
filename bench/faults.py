"""Breaks training runs on purpose, in every way that we know of, and counts what is lost.

    python bench/faults.py                               200 kills and every other fault; about ten minutes on one core
    python bench/faults.py --kills 6 --short --out /tmp/faults.json          a quick look

Every run is a process of its own: a child forked from this one, which has imported everything already, so that a start costs
no seconds. Two small runs are trained: `ring` (vectors) and a folder of images, decoded into a cache of its own each time.
A run that is killed is resumed, and killed again, until it ends; then its weights are compared with those of a run that
nothing disturbed, bit for bit. The exit code is 1 if anything was lost. Linux, on one thread; as root, disks that are full
and folders that are read-only are real ones (tmpfs), otherwise limits on the size of files and permissions.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", AEGAN_TENSORBOARD="0", NO_COLOR="1", COLUMNS="200")

import numpy as np
import torch
import torch._dynamo  # which the first optimizer of a process imports, otherwise in every child for two seconds
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

import aegan.data.assemble
import aegan.data.build
import aegan.data.cache
import aegan.evaluation
import aegan.pictures
import aegan.training
from aegan.cli.main import run as command
from aegan.data.loader import Loader
from aegan.engine.device import describe_machine
from aegan.engine.finite import FiniteCheck
from aegan.engine.lock import LOCK
from aegan.engine.loop import Engine
from aegan.engine.state import Checkpoints
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.strategies import Loss

Image.init()  # so that no child has to look for the formats that Pillow reads

INTERVAL = 0.1  # seconds between checkpoints
IMAGES, STEPS = 64, 150
Prepare = Callable[[], None]
NARROW = ["--set", "width=8", "--set", "components=1,2", "--device", "cpu", "--precision", "fp32"]


@dataclass
class Said:
    """How a child ended."""

    code: int  # negative: killed by that signal
    text: str

    @property
    def refused(self) -> bool:
        """A user's mistake as it should be told: exit code 2, one or two lines, no traceback."""
        lines = self.text.strip().splitlines()
        at = next((i for i, line in enumerate(lines) if line.startswith("Error: ")), None)
        return self.code == 2 and at is not None and len(lines) - at <= 2 and "Traceback" not in self.text


class Child:
    """`aegan ARGUMENTS` in a forked process.

    Args:
        arguments: of the command line.
        cache: folder of its caches.
        prepare: called in the child before it begins; breaks things.
    """

    def __init__(self, arguments: list[Any], cache: Path, prepare: Prepare | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by `wait`
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._main([str(a) for a in arguments], cache, prepare))

    def _main(self, arguments: list[str], cache: Path, prepare: Prepare | None) -> int:
        try:
            for stream in (1, 2):
                os.dup2(self._said.fileno(), stream)
            os.environ["AEGAN_CACHE"] = str(cache)
            sys.argv = ["aegan", *arguments]
            if prepare is not None:
                prepare()
            command()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 70
        else:
            code = 0
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        return code

    def kill(self, after: float, signum: int = signal.SIGKILL) -> None:
        """Sends a signal after some seconds, unless it has ended by then."""
        end = time.monotonic() + after
        while time.monotonic() < end:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            time.sleep(min(0.01, max(0.0, end - time.monotonic())))
        os.kill(self.pid, signum)

    def wait(self) -> Said:
        _, status = os.waitpid(self.pid, 0)
        self._said.seek(0)
        text = self._said.read().decode(errors="replace")
        self._said.close()
        return Said(os.waitstatus_to_exitcode(status), text)


@dataclass
class Kind:
    """A small run, and what an undisturbed one of it is."""

    name: str
    arguments: list[Any]
    seconds: float = 0.0
    writes: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass
class Counts:
    """What was done, and what came of it."""

    runs_started: int = 0
    runs_ended: int = 0
    same_weights: int = 0
    changed: int = 0  # runs whose numbers or data were changed on purpose, so that they end with other weights
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    killed_in: Counter[str] = field(default_factory=Counter)
    steps_lost: list[int] = field(default_factory=list)
    seconds_lost: list[float] = field(default_factory=list)
    left_behind: int = 0
    lost: list[str] = field(default_factory=list)

    def expect(self, fine: bool, what: str, said: Said | None = None) -> None:
        if not fine:
            self.lost.append(what)
            print(f"LOST: {what}\n{said.text[-3000:] if said else ''}", file=sys.stderr)


class Harness:
    """Runs, faults and their counts.

    Args:
        root: a folder for everything.
        seed: of the moments and places of faults.
        short: less of everything.
    """

    def __init__(self, root: Path, seed: int, short: bool) -> None:
        self.root, self.rng, self.short, self.counts = root, random.Random(seed), short, Counts()
        self._number = 0
        photos = root / "photos"
        noise = np.random.default_rng(0)
        for i in range(IMAGES):
            path = photos / "ab"[i % 2] / f"{i:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
        points = root / "points.npy"
        angle = noise.uniform(0, 2 * np.pi, 400)
        np.save(points, np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))
        common = ["--no-evaluate", "--checkpoint-every", INTERVAL, *NARROW]
        self.kinds = [
            Kind("points", [points, "--strategy", "autoencoder", "--batch-size", 64, "--steps", STEPS, *common]),
            Kind(
                "images",
                [
                    photos,
                    "--batch-size",
                    16,
                    "--steps",
                    40,
                    *common,
                    "--set",
                    "critic_width=8",
                    "--set",
                    "play_width=8",
                ],
            ),
        ]
        for kind in self.kinds:
            self.undisturbed(kind)

    def fresh(self) -> Path:
        self._number += 1
        return self.root / f"{self._number:04}"

    def start(self, kind: Kind, place: Path, prepare: Prepare | None = None, *more: Any) -> Child:
        """Begins a run in `place`, or goes on with it."""
        out = place / "run"
        if (out / "config.yaml").exists():
            arguments = ["train", "--resume", "--out", out, "--no-evaluate", "--device", "cpu"]
        else:
            self.counts.runs_started += 1
            arguments = ["train", *kind.arguments, *more, "--out", out]
        return Child(arguments, place / "cache", prepare)

    def undisturbed(self, kind: Kind) -> None:
        """What everything is compared with."""
        place = self.fresh()
        note = self.root / "writes"
        began = time.monotonic()
        said = self.start(kind, place, lambda: counting(note)).wait()
        kind.seconds = time.monotonic() - began
        if said.code != 0:
            raise SystemExit(f"an undisturbed run failed:\n{said.text}")
        kind.writes, kind.weights = len(note.read_bytes()), weights(place)
        self.counts.runs_ended += 1
        self.counts.same_weights += 1
        note.unlink()

    def finish(self, kind: Kind, place: Path, what: str) -> None:
        """Goes on to the end without disturbance; the weights must be those of an undisturbed run."""
        said = self.start(kind, place).wait()
        self.counts.expect(said.code == 0, f"{what}: did not end (exit code {said.code})", said)
        if said.code == 0:
            self.ended(kind, place, what)

    def ended(self, kind: Kind, place: Path, what: str) -> None:
        try:
            same = same_weights(weights(place), kind.weights)
        except (SafetensorError, OSError):  # the model is not whole
            same = False
        self.counts.runs_ended += 1
        self.counts.same_weights += same
        self.counts.expect(same, f"{what}: other weights than an undisturbed run")
        left = [p for p in (place / "run").rglob(".*") if p.is_file()]
        self.counts.left_behind += len(left)
        self.counts.expect(not left, f"{what}: left behind {[p.name for p in left]}")

    def outcome(self, said: Said, what: str, recovered: bool) -> None:
        """Recovery, or one clear line; nothing else."""
        word = "recovered" if recovered else "one clear line" if said.refused else "lost"
        self.counts.outcomes[word] += 1
        self.counts.expect(word != "lost", f"{what}: exit code {said.code}", said)

    def note_loss(self, place: Path, what: str) -> None:
        """How far the newest checkpoint is behind what the log tells of."""
        lines = [x for x in read_log(place / "run" / "log.jsonl") if "terms" in x]
        if not lines:
            return
        try:
            _, meta, _ = Checkpoints(place / "run" / "checkpoints").newest()
        except UserError as error:
            self.counts.expect(False, f"{what}: {error}")
            return
        at = meta["counters"]
        steps, seconds = max(0, lines[-1]["step"] - at["step"]), max(0.0, lines[-1]["seconds"] - at["seconds"])
        self.counts.steps_lost.append(steps)
        self.counts.seconds_lost.append(seconds)
        # a checkpoint waits for the end of its step, and the next line for its flush: on a busy machine either may take long
        times = [0.0, *(x["seconds"] for x in lines)]
        slack = 2 * max(b - a for a, b in itertools.pairwise(times))
        self.counts.expect(seconds <= INTERVAL + slack, f"{what}: {seconds:.1f} s lost, and no step took that long")

    # --- kills --------------------------------------------------------------------------------------------------------

    def kills(self, count: int) -> None:
        """SIGKILL, most of them at random moments, the others within writes and while the cache is built."""
        given, turn = 0, 0
        while given < count:
            kind = self.kinds[turn % 2]
            turn += 1
            place, here = self.fresh(), self.rng.randint(2, 5)
            what = f"run {turn} ({kind.name})"
            for _ in range(min(here, count - given)):
                where, said = self.one_kill(kind, place)
                if said.code == 0:
                    break
                what += f", killed in {where}"
                self.counts.expect(said.code == -signal.SIGKILL, f"{what}: ended by itself with {said.code}", said)
                if said.code != -signal.SIGKILL:
                    break
                given += 1
                self.counts.faults["SIGKILL"] += 1
                self.counts.killed_in[where] += 1
                self.note_loss(place, what)
            self.finish(kind, place, what)
            shutil.rmtree(place, ignore_errors=True)
            print(f"{given}/{count} kills, {turn} runs, {len(self.counts.lost)} lost", file=sys.stderr, flush=True)

    def one_kill(self, kind: Kind, place: Path) -> tuple[str, Said]:
        """(where it was killed, how it ended)."""
        how = self.rng.choice(["moment", "moment", "write", "cache"])
        if how == "cache" and (kind.name != "images" or (place / "run" / "config.yaml").exists()):
            how = "write"
        note = self.root / "died-in"
        note.unlink(missing_ok=True)
        if how == "moment":
            child = self.start(kind, place)
            child.kill(self.rng.uniform(0, kind.seconds))
        elif how == "write":
            at, where, share = self.rng.randrange(kind.writes), self.rng.choice(WRITES), self.rng.random()
            child = self.start(kind, place, lambda: dying_in_write(at, where, share, note))
        else:
            name, at = self.rng.choice([*CACHE])
            after, call = self.rng.random() < 0.5, self.rng.randrange(CACHE[name, at])
            child = self.start(kind, place, lambda: dying_in_cache(name, at, call, after, note))
        said = child.wait()
        return (note.read_text() if note.exists() else "a random moment"), said

    # --- everything else ------------------------------------------------------------------------------------------------

    def signals(self) -> None:
        """SIGTERM and Ctrl-C: a checkpoint of the very step, 128 + signal."""
        for kind in self.kinds[1:] if self.short else self.kinds:
            for signum in (signal.SIGTERM, signal.SIGINT) if not self.short else (signal.SIGTERM,):
                place, what = self.fresh(), f"{signal.Signals(signum).name} ({kind.name})"
                for turn in (1, 2):
                    child, log = self.start(kind, place), place / "run" / "log.jsonl"
                    wait_for(lambda log=log, turn=turn: len(events(log, "start")) >= turn)  # before that it just ends
                    child.kill(0.05 + self.rng.uniform(0, kind.seconds / 3), signum)
                    said = child.wait()
                    if said.code == 0 or events(log, "done"):
                        break
                    self.counts.faults[signal.Signals(signum).name] += 1
                    self.counts.expect(said.code == 128 + signum, f"{what}: exit code {said.code}", said)
                    self.counts.expect("Traceback" not in said.text and "--resume" in said.text, what, said)
                    last = max(x.get("step", 0) for x in read_log(log))
                    _, meta, _ = Checkpoints(place / "run" / "checkpoints").newest()
                    self.counts.expect(meta["counters"]["step"] >= last, f"{what}: steps lost", said)
                self.finish(kind, place, what)

    def disks(self) -> None:
        """A disk that fills up, under the run and under the cache; one that is read-only; a limit on the size of files."""
        for kind in self.kinds[1:] if self.short else self.kinds:
            whole = sum(
                p.stat().st_size
                for p in (self.root / "0001" if kind.name == "points" else self.root / "0002").rglob("*")
            )
            for part in (0.3,) if self.short else (0.05, 0.15, 0.3, 0.5, 0.7, 0.85):
                what, place = f"full disk ({kind.name})", self.fresh()
                with disk(place, max(8192, int(part * whole))) as bigger:
                    if bigger is None:
                        limit = int(part * whole / 4) + 8192
                        limited = lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))  # noqa: E731
                        said = self.start(kind, place, limited).wait()
                    else:
                        said = self.start(kind, place).wait()
                    if said.code != 0:
                        self.counts.faults["disk full"] += 1
                        self.outcome(said, what, recovered=False)
                        if bigger:
                            bigger()
                    self.finish(kind, place, what)
            what, place = f"read-only folder ({kind.name})", self.fresh()
            child = self.start(kind, place)
            child.kill(kind.seconds * 0.8)
            child.wait()
            for fresh in (False, True):
                folder = self.fresh() if fresh else place
                with read_only(folder) as able:
                    if able:
                        self.counts.faults["read-only folder"] += 1
                        said = self.start(kind, folder).wait()
                        self.outcome(said, what, recovered=False)
            self.finish(kind, place, what)

    def clocks(self) -> None:
        """A clock that jumps by days, back and forth: same weights, and a budget of minutes that holds."""
        kind = self.kinds[1]
        place, seed = self.fresh(), self.rng.random()
        said = self.start(kind, place, lambda: jumping_clock(seed)).wait()
        self.counts.faults["clock jumps"] += 1
        self.outcome(said, "clock jumps", recovered=said.code == 0)
        self.ended(kind, place, "clock jumps")
        place, began = self.fresh(), time.monotonic()
        points = [a for a in self.kinds[0].arguments if a not in ("--steps", STEPS)]
        self.counts.runs_started += 1
        said = Child(
            ["train", *points, "--minutes", 0.03, "--out", place / "run"], place / "cache", lambda: jumping_clock(seed)
        ).wait()
        self.counts.faults["clock jumps"] += 1
        self.outcome(said, "clock jumps, by minutes", recovered=said.code == 0 and time.monotonic() - began < 60)
        self.counts.runs_ended += said.code == 0
        self.counts.changed += said.code == 0

    def damage(self) -> None:
        """Every file that we write, cut, emptied, overwritten, removed or with one bit changed."""
        ways = ["cut"] if self.short else [*DAMAGES]
        kind = self.kinds[1]
        stopped = self.fresh()  # unfinished, with everything a run has
        run, log = stopped / "run", stopped / "run" / "log.jsonl"
        while not has_everything(run) or events(log, "done"):
            shutil.rmtree(stopped, ignore_errors=True)
            child = self.start(kind, stopped)
            wait_for(lambda: has_everything(run), 20)
            child.kill(0.0)
            child.wait()
        self.counts.faults["SIGKILL"] += 1
        for name, path in self.some(one_of_each(stopped)):
            for way in ways:
                place = self.fresh()
                shutil.copytree(stopped, place)
                DAMAGES[way](place / path, self.rng)
                self.counts.faults["file damaged"] += 1
                self.counts.runs_started += 1
                said = self.start(kind, place).wait()
                what = f"{name} {way}, then resumed"
                if said.code == 0:
                    self.ended(kind, place, what)
                self.outcome(said, what, recovered=said.code == 0)
                shutil.rmtree(place)
        place = self.fresh()  # both checkpoints
        shutil.copytree(stopped, place)
        for path in (place / "run" / "checkpoints").iterdir():
            DAMAGES["cut"](path, self.rng)
        self.counts.faults["file damaged"] += 2
        self.outcome(self.start(kind, place).wait(), "all checkpoints cut", recovered=False)
        self.damage_finished(ways)

    def damage_finished(self, ways: list[str]) -> None:
        """The same with a finished, evaluated run, and the commands that read it."""
        kind, finished = self.kinds[0], self.fresh()
        self.counts.runs_started += 1
        arguments = [a for a in kind.arguments if a != "--no-evaluate"]
        said = Child(["train", *arguments, "--out", finished / "run"], finished / "cache").wait()
        self.counts.expect(said.code == 0, "a run with its evaluation", said)
        self.ended(kind, finished, "a run with its evaluation")

        def commands(place: Path, file: str) -> dict[str, tuple[Said, bytes]]:
            """What is said and made by the commands that read a file of the run, or of its cache."""
            made, run = place / "made.npz", place / "run"
            found = {
                "evaluate": [run, "--count", 64, "--device", "cpu"],
                "report": [run],
                "sample": [run, "--n", 4, "--device", "cpu", "--out", made],
            }
            if "model" not in file and "config" not in file:
                found = {"evaluate": found["evaluate"]} if "cache" in file else {"report": found["report"]}
            return {
                name: (Child([name, *words], place / "cache").wait(), made.read_bytes() if made.exists() else b"")
                for name, words in found.items()
            }

        whole = self.fresh()
        shutil.copytree(finished, whole)
        usual = commands(whole, "model")
        for name, (said, _) in usual.items():
            self.counts.expect(said.code == 0, f"aegan {name} of a whole run", said)
        for name, path in self.some(one_of_each(finished)):
            for way in ways:
                place = self.fresh()
                shutil.copytree(finished, place)
                DAMAGES[way](place / path, self.rng)
                self.counts.faults["file damaged"] += 1
                for word, (said, made) in commands(place, name).items():
                    fine = said.code == 0 and (word != "sample" or made == usual[word][1])
                    self.outcome(said, f"{name} {way}, then aegan {word}", recovered=fine)
                if name == "evaluation.json":  # read in full only where results stand side by side
                    said = Child(["report", whole / "run", place / "run"], place / "cache").wait()
                    self.outcome(said, f"{name} {way}, then aegan report of two", recovered=said.code == 0)
                shutil.rmtree(place)

    def some(self, files: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
        """All of them, or a few."""
        return self.rng.sample(files, 2) if self.short else files

    def two(self) -> None:
        """Two processes on one folder."""
        for kind in self.kinds:
            place = self.fresh()
            first = self.start(kind, place)
            wait_for(lambda out=place / "run": (out / LOCK).exists())
            second = self.start(kind, place).wait()
            self.counts.runs_started -= not (place / "run" / "config.yaml").exists()  # it was refused, not started
            self.counts.faults["two processes"] += 1
            self.outcome(second, f"a second process ({kind.name})", recovered=False)
            self.counts.expect("is in use" in second.text, "the second process was not refused by the lock", second)
            first.kill(0.0)
            first.wait()
            self.finish(kind, place, "two processes on a folder, the first killed")

    def numbers(self) -> None:
        """NaN and infinity in a batch, a loss and a gradient, once and many times in a row."""
        kind = self.kinds[1]
        for where in ("batch", "loss", "gradient"):
            for value in (float("nan"),) if self.short else (float("nan"), float("inf"), -float("inf")):
                for row in (1,) if self.short else (1, 12):
                    place, at = self.fresh(), self.rng.randint(10, 20)
                    breaking = lambda w=where, v=value, a=at, r=row: not_finite(w, v, a, r)  # noqa: E731
                    said = self.start(kind, place, breaking).wait()
                    self.counts.faults[f"not finite: {where}"] += row
                    self.counts.runs_ended += said.code == 0
                    self.counts.changed += said.code == 0
                    fine = said.code == 0 and all(bool(t.isfinite().all()) for t in weights(place).values())
                    told = [
                        x
                        for x in read_log(place / "run" / "log.jsonl")
                        if x.get("skipped") or x.get("event") == "guard"
                    ]
                    self.outcome(said, f"{value} in a {where}, {row} times", recovered=fine and bool(told))

    def memory(self) -> None:
        """Memory that runs out in a phase, and a resumed run that knows of it."""
        for error in (
            torch.OutOfMemoryError("CUDA out of memory."),
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        ):
            kind, places = self.kinds[1], (self.fresh(), self.fresh())
            for place in places:
                if place == places[1]:
                    child = self.start(kind, place, lambda e=error: little_memory(e, 5))
                    wait_for(lambda out=place / "run": any("terms" in x for x in read_log(out / "log.jsonl")))
                    child.kill(self.rng.uniform(0, kind.seconds / 3))
                    child.wait()
                said = self.start(kind, place, lambda e=error: little_memory(e, 5)).wait()
                self.counts.faults["out of memory"] += 1
                self.counts.runs_ended += said.code == 0
                told = bool(events(place / "run" / "log.jsonl", "memory"))
                self.outcome(said, "memory for 5 examples", recovered=said.code == 0 and told)
            same = same_weights(*map(weights, places))
            self.counts.same_weights += 2 * same
            self.counts.expect(same, "memory for 5 examples: a killed run ended with other weights")
            said = self.start(kind, self.fresh(), lambda e=error: little_memory(e, 1)).wait()
            self.counts.faults["out of memory"] += 1
            self.outcome(said, "memory for 1 example", recovered=False)

    def workers(self) -> None:
        """A thread that decodes images runs out of memory. The threads have no process of their own that could be killed."""
        said = self.start(self.kinds[1], self.fresh(), failing_worker).wait()
        self.counts.faults["worker fails"] += 1
        self.counts.runs_ended += said.code == 0
        self.counts.changed += said.code == 0
        self.outcome(said, "a worker without memory", recovered=said.code == 0)


# --- what is broken, in the child -----------------------------------------------------------------------------------------

WRITES = ("half written", "before its rename", "after its rename")
CACHE = {("build", "_one"): IMAGES, ("cache", "write_split"): 2, ("cache", "seal"): 1, ("cache", "publish"): 1}


def counting(note: Path) -> None:
    """One byte in `note` for each file that is written whole."""
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        real(source, target)
        with open(note, "ab") as file:
            file.write(b".")

    os.replace = replace


def die(note: Path, where: str) -> None:
    note.write_text(where)
    os.kill(os.getpid(), signal.SIGKILL)


def dying_in_write(at: int, where: str, share: float, note: Path) -> None:
    """Dies in the write of the at-th whole file."""
    fsync, replace, count = os.fsync, os.replace, [0]

    def dying_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and count[0] == at and where == WRITES[0]:
            os.ftruncate(descriptor, int(share * status.st_size))
            die(note, "a write, half of it done")
        fsync(descriptor)

    def dying_replace(source: Any, target: Any) -> None:
        name = Path(target).parent.name if Path(target).suffix in (".safetensors", ".png") else Path(target).name
        if count[0] == at and where == WRITES[1]:
            die(note, f"{name}, {where}")
        replace(source, target)
        if count[0] == at and where == WRITES[2]:
            die(note, f"{name}, {where}")
        count[0] += 1

    os.fsync, os.replace = dying_fsync, dying_replace


def dying_in_cache(module: str, name: str, call: int, after: bool, note: Path) -> None:
    """Dies before or after a call of a function that builds the cache."""
    holder = getattr(aegan.data, module)
    real, count = getattr(holder, name), [0]

    def dying(*args: Any, **kwargs: Any) -> Any:
        here = count[0] == call
        count[0] += 1
        if here and not after:
            die(note, f"cache: {name}")
        out = real(*args, **kwargs)
        if here:
            die(note, f"cache: {name}")
        return out

    setattr(holder, name, dying)


def jumping_clock(seed: float) -> None:
    """Each look at the clock finds it days before or behind."""
    real, rng = time.time, random.Random(seed)
    time.time = lambda: real() + rng.uniform(-3e6, 3e6)


def not_finite(where: str, value: float, at: int, row: int) -> None:
    """Puts `value` into so many batches, losses or gradients in a row."""
    count = [0]

    def due() -> bool:
        count[0] += 1
        return at <= count[0] < at + row

    if where == "batch":
        real_next = Loader.next

        def next_batch(self: Loader) -> Any:
            batch = real_next(self)
            if due():
                batch.x[0] = value
            return batch

        Loader.next = next_batch
    elif where == "loss":
        real_total = Loss.total
        Loss.total = lambda self: real_total(self) * value if due() else real_total(self)
    else:
        real_admit = FiniteCheck.clip_and_skip_nonfinite

        def admit(self: FiniteCheck, phase: str, optimizer: Any, loss: Any, parameters: Any, clip: Any) -> Any:
            if due():
                parameters[0].grad.fill_(value)
            return real_admit(self, phase, optimizer, loss, parameters, clip)

        FiniteCheck.clip_and_skip_nonfinite = admit


def little_memory(error: BaseException, room: int) -> None:
    """No phase has memory for more than `room` examples at a time."""
    real = Engine.__init__

    def init(self: Engine, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        for phase in (p for s in self.stages for p in getattr(s, "phases", ())):

            def loss(nets: Any, batch: Any, clock: Any, full: Any = phase.loss) -> Any:
                if len(batch.x) > room:
                    raise error
                return full(nets, batch, clock)

            object.__setattr__(phase, "loss", loss)

    Engine.__init__ = init


def failing_worker() -> None:
    real, count = aegan.data.build.decode, [0]

    def decode(*args: Any) -> Any:
        count[0] += 1
        if count[0] == IMAGES // 2:
            raise MemoryError
        return real(*args)

    aegan.data.build.decode = decode


# --- files and disks ------------------------------------------------------------------------------------------------------


def flip(path: Path, rng: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    if raw:
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)


DAMAGES: dict[str, Callable[[Path, random.Random], Any]] = {
    "cut": lambda path, rng: os.truncate(path, rng.randrange(path.stat().st_size or 1)),
    "emptied": lambda path, rng: os.truncate(path, 0),
    "overwritten": lambda path, rng: path.write_bytes(rng.randbytes(path.stat().st_size)),
    "bit changed": flip,
    "removed": lambda path, rng: path.unlink(),
}


def one_of_each(place: Path) -> list[tuple[str, Path]]:
    """(what it is, path) of one file of every kind, of the newest where there are several."""
    found = {}
    for path in sorted(p for p in place.rglob("*") if p.is_file() and p.name != LOCK):
        here = path.relative_to(place)
        several = path.parent.name in ("checkpoints", "samples")
        found["checkpoint" if several and path.suffix == ".safetensors" else "sample" if several else
              f"cache/{path.name}" if here.parts[0] == "cache" else str(Path(*here.parts[1:]))] = here  # fmt: skip
    return [*found.items()]


def has_everything(run: Path) -> bool:
    """Whether a run has written a file of every kind, and two checkpoints in its last stage."""
    several = len([*(run / "checkpoints").glob("step-*")]) == 2 and any((run / "samples").glob("*.png"))
    log = read_log(run / "log.jsonl")
    return several and (run / "model-best" / "config.json").exists() and any(x.get("stage") == "sharpen" for x in log)


def weights(place: Path) -> dict[str, torch.Tensor]:
    return load_file(place / "run" / "model" / "model.safetensors")


def same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def events(log: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a log of that event; those of a process that goes on come behind the earlier ones'."""
    return [line for line in read_log(log) if line.get("event") == name]


def wait_for(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there() and time.monotonic() < end:
        time.sleep(0.002)


def mount(*words: Any) -> bool:
    return os.geteuid() == 0 and not subprocess.run(["mount", *map(str, words)], capture_output=True).returncode


@contextlib.contextmanager
def disk(place: Path, size: int) -> Iterator[Callable[[], object] | None]:
    """A disk of so many bytes at `place`, and what makes it large; None where that takes rights we lack."""
    place.mkdir(parents=True)
    if not mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", place):
        yield None
        return
    try:
        yield lambda: mount("-o", "remount,size=64m", place)
    finally:
        subprocess.run(["umount", "-l", place], check=False)


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[bool]:
    """A folder that nobody can write to; False where that cannot be had."""
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        for folder in (place, *(p for p in place.rglob("*") if p.is_dir())):
            folder.chmod(0o555)
        yield True
        for folder in (place, *(p for p in place.rglob("*") if p.is_dir())):
            folder.chmod(0o755)
        return
    if not mount("--bind", place, place):
        yield False
        return
    try:
        yield mount("-o", "remount,ro,bind", place)
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def asked(args: argparse.Namespace) -> str:
    """The command line, without where its result goes."""
    words = [f"--{name} {value}" for name, value in vars(args).items() if value and name != "out"]
    return " ".join(["python bench/faults.py", *(word.removesuffix(" True") for word in words)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at random moments and places")
    parser.add_argument("--short", action="store_true", help="one of each other fault")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places")
    parser.add_argument("--only", default="", help="only these, with commas: kills, signals, disks, …")
    parser.add_argument("--out", type=Path, default=Path("docs/results/faults.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aegan-faults-") as name:
        harness = Harness(Path(name), args.seed, args.short)
        for what in ("signals", "disks", "clocks", "two", "numbers", "memory", "workers", "damage", "kills"):
            if args.only and what not in args.only.split(","):
                continue
            print(what, file=sys.stderr, flush=True)
            harness.kills(args.kills) if what == "kills" else getattr(harness, what)()
    c = harness.counts
    result = {
        "command": asked(args),
        "machine": describe_machine(torch.device("cpu")),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "checkpoint_every_seconds": INTERVAL,
        "undisturbed_seconds": {kind.name: round(kind.seconds, 2) for kind in harness.kinds},
        "runs": {
            "started": c.runs_started,
            "ended": c.runs_ended,
            "ended_with_the_undisturbed_weights": c.same_weights,
            "ended_with_numbers_changed_on_purpose": c.changed,
        },
        "faults": dict(sorted(c.faults.items())),
        "killed_in": dict(c.killed_in.most_common()),
        "outcomes_of_other_faults": dict(c.outcomes.most_common()),
        "lost_by_a_kill": {
            "steps": {"median": statistics.median(c.steps_lost or [0]), "most": max(c.steps_lost or [0])},
            "seconds": {
                "median": round(statistics.median(c.seconds_lost or [0]), 3),
                "most": round(max(c.seconds_lost or [0]), 3),
            },
        },
        "files_left_behind": c.left_behind,
        "lost": c.lost,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(result, indent=1, ensure_ascii=False))
    return int(bool(c.lost))


if __name__ == "__main__":
    sys.exit(main())
