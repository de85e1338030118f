"""Streamed shards beside decoded images: images a second in training, and memory over many images.

    python bench/shards.py --out docs/results/shards.json

Synthetic 64×64 JPEG files in tars. Training: the first stage of the default strategy at 64×64, the same steps from
pixels in memory (the cache) and from the shards, in turns. Memory: a list that names the same shards again and again
until it has so many images; the data path alone, first the index, then an epoch of the loader.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def make(folder: Path, shards: int, each: int, side: int) -> list[Path]:
    """Tars of JPEG files of smooth noise, all different, with a .cls beside each."""
    rng, paths = np.random.default_rng(0), []
    for s in range(shards):
        paths.append(folder / f"{s:03}.tar")
        with tarfile.open(paths[-1], "w") as archive:
            for i in range(each):
                small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                file = io.BytesIO()
                small.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
                for name, raw in ((f"{i:06}.jpg", file.getvalue()), (f"{i:06}.cls", b"%d" % (i % 10))):
                    info = tarfile.TarInfo(name)
                    info.size = len(raw)
                    archive.addfile(info, io.BytesIO(raw))
    return paths


def rss() -> dict[str, float]:
    """This process's memory now, MB: all of it, and what is its own (files mapped are not)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {"rss": int(lines["VmRSS"].split()[0]) / 1024, "own": int(lines["RssAnon"].split()[0]) / 1024}


def memory(folder: Path, shards: list[Path], images: int, each: int) -> dict[str, object]:
    """Opens and reads so many images; in a process of its own."""
    from aegan.data import open_data
    from aegan.data.loader import Loader

    listed = folder / "list.txt"
    count = -(-images // each)
    listed.write_text("".join(f"{shards[i % len(shards)].name}\n" for i in range(count)))
    began, before = time.perf_counter(), rss()
    data = open_data(listed, size=64, stream="on")
    opened = time.perf_counter() - began
    began = time.perf_counter()
    data = open_data(listed, size=64, stream="on")
    again = time.perf_counter() - began
    loader, points, seen = Loader(data.train, 128), [], 0
    points.append({"images": 0, **rss()})
    began = time.perf_counter()
    while seen < len(data.train) - 128:
        seen += len(loader.next().x)
        if seen // (images // 10) > (seen - 128) // (images // 10):
            points.append({"images": seen, **rss()})
    read = time.perf_counter() - began
    return {
        "images": len(data.train) + len(data.held_out),
        "before": before,
        "seconds_to_index": round(opened, 1),
        "seconds_to_open_again": round(again, 2),
        "images_per_second_read": round(seen / read),
        "points": [{k: round(v, 1) for k, v in point.items()} for point in points],
    }


def training(shards: Path, stream: str, steps: int) -> float:
    """Median images a second over the reports of the first stage of the default strategy."""
    from aegan.config import RunConfig
    from aegan.engine.log import Display
    from aegan.jsonl import read_log
    from aegan.training import train

    with tempfile.TemporaryDirectory() as out:
        config = RunConfig(data=str(shards), size=64, steps=steps, out=f"{out}/run", device="cpu", stream=stream)  # type: ignore[arg-type]
        train(config, {}, evaluate=False, display=Display(quiet=True))
        lines = read_log(Path(out) / "run" / "log.jsonl")
    first = next(line["stage"] for line in lines if "images_per_second" in line)
    speeds = [line["images_per_second"] for line in lines if line.get("stage") == first and "images_per_second" in line]
    return statistics.median(speeds[1:] or speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--each", type=int, default=5_000)
    parser.add_argument("--memory-of", type=Path)
    asked = parser.parse_args()
    if asked.memory_of:
        shards = sorted(asked.memory_of.glob("*.tar"))
        asked.out.write_text(json.dumps(memory(asked.memory_of, shards, asked.images, asked.each)))
        return
    with tempfile.TemporaryDirectory() as work:
        os.environ.update(AEGAN_CACHE=f"{work}/cache", AEGAN_TENSORBOARD="0")
        folder = Path(work) / "shards"
        folder.mkdir()
        shards = make(folder, 4, asked.each, 64)
        speeds: dict[str, list[float]] = {"off": [], "on": []}
        for _ in range(asked.turns):
            for stream, found in speeds.items():
                found.append(training(folder, stream, asked.steps))
                print(stream, found, flush=True)
        command = [sys.executable, __file__, "--out", f"{work}/memory.json", "--memory-of", str(folder)]
        subprocess.run([*command, "--images", str(asked.images), "--each", str(asked.each)], check=True)
        result = {
            "machine": {"cores": len(os.sched_getaffinity(0)), "processor": platform.processor() or platform.machine()},
            "training": {
                "what": "first stage of the default strategy at 64×64, batch and networks of its preset",
                "steps": asked.steps,
                "images_per_second": {"in_memory": speeds["off"], "streamed": speeds["on"]},
                "streamed_over_in_memory": round(statistics.median(speeds["on"]) / statistics.median(speeds["off"]), 3),
            },
            "memory": json.loads(Path(work, "memory.json").read_text()),
        }
    asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
