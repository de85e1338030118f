"""How much faster two processes train than one, on the CPU: docs/results/ranks.json, which docs/scale.md reads.

    python bench/ranks.py [--repeats 3] [--steps 48]

Each process has one thread. Runs of one and of two processes take turns, and the median counts, as other work on the
machine disturbs them. What the model of docs/scale.md predicts for two (a step of half the batch by one process, and the
time of sending the gradients) stands beside what was measured.
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
from pathlib import Path
from typing import Any

from aegan.engine.log import read_log

OUT = Path(__file__).parent.parent / "docs" / "results" / "ranks.json"
BATCH = 128
RUNS = {"gan": "play", "latent": "compress"}  # strategy: the stage that is timed
SIZES = (2**8, 2**14, 2**18, 2**20, 2**22, 2**24)  # numbers of 4 bytes that are averaged


def environment(**more: object) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in more.items()}}


def train(strategy: str, processes: int, batch: int, steps: int, folder: Path) -> list[dict[str, Any]]:
    """The log of a run."""
    command = [sys.executable, "-m", "aegan", "train", "fashion", "--strategy", strategy, "--steps", str(steps),
               "--batch-size", str(batch), "--devices", str(processes), "--device", "cpu", "--precision", "fp32",
               "--logger", "none", "--no-evaluate", "--out", str(folder)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, env=environment())
    return read_log(folder / "log.jsonl")


def seconds_per_step(log: list[dict[str, Any]], stage: str, batch: int) -> float:
    """The median over the stage's lines but the first."""
    speeds = [line["images_per_second"] for line in log if line.get("stage") == stage and "terms" in line]
    return batch / statistics.median(speeds[1:])


def weights(strategy: str) -> int:
    """Numbers that a step of the timed stage averages over the processes."""
    from aegan.config import read_preset, with_options
    from aegan.data import DataSpec
    from aegan.strategies import Stage
    from aegan.strategies import strategy as named

    spec = DataSpec((1, 32, 32), tuple(map(str, range(10))), 60_000)
    chosen = with_options(named(strategy)(), read_preset(strategy, "32"), "the preset")
    nets = chosen.build(spec)
    stage = next(s for s in chosen.stages(spec) if s.name == RUNS[strategy] and isinstance(s, Stage))
    return sum(p.numel() for phase in stage.phases for n in phase.trains for p in nets[n].parameters())


def time_averages() -> None:
    """As one of the processes: the first prints the seconds that an average of each size takes."""
    import torch

    from aegan.engine.ranks import start
    from aegan.ranks import mean_over_ranks

    ranks = start("cpu")
    found = {}
    for size in SIZES:
        x = torch.ones(size)
        taken = []
        for _ in range(12):
            ranks.wait()
            began = time.perf_counter()
            mean_over_ranks(x, ranks.size)
            taken.append(time.perf_counter() - began)
        found[size] = statistics.median(taken[2:])
    if ranks.first:
        print(json.dumps(found))


def averages() -> dict[int, float]:
    """Seconds by size, between two processes."""
    from aegan.launch import free_port

    shared = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--averages"], stdout=subprocess.PIPE, text=True,
            env=environment(**shared, RANK=i, LOCAL_RANK=i),
        )
        for i in range(2)
    ]  # fmt: skip
    said = [process.communicate()[0] for process in processes]
    return {int(k): v for k, v in json.loads(said[0]).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--averages", action="store_true", help="used by this script itself")
    arguments = parser.parse_args()
    if arguments.averages:
        time_averages()
        return
    taken = averages()
    latency, slope = taken[SIZES[0]], (taken[SIZES[-1]] - taken[SIZES[0]]) / (4 * SIZES[-1])
    runs: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for strategy, stage in RUNS.items():
            found: dict[str, list[float]] = {"one": [], "half": [], "two": []}
            for i in range(arguments.repeats):
                for kind, processes, batch in (("one", 1, BATCH), ("half", 1, BATCH // 2), ("two", 2, BATCH)):
                    log = train(strategy, processes, batch, arguments.steps, Path(folder) / f"{strategy}-{kind}-{i}")
                    found[kind].append(seconds_per_step(log, stage, batch))
                    machine = {k: log[0][k] for k in ("cpu", "cores", "torch", "python")}
            one, half, two = (statistics.median(found[k]) for k in ("one", "half", "two"))
            sent = weights(strategy)
            predicted = half + latency + 4 * sent * slope
            runs[strategy] = {
                "stage": stage, "batch": BATCH, "weights_averaged": sent,
                "ms_per_step": {"one": 1e3 * one, "one, half the batch": 1e3 * half, "two": 1e3 * two},
                "images_per_second": {"one": BATCH / one, "two": BATCH / two},
                "speedup": one / two, "efficiency": one / two / 2,
                "predicted_ms_per_step": 1e3 * predicted, "measured_over_predicted": two / predicted,
                "all_ms_per_step": {k: [round(1e3 * v, 1) for v in found[k]] for k in found},
            }  # fmt: skip
    result = {
        "machine": machine,
        "how": {
            "repeats": arguments.repeats,
            "steps": arguments.steps,
            "threads a process": 1,
            "data": "fashion, 32x32",
        },
        "average_seconds": {str(4 * k): v for k, v in taken.items()},
        "latency_ms": 1e3 * latency,
        "bandwidth_gb_per_second": 1 / slope / 1e9,
        "runs": runs,
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
