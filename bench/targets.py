"""The README's figures: trains, samples and scores, and prints one JSON with the machine's description.

    python bench/targets.py                              everything, about an hour on two cores
    python bench/targets.py --only latent-3,gan-3        some of it
    python bench/targets.py --scorer score.py            also score with a script that is not ours
    python bench/targets.py --icons DIR                  the folder for the RGB figure

Every training is a process of its own, one after another, so that its peak memory is its own too. A run that is finished
is not trained again, so that the script can be stopped and continued; --again starts anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RUNS: dict[str, list[str]] = {
    "latent-3": ["fashion-full", "--minutes", "3"],
    "latent-10": ["fashion-full", "--minutes", "10"],
    "compress-3": ["fashion-full", "--minutes", "3", "--set", "sharpen_share=0", "--set", "play_share=0"],
    "compress-10": ["fashion-full", "--minutes", "10", "--set", "sharpen_share=0", "--set", "play_share=0"],
    "demo-2": ["fashion", "--minutes", "2"],
    "gan-3": ["fashion-full", "--strategy", "gan", "--minutes", "3"],
    "vae-3": ["fashion-full", "--strategy", "vae", "--minutes", "3"],
    "autoencoder-3": ["fashion-full", "--strategy", "autoencoder", "--minutes", "3"],
    "icons-10": ["ICONS", "--size", "64", "--minutes", "10"],
}


def measured(command: list[str]) -> tuple[float, float]:
    """Runs a command; returns its wall seconds and its peak memory in MB."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    peak = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return time.monotonic() - start, peak


def run(name: str, icons: Path | None, out: Path, seed: int, scorer: Path | None, again: bool) -> dict[str, Any]:
    """One training and what came of it."""
    import aegan

    folder = out / f"{name}-seed{seed}"
    noted = folder / "bench.json"
    arguments = [str(icons) if word == "ICONS" else word for word in RUNS[name]]
    aegan_command = [sys.executable, "-m", "aegan"]
    if again or not noted.exists():
        shutil.rmtree(folder, ignore_errors=True)
        wall, peak = measured(
            [*aegan_command, "train", *arguments, "--seed", str(seed), "--out", str(folder), "--no-evaluate"]
        )
        measured([*aegan_command, "evaluate", str(folder)])
        noted.write_text(json.dumps({"process_seconds": round(wall, 1), "peak_memory_mb": round(peak)}))
    opened = aegan.Run(folder)
    done = [line for line in opened.log if line.get("event") == "done"][-1]
    evaluation = opened.evaluation
    model = opened.model
    model.sample(500)  # the first call pays for warming up
    start = time.monotonic()
    images = model.sample(2000, seed=seed)
    result: dict[str, Any] = {
        "name": name,
        "command": "aegan train " + " ".join(RUNS[name]) + f" --seed {seed}",
        "training_seconds": round(done["seconds"], 1),
        "steps": done["step"],
        "images": done["images"],
        **json.loads(noted.read_text()),
        "samples_per_second": round(2000 / (time.monotonic() - start)),
        "figures": {f.name: {"value": f.value, "baseline": f.baseline} for f in evaluation.figures}
        if evaluation
        else {},
        "notes": {k: v for k, v in model.notes.items() if k in ("fit", "choose")},
    }
    if scorer is not None:
        data = opened.data()
        np.savez(folder / "samples.npz", images=images)
        np.savez(folder / "real.npz", images=np.asarray(data.train.items))
        score = [sys.executable, str(scorer), "--real", str(folder / "real.npz"), "--fake", str(folder / "samples.npz")]
        result["outside_score"] = json.loads(subprocess.run(score, check=True, capture_output=True, text=True).stdout)
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(k for k in RUNS if k != "icons-10"), help="names, comma-separated")
    parser.add_argument("--seeds", default="0", help="seeds, comma-separated")
    parser.add_argument("--icons", type=Path, help="folder of images for icons-10")
    parser.add_argument("--scorer", type=Path, help="a script that takes --real A.npz --fake B.npz and prints JSON")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for the runs")
    parser.add_argument("--again", action="store_true", help="train what is finished once more")
    parser.add_argument("--json", type=Path, help="also write the JSON here")
    a = parser.parse_args()

    import torch

    from aegan.engine.device import describe_machine

    names = a.only.split(",") + (["icons-10"] if a.icons and "icons-10" not in a.only else [])
    results = []
    for name in names:
        for seed in map(int, a.seeds.split(",")):
            results.append(run(name, a.icons, a.out, seed, a.scorer, a.again))
            print(json.dumps(results[-1]), file=sys.stderr)
    import aegan

    text = json.dumps(
        {"aegan": aegan.__version__, "machine": describe_machine(torch.device("cpu")), "results": results}, indent=2
    )
    print(text)
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
