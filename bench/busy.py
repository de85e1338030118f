"""Training beside a busy process: images/s with threads that give way, and with fixed ones, quiet and busy.

    python bench/busy.py                      about four minutes
    python bench/busy.py --pairs 3            the same three times, in turns: medians

Every run is `aegan train fashion --strategy autoencoder`, for as long, in a process of its own; its images/s are those of
the whole stage *compress*, so that trials of other numbers of threads are in them. The busy process counts in a loop. Each
quiet run is followed by the busy one with the same threads, so that a machine that slows down slows both. Run it on a
machine that does nothing else: `others` says how many cores were taken by other programs in the quiet runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from aegan.cores import usable
from aegan.engine.device import describe_machine
from aegan.engine.threads import Cores
from aegan.jsonl import read_log
from aegan.runs.reading import RunFolder, RunHistory


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that each keep one core busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def train(threads: str, seconds: float, folder: Path) -> dict[str, Any]:
    """One run: images/s from the stage's first step to its last, and the threads that it kept."""
    cores = Cores()
    before = os.times()
    process = subprocess.Popen(
        [sys.executable, "-m", "aegan", "train", "fashion", "--strategy", "autoencoder", "--minutes", str(seconds / 60),
         "--threads", threads, "--logger", "none", "--guard", "off", "--no-evaluate", "--out", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # what comes behind the first stage, a fit, is not wanted
    while process.poll() is None and sum(x.get("event") == "stage" for x in read_log(folder / "log.jsonl")) < 2:
        time.sleep(0.1)
    process.kill()
    process.wait()
    load, after = cores.since(), os.times()
    log = read_log(folder / "log.jsonl")
    if not any("terms" in line for line in log):
        raise SystemExit("A run ended before it trained; try its command by hand.")
    began = next(line["seconds"] for line in log if line.get("event") == "stage")
    last = [line for line in log if "terms" in line][-1]
    took = after.elapsed - before.elapsed
    own = (after.children_user + after.children_system - before.children_user - before.children_system) / took
    return {
        "images_per_second": round(last["images"] / (last["seconds"] - began), 1),
        "threads": RunHistory(RunFolder(folder).log).threads,
        "changes": sum(line.get("event") == "threads" for line in log),
        "others": None if load is None else round(max(0.0, load.others - own), 2),
    }


def measure(seconds: float, pairs: int, hogs: int, root: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Runs by threads, then `quiet` and `busy`."""
    most = usable()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for pair in range(pairs):
        for threads in ("auto", str(most), "1"):
            for state, processes in (("quiet", 0), ("busy", hogs)):
                with busy(processes):
                    run = train(threads, seconds, root / f"{pair}-{threads}-{state}")
                if state == "busy" and run["others"] is not None:
                    run["others"] = round(max(0.0, run["others"] - processes), 2)
                found.setdefault(threads, {}).setdefault(state, []).append(run)
                print(f"{threads:>4} threads, {state:<5} {run['images_per_second']:>9,.1f} images/s  {run['threads']}")
    return found


def ratios(found: dict[str, dict[str, list[dict[str, Any]]]]) -> dict[str, float]:
    """Medians over pairs; `fixed` is one thread for each core, `quiet` its speed on the quiet machine."""
    speed = {
        (threads, state): statistics.median(run["images_per_second"] for run in runs)
        for threads, states in found.items()
        for state, runs in states.items()
    }
    fixed = next(threads for threads in found if threads not in ("auto", "1")) if usable() > 1 else "1"
    out = {f"{threads}, busy / quiet of all cores": s for (threads, state), s in speed.items() if state == "busy"}
    out = {key: round(s / speed[fixed, "quiet"], 3) for key, s in out.items()}
    return {"auto / fixed, quiet": round(speed["auto", "quiet"] / speed[fixed, "quiet"], 3), **out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="of training in each run")
    parser.add_argument("--pairs", type=int, default=1, help="times that all is measured")
    parser.add_argument("--hogs", type=int, default=1, help="processes that keep one core busy each")
    parser.add_argument("--out", type=Path, default=Path("docs/results/busy.json"))
    args = parser.parse_args()
    if usable() < 2:
        raise SystemExit("This process may use one core only: there is nothing to choose.")
    with tempfile.TemporaryDirectory(prefix="aegan-busy-") as name:
        found = measure(args.seconds, args.pairs, args.hogs, Path(name))
    result = {
        "command": f"python bench/busy.py --seconds {args.seconds:g} --pairs {args.pairs} --hogs {args.hogs}",
        "machine": describe_machine(torch.device("cpu")),
        "ratios": ratios(found),
        "runs": found,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["ratios"], indent=1))


if __name__ == "__main__":
    main()
