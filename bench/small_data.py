"""What augmentation and stopping early bring where images are few: docs/results/small_data.json.

    python bench/small_data.py                     about 25 minutes on one core
    python bench/small_data.py --sizes 100 --seeds 1 --minutes 0.2 --out /tmp/small.json        a quick look

100, 300 and 1,000 images of `fashion` at 16×16 without labels, of which a tenth is held out; "with" is what is the default
for fewer than 1,000 training images, "without" switches both off. Samples are judged against images of `fashion` that no
run has seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aegan
from aegan.data import open_data
from aegan.engine.device import describe_machine
from aegan.metrics import copying, extractor, frechet_distance, kernel_distance, prdc
from aegan.pictures import grid

Array = np.ndarray[Any, Any]
WAYS: dict[str, tuple[str, str]] = {"with": ("on", "on"), "without": ("off", "off")}  # augment, early_stop
UNSEEN = 2000  # images that judge, and samples
FIGURES = ("fd", "kd", "coverage", "precision", "copies")


def trained(items: Array, strategy: str, way: str, seed: int, minutes: float, folder: Path) -> aegan.Run:
    augment, early_stop = WAYS[way]
    return aegan.fit(
        items, strategy=strategy, out=folder, minutes=minutes, seed=seed, device="cpu", progress=False, logger="none",
        early_stop=early_stop, options={"augment": augment},  # type: ignore[arg-type]
    )  # fmt: skip


def judged(run: aegan.Run, unseen: Array, features: torch.Tensor, seen: Array) -> dict[str, Any]:
    """Figures of samples against unseen images, and how many of them sit on an image that was trained on."""
    samples = np.asarray(run.model.sample(UNSEEN, seed=0))
    made = extractor("lite0")(samples)
    neighbours = prdc(features, made)
    ticks = [x for x in run.log if x.get("event") == "tick"]
    lines = [x for x in run.log if "p" in x.get("watch", {})]
    return {
        "fd": round(frechet_distance(made, features), 1),
        "kd": round(kernel_distance(made, features).value, 4),
        "coverage": round(neighbours["coverage"].value, 4),
        "precision": round(neighbours["precision"].value, 4),
        "copies": round(copying(samples[:500], unseen[:500], seen).share.value, 4),
        "p": lines[-1]["watch"]["p"] if lines else 0.0,
        "looks": len(ticks),
        "stopped_early": [x["stage"] for x in run.log if x.get("event") == "stop"],
        "diagnoses": sorted({x["name"] for x in run.log if x.get("event") == "diagnosis"}),
        "steps": max(x.get("step", 0) for x in run.log),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,300,1000")
    parser.add_argument("--strategies", default="latent,gan")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("docs/results/small_data.json"))
    parser.add_argument("--grids", type=Path, help="a folder for pictures of samples")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = open_data("fashion", size=16)
    order = np.random.default_rng(0).permutation(len(data.train))
    unseen = np.asarray(data.train.items[np.sort(order[-UNSEEN:])])
    features = extractor("lite0")(unseen)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="aegan-small-") as name:
        for size in map(int, args.sizes.split(",")):
            items = np.asarray(data.train.items[np.sort(order[:size])])
            for strategy in args.strategies.split(","):
                for seed in range(args.seeds):
                    for way in WAYS:
                        folder = Path(name) / f"{size}-{strategy}-{seed}-{way}"
                        run = trained(items, strategy, way, seed, args.minutes, folder)
                        figures = judged(run, unseen, features, items)
                        rows.append({"images": size, "strategy": strategy, "seed": seed, "way": way, **figures})
                        print(json.dumps(rows[-1]), flush=True)
                        if args.grids:
                            args.grids.mkdir(parents=True, exist_ok=True)
                            grid(np.asarray(run.model.sample(64, seed=1))).save(args.grids / f"{folder.name}.png")
    result = {
        "command": f"python bench/small_data.py --sizes {args.sizes} --strategies {args.strategies} --seeds {args.seeds} "
        f"--minutes {args.minutes:g}",
        "machine": describe_machine(torch.device("cpu")),
        "judge": f"lite0 on {UNSEEN} samples and {UNSEEN} unseen images; copies: 500 samples, 1 % is chance",
        "means": means(rows),
        "runs": rows,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over seeds, with and without side by side."""
    found = []
    for images, strategy in dict.fromkeys((r["images"], r["strategy"]) for r in rows):
        both = {w: [r for r in rows if (r["images"], r["strategy"], r["way"]) == (images, strategy, w)] for w in WAYS}
        mean = {w: {f: round(statistics.mean(r[f] for r in runs), 4) for f in FIGURES} for w, runs in both.items()}
        found.append({"images": images, "strategy": strategy, **mean})
    return found


if __name__ == "__main__":
    main()
