"""Whether `latent` and `gan` repeat a small training set, as registered in docs/comparison.md.

    python bench/over_fitting.py --runs over-fitting     an hour and a half on one core; goes on where it was stopped

Writes docs/results/over-fitting.json. 1,000 training images of `fashion`, no labels; 2,000 steps of 64 images, eight seeds
each, networks matched as `aegan compare` does. `gap` is the Fréchet distance (lite0) of 1,000 samples to the training images
less that to 1,000 images that no run has seen: well below 0 means that samples repeat the training set. The baseline is that
of 1,000 other real images.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aegan
from aegan.comparison.settings import Settings
from aegan.comparison.statistics import signed_rank
from aegan.data import Data, open_data
from aegan.engine.device import describe_machine
from aegan.metrics import copying, extractor, frechet_distance, prdc

COUNT, STEPS, BATCH = 1000, 2000, 64
STRATEGIES = ("latent", "gan")
Array = np.ndarray[Any, Any]


def small(items: Array) -> tuple[Array, Data]:
    """As many of the first items as leave `COUNT` to train on, and them opened."""
    for n in range(COUNT, len(items)):
        opened = open_data(items[:n])
        if len(opened.train) == COUNT:
            return items[:n], opened
    raise ValueError("too few images")


def gap(samples: Array, train: Array, unseen: Array) -> dict[str, float]:
    """The figures of samples, or of other real images."""
    features = extractor("lite0")
    made, to_train, to_unseen = features(samples), features(train), features(unseen)
    near, far = frechet_distance(made, to_train), frechet_distance(made, to_unseen)
    neighbours = prdc(to_unseen, made)
    found = {
        "gap": near - far,
        "to_training": near,
        "to_unseen": far,
        "recall": neighbours["recall"].value,
        "coverage": neighbours["coverage"].value,
        "copies": copying(samples, unseen, train).share.value,
    }
    return {k: round(v, 4) for k, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--runs", type=Path, default=Path("over-fitting"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/over-fitting.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    fashion = open_data("fashion")
    items, data = small(np.asarray(fashion.train.items))
    train, unseen = np.asarray(data.train.items), np.asarray(fashion.held_out.items[:COUNT])
    real = gap(np.asarray(fashion.train.items[-COUNT:]), train, unseen)
    settings = Settings(data="array", strategies=STRATEGIES, steps=args.steps)
    rows: list[dict[str, Any]] = json.loads(args.out.read_text())["runs"] if args.out.is_file() else []
    done = {(row["strategy"], row["seed"]) for row in rows}
    for seed in range(args.seeds):
        for name in STRATEGIES:
            if (name, seed) in done:
                continue
            folder = args.runs / f"{name}-{seed}"
            shutil.rmtree(folder, ignore_errors=True)  # stopped on its way: begun anew
            run = aegan.fit(
                items, strategy=name, out=folder, steps=args.steps, batch_size=BATCH, seed=seed, device="cpu",
                options=settings.chosen(name, data.spec), early_stop="off", logger="none", progress=False,
            )  # fmt: skip
            samples = np.asarray(run.model.sample(COUNT, seed=0))
            rows.append({"strategy": name, "seed": seed, **gap(samples, train, unseen)})
            print(rows[-1], flush=True)
            args.out.write_text(json.dumps({**result(rows, args.steps), "real": real, "runs": rows}, indent=1) + "\n")


def result(rows: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """All runs, medians, and the signed-rank test of the pairs that are complete."""
    by = {name: {row["seed"]: row for row in rows if row["strategy"] == name} for name in STRATEGIES}
    pairs = [(by["latent"][s]["gap"], by["gan"][s]["gap"]) for s in sorted(set(by["latent"]) & set(by["gan"]))]
    return {
        "machine": describe_machine(torch.device("cpu")),
        "images": COUNT,
        "steps": steps,
        "batch_size": BATCH,
        "median": {
            name: {
                k: statistics.median(row[k] for row in of.values()) for k in ("gap", "to_unseen", "recall", "copies")
            }
            for name, of in by.items()
            if of
        },
        "latent_repeats_less_in": [sum(a > b for a, b in pairs), len(pairs)],
        "p": signed_rank([a - b for a, b in pairs]) if pairs else None,
    }


if __name__ == "__main__":
    main()
