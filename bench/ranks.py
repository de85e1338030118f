"""How much faster two processes train than one, on the CPU: docs/results/ranks.json, which docs/scale.md reads.

    python bench/ranks.py [--repeats 3] [--steps 48]

Each process has one thread. Runs of one and of two processes take turns, and the median counts, as other work on the machine
disturbs them. What the model of docs/scale.md predicts for two (a step of half the batch by one process, beside another that
does the same by itself, and the time of sending the gradients) stands beside what was measured.
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

from aegan.jsonl import read_log

OUT = Path(__file__).parent.parent / "docs" / "results" / "ranks.json"
BATCH = 128
RUNS = {"gan": "play", "latent": "compress"}  # strategy: the stage that is timed
SIZES = (2**8, 2**14, 2**18, 2**20, 2**22, 2**24)  # numbers of 4 bytes that are averaged


def environment(**more: object) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in more.items()}}


def train(
    strategy: str, processes: int, batch: int, steps: int, folder: Path, beside: bool = False
) -> list[dict[str, Any]]:
    """The log of a run; `beside` it, if so, another that it has nothing to do with."""
    command = [sys.executable, "-m", "aegan", "train", "fashion", "--strategy", strategy, "--steps", str(steps),
               "--batch-size", str(batch), "--devices", str(processes), "--device", "cpu", "--precision", "fp32",
               "--logger", "none", "--no-evaluate", "--out", str(folder)]  # fmt: skip
    other = (
        [subprocess.Popen([*command[:-1], f"{folder}-other"], env=environment(), stderr=subprocess.DEVNULL)]
        if beside
        else []
    )
    subprocess.run(command, check=True, capture_output=True, env=environment())
    for process in other:
        process.wait()
    return read_log(folder / "log.jsonl")


def seconds_per_step(log: list[dict[str, Any]], stage: str, batch: int) -> float:
    """The median over the stage's lines but the first."""
    speeds = [line["images_per_second"] for line in log if line.get("stage") == stage and "terms" in line]
    return batch / statistics.median(speeds[1:])


def weights(strategy: str, preset: str = "32") -> int:
    """Numbers that a step of the timed stage averages over the processes."""
    from aegan.config import read_preset, with_options
    from aegan.data import DataSpec
    from aegan.strategies import Stage
    from aegan.strategies import strategy as named

    spec = DataSpec((1, 32, 32), tuple(map(str, range(10)))) if preset == "32" else DataSpec((3, 64, 64))
    chosen = with_options(named(strategy)(), read_preset(strategy, preset), "the preset")
    nets = chosen.build(spec)
    stage = next(s for s in chosen.stages(spec) if s.name == RUNS[strategy] and isinstance(s, Stage))
    return sum(p.numel() for phase in stage.phases for n in phase.trains for p in nets[n].parameters())


def time_averages() -> None:
    """As one of the processes: the first prints the seconds that an average of each size takes."""
    import torch

    from aegan.collectives import mean_over_ranks
    from aegan.engine.ranks import start

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


# What the plan in docs/scale.md takes for granted. None of it was measured by us: put your own numbers in.
GPU = {"images_per_second_of_one": 4000, "batch_of_one": 128, "dollars_an_hour": 3.0}
LINKS = {"inside a machine": (200e9, 10e-6), "between machines": (10e9, 20e-6)}  # bytes a second, seconds a message
PLANS = ((1, "inside a machine"), (8, "inside a machine"), (64, "between machines"))


def plan(images: int = 100_000_000, epochs: int = 1) -> dict[str, Any]:
    """Step time, speed, hours and cost of `latent` on 64x64 RGB by the model T = t(b) + ring average of the gradients.

    A ring of N sends 2 (N - 1) / N of the bytes from each rank, in 2 (N - 1) messages; t(b) is one GPU's step of its b rows.
    """
    sent = 4 * weights("latent", "64")
    alone = GPU["batch_of_one"] / GPU["images_per_second_of_one"]
    rows = {}
    for n, link in PLANS:
        bandwidth, latency = LINKS[link]
        send = 2 * (n - 1) / n * sent / bandwidth + 2 * (n - 1) * latency
        step, batch = alone + send, n * GPU["batch_of_one"]
        hours = images * epochs * step / batch / 3600
        rows[str(n)] = {
            "link": link, "global_batch": batch, "ms_compute": 1e3 * alone, "ms_average": 1e3 * send,
            "images_per_second": batch / step, "efficiency": alone / step, "hours": hours,
            "dollars": hours * n * GPU["dollars_an_hour"],
        }  # fmt: skip
    cache = images * 64 * 64 * 3
    return {
        "assumed_not_measured": {**GPU, "links": LINKS}, "strategy": "latent, 64x64 RGB, compress", "bytes_averaged": sent,
        "images": images, "epochs": epochs, "cache_terabytes": cache / 1e12,
        "order_of_an_epoch_gigabytes_a_process": images * 8 / 1e9, "gpus": rows,
    }  # fmt: skip


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
            found: dict[str, list[float]] = {"one": [], "half": [], "apart": [], "two": []}
            for i in range(arguments.repeats):
                for kind in found:
                    processes, batch = 2 if kind == "two" else 1, BATCH if kind in ("one", "two") else BATCH // 2
                    place = Path(folder) / f"{strategy}-{kind}-{i}"
                    log = train(strategy, processes, batch, arguments.steps, place, beside=kind == "apart")
                    found[kind].append(seconds_per_step(log, stage, batch))
                    machine = {k: log[0][k] for k in ("cpu", "cores", "torch", "python")}
            one, half, apart, two = (statistics.median(times) for times in found.values())
            sent = weights(strategy)
            predicted = apart + latency + 4 * sent * slope
            runs[strategy] = {
                "stage": stage, "batch": BATCH, "weights_averaged": sent,
                "ms_per_step": {
                    "one": 1e3 * one, "one, half the batch": 1e3 * half, "the same beside another": 1e3 * apart,
                    "two": 1e3 * two,
                },
                "images_per_second": {"one": BATCH / one, "two": BATCH / two},
                "speedup": one / two, "efficiency": one / two / 2,
                "predicted_ms_per_step": 1e3 * predicted, "measured_over_predicted": two / predicted,
                "all_ms_per_step": {k: [round(1e3 * v, 1) for v in found[k]] for k in found},
            }  # fmt: skip
    result = {
        "machine": machine,
        "load_average": os.getloadavg()[2],
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
        "plan": plan(),
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
