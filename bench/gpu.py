"""What a GPU brings: training, sampling and evaluation speed by precision, and samples after a minute.

    python bench/gpu.py                    all of it; writes docs/results/gpu-NAME.json
    python bench/gpu.py --tiny             the whole script in seconds, on a CPU as well, for tests; writes nothing
    python bench/gpu.py --parts train,fd   some of it: train, sample, evaluate, fd

Images are random bytes, which cost what real ones do; `fd` alone needs Fashion-MNIST (`aegan check fashion-full` says how to
get it). The GPU's rows stand beside those of the same machine's processor. Images/s are the median over a stage's log lines
but the first; a line reads the losses back, so that work that is still queued on the GPU counts.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aegan
from aegan.engine.device import describe_machine
from aegan.jsonl import read_log
from aegan.metrics import extractor

RESULTS = Path(__file__).parent.parent / "docs" / "results"
# strategy, pixels of a side, batch
TRAIN = [("autoencoder", 32, 64), ("latent", 32, 64), ("gan", 32, 64), ("latent", 64, 32), ("gan", 64, 32),
         ("latent", 64, 256), ("gan", 64, 256), ("latent", 128, 64)]  # fmt: skip


def pictures(count: int, pixels: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, pixels, pixels, 3), np.uint8)


def train(
    strategy: str, pixels: int, batch: int, device: str, precision: str, steps: int, folder: Path
) -> list[dict[str, Any]]:
    """A short run: images/s of every trained stage, and the GPU memory that it held at most."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    aegan.fit(
        pictures(max(2048, 2 * batch), pixels), strategy=strategy, steps=steps, batch_size=batch, device=device,
        precision=precision, out=folder, guard="off", early_stop="off", progress=False, options={"components": "1"}
        if strategy in ("latent", "autoencoder") else {},
    )  # fmt: skip
    lines = [line for line in read_log(folder / "log.jsonl") if "terms" in line]
    rows = []
    for stage in dict.fromkeys(line["stage"] for line in lines):
        speeds = [line["images_per_second"] for line in lines if line["stage"] == stage]
        if steps > 16 and len(speeds) < 5:  # a short stage is mostly its first steps
            continue
        rows.append(
            {
                "strategy": strategy, "stage": stage, "pixels": pixels, "batch": batch, "device": device,
                "precision": precision, "images_per_second": round(statistics.median(speeds[1:] or speeds), 1),
                "peak_mb": round(torch.cuda.max_memory_allocated() / 2**20) if device == "cuda" else None,
            }
        )  # fmt: skip
    return rows


def timed(work: Any, repeats: int = 3) -> float:
    """Seconds of the best repeat, after one that warms up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def sampling(folder: Path, device: str, count: int) -> dict[str, Any]:
    model = aegan.load(folder, device=device)
    seconds = timed(lambda: model.sample(count, seed=0))
    return {"device": device, "samples_per_second": round(count / seconds)}


def features(device: str, count: int) -> dict[str, Any]:
    images, lite0 = pictures(count, 32), extractor("lite0", device=device)
    return {"device": device, "lite0_images_per_second": round(count / timed(lambda: lite0(images), 1))}


def frechet(strategy: str, minutes: float, data: str, device: str, folder: Path) -> dict[str, Any]:
    """Trains on real images for so long, and scores samples as `aegan evaluate` does."""
    run = aegan.fit(data, strategy=strategy, minutes=minutes, device=device, out=folder, progress=False)
    fd = aegan.evaluate(run, device=device)["fd"]
    images = [line["images"] for line in read_log(folder / "log.jsonl") if "images" in line][-1]
    return {"strategy": strategy, "minutes": minutes, "data": data, "device": device, "images": images, "fd": fd.value,
            "low": fd.low, "high": fd.high}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes, to test the script")
    parser.add_argument("--parts", default="train,sample,evaluate,fd")
    parser.add_argument("--steps", type=int, default=160, help="of each timed run")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each run that is scored")
    parser.add_argument("--data", default="fashion-full", help="what `fd` is measured on")
    parser.add_argument("--out", type=Path, help="the JSON to write")
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    gpu = torch.cuda.is_available()
    devices = ["cuda", "cpu"] if gpu else ["cpu"]
    found: dict[str, Any] = {"machine": describe_machine(torch.device(devices[0])), "steps": chosen.steps}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        if "train" in parts:
            found["train"] = []
            for strategy, pixels, batch in [("latent", 16, 16)] if chosen.tiny else TRAIN:
                for device, precision in [("cuda", "fp32"), ("cuda", "bf16"), ("cuda", "fp16"), ("cpu", "auto")]:
                    if device not in devices or (device == "cpu" and batch > 64):
                        continue
                    steps = 16 if chosen.tiny else chosen.steps if device == "cuda" else chosen.steps // 4
                    folder = place / f"{strategy}-{pixels}-{batch}-{device}-{precision}"
                    rows = train(strategy, pixels, batch, device, precision, steps, folder)
                    found["train"] += rows
                    for row in rows:
                        print(json.dumps(row), flush=True)
        if "sample" in parts:
            run = place / "sampled"
            size = 16 if chosen.tiny else 64
            train("latent", size, 16, "cpu", "auto", 16, run)
            found["sample"] = [sampling(run, device, 8 if chosen.tiny else 4000) for device in devices]
            print(json.dumps(found["sample"]), flush=True)
        if "evaluate" in parts:
            found["evaluate"] = [features(device, 8 if chosen.tiny else 4000) for device in devices]
            print(json.dumps(found["evaluate"]), flush=True)
        if "fd" in parts and not chosen.tiny:
            found["fd"] = []
            for strategy in ("latent", "gan"):
                found["fd"].append(frechet(strategy, chosen.minutes, chosen.data, devices[0], place / f"fd-{strategy}"))
                print(json.dumps(found["fd"][-1]), flush=True)
    if not chosen.tiny:
        name = re.sub(r"\W+", "-", str(found["machine"].get("gpu", "cpu"))).strip("-").lower()
        path = chosen.out or RESULTS / f"gpu-{name}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(path)


if __name__ == "__main__":
    main()
