"""Samples of several strategies on sets of pictures, judged by several networks: one JSON, and a grid of each.

    python bench/sets.py units textures --out sets
    python bench/pictures.py sets/units sets/textures --minutes 10          the flagship, gan and projected, an hour
    python bench/pictures.py sets/units --try "latent eyes=pixels" --try "latent eyes=lite1+pixels anchor=2" --steps 4000
    python bench/pictures.py sets/units --source ../other/src --try latent  the same by another version of aegan

A try is a strategy and options of it. Every training is an `aegan train` of its own, one after another (or --jobs at once,
with --steps). Samples and held-out images, as many of each, are compared with up to 4,000 training images:

    lite0   EfficientNet-Lite0 at 64×64, photographs          lite2   EfficientNet-Lite2 at 96×96, photographs
    own     a network trained by contrast on half of the training images of the set

`authentic` is the share of samples that are farther from their nearest training image than that is from its own nearest,
`copies` the share that sits on one training image, by pixels, as 1 % of new images do, more where few are held out
(aegan.metrics.nearest.chance_of_copies).
`above` is the Fréchet distance of samples less that of the held-out images (`real`). lite0, lite1 and lite2 are one family:
where a critic has seen through one, the figures of the others lean its way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aegan.data import Data, open_data
from aegan.engine.device import describe_machine
from aegan.errors import UserError
from aegan.evaluation.distances import spread
from aegan.jsonl import read_log
from aegan.metrics import MissingExtractor, authenticity, copying, extractor, frechet_between, prdc, statistics
from aegan.pictures import grid

REFERENCE, COUNT = 4000, 1500
TRIES = ["latent", "gan", "projected"]

Trained = tuple[Path, np.ndarray[Any, Any], float]  # a run's folder, its samples, the seconds of training


class Judge:
    """An extractor with the features of a set's real images: training images, and held-out ones."""

    def __init__(self, name: str, data: Data, device: str) -> None:
        self.of = extractor(name, device, data=data)
        order = np.random.default_rng(0).permutation(len(data.train.items))
        train = np.asarray(data.train.items)[np.sort(order[:REFERENCE])]
        self.count = min(COUNT, len(data.held_out.items))
        held = np.asarray(data.held_out.items)[: self.count]
        self.train, self.held = self.of(train), self.of(held)
        self.statistics = statistics(self.train)
        self.baseline = frechet_between(statistics(self.held), self.statistics)

    def score(self, images: np.ndarray[Any, Any]) -> dict[str, float]:
        """As many samples as there are held-out images: distance, precision, recall, coverage, authenticity."""
        made = self.of(images[: self.count])
        fd = frechet_between(statistics(made), self.statistics)
        train = spread(self.train, self.count)  # of all: files of a kind may stand together
        found, real = prdc(train, made), prdc(train, self.held)
        shares = ("precision", "recall", "coverage")
        return {
            "fd": round(fd, 3), "real": round(self.baseline, 3), "above": round(fd - self.baseline, 3),
            **{name: round(found[name].value, 3) for name in shares},
            **{f"real_{name}": round(real[name].value, 3) for name in shares},
            "count": self.count,
            "authentic": round(authenticity(self.train, made).share.value, 3),
            "real_authentic": round(authenticity(self.train, self.held).share.value, 3),
        }  # fmt: skip


class JudgedRuns:
    """What a script that judges trained runs is told: `data`, the paths `runs`, and its judges.

    Args:
        about: the script's docstring.
    """

    def __init__(self, about: str | None) -> None:
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("data", help="what the runs were trained on")
        parser.add_argument("runs", nargs="+")
        parser.add_argument("--judges", default="lite0,own")
        given = parser.parse_args()
        self.data, self.runs = open_data(given.data), given.runs
        self.judges = {name: Judge(name, self.data, "cpu") for name in given.judges.split(",")}

    def show(self, what: str, images: np.ndarray[Any, Any], *more: Any, keys: tuple[str, ...]) -> None:
        """Prints figures of images by every judge, and what else is known of them."""
        found = {name: judge.score(images) for name, judge in self.judges.items()}
        print(what, {name: [f[k] for k in keys] for name, f in found.items()}, *more, flush=True)


def digest(source: Path) -> str:
    """Of the sources of another version: samples of one are never taken for those of another."""
    files = sorted(source.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def train(place: str, attempt: str, given: argparse.Namespace) -> Trained:
    """The run's folder, its samples, and the seconds of training."""
    strategy, *options = attempt.split()
    budget = f"{given.steps}-steps" if given.steps else f"{given.minutes:g}-minutes"
    by = [] if given.source is None else [f"by-{digest(given.source)}"]
    name = [Path(place).name, *attempt.replace("/", "-").split(), budget, *by, f"seed{given.seed}"]
    folder = given.runs / "-".join(name + ([f"size{given.size}"] if given.size else []))
    environment = {**os.environ, **({"PYTHONPATH": str(given.source)} if given.source else {})}
    if given.jobs > 1:  # each its part of the processor
        environment["OMP_NUM_THREADS"] = "1"
    aegan = [sys.executable, "-m", "aegan"]
    asked = ["--steps", str(given.steps)] if given.steps else ["--minutes", str(given.minutes)]
    command = [*aegan, "train", place, "--strategy", strategy, *asked, "--out", str(folder), "--seed", str(given.seed),
               "--device", given.device, "--no-evaluate", "--logger", "none"]  # fmt: skip
    if given.size:
        command += ["--size", str(given.size)]
    for option in options:
        command += option.split("=") if option.startswith("--") else ["--set", option]
    began = time.monotonic()
    if not (folder / "samples.npz").exists():
        shutil.rmtree(folder, ignore_errors=True)  # a training that did not end
        with (given.runs / f"{folder.name}.txt").open("w") as said:
            subprocess.run(command, check=True, stdout=said, stderr=said, env=environment)
            seconds = time.monotonic() - began
            sample = [*aegan, "sample", str(folder), "--n", str(COUNT), "--out", str(folder / "samples.npz")]
            subprocess.run([*sample, "--device", given.device], check=True, stdout=said, stderr=said, env=environment)
        (folder / "seconds.json").write_text(json.dumps(seconds))
    with np.load(folder / "samples.npz") as kept:
        samples = kept["images"] if "images" in kept.files else kept[kept.files[0]]
    return folder, samples, float(json.loads((folder / "seconds.json").read_text()))


def result(
    place: str, attempt: str, given: argparse.Namespace, trained: Trained, judges: dict[str, Judge], data: Data
) -> dict[str, Any]:
    """What was trained, how, and the figures of its samples by every judge: a line of the JSON."""
    folder, samples, seconds = trained
    held = np.asarray(data.held_out.items)
    return {
        "set": Path(place).name, "try": attempt, "minutes": None if given.steps else given.minutes,
        "steps": given.steps, "seed": given.seed, "seconds": round(seconds),
        "images": [line["images"] for line in read_log(folder / "log.jsonl") if "images" in line][-1],
        **{name: judge.score(samples) for name, judge in judges.items()},
        "copies": copies(samples, held[: len(samples)], np.asarray(data.train.items)),
        "machine": describe_machine(torch.device(given.device)),
    }  # fmt: skip


def copies(samples: np.ndarray[Any, Any], held: np.ndarray[Any, Any], train: np.ndarray[Any, Any]) -> float | None:
    """The share of samples that look copied; None where too few images are held out to say."""
    try:
        return float(copying(samples, held, train).share.value)
    except UserError as error:
        print(error, file=sys.stderr)
        return None


def add(row: dict[str, Any], path: Path) -> None:
    """Adds a result to the JSON, in the place of an earlier one of the same run."""
    same = ("set", "try", "minutes", "steps", "seed")
    kept = json.loads(path.read_text())["results"] if path.exists() else []
    kept = [r for r in kept if any(r[k] != row[k] for k in same)]
    path.write_text(json.dumps({"command": "python bench/pictures.py", "results": [*kept, row]}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="folders of images, or built-in names")
    parser.add_argument("--try", dest="tries", action="append", help='"STRATEGY option=value …"; several times')
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--size", type=int, help="of the images in pixels; judges see them at their own sizes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    parser.add_argument("--judges", default="lite0,lite2,own")
    parser.add_argument(
        "--source", type=Path, help="the src folder of another version of aegan, which trains and samples"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/pictures"))
    parser.add_argument("--out", type=Path, help="the JSON, to which results are added")
    parser.add_argument("--grids", type=Path, help="a folder for the grids")
    given = parser.parse_args()
    if given.jobs > 1 and not given.steps:
        parser.error("--jobs shares the machine, and needs --steps")
    given.runs.mkdir(parents=True, exist_ok=True)
    for place in given.sets:
        data = open_data(place, size=given.size)
        judges = {}
        for name in given.judges.split(","):
            try:
                judges[name] = Judge(name, data, given.device)
            except MissingExtractor as missing:
                print(missing, file=sys.stderr)
        with ThreadPoolExecutor(given.jobs) as pool:
            runs = [(a, pool.submit(train, place, a, given)) for a in given.tries or TRIES]
            for attempt, run in runs:
                try:
                    folder, samples, _ = trained = run.result()
                except subprocess.CalledProcessError as error:
                    print(f"{place} {attempt}: failed, {error}", file=sys.stderr)
                    continue
                row = result(place, attempt, given, trained, judges, data)
                if given.out:
                    add(row, given.out)
                short = {n: [row[n][k] for k in ("fd", "real", "precision", "recall")] for n in judges}
                print(
                    row["set"], "|", attempt, "|", row["images"], "images |", row["seconds"], "s |", short, flush=True
                )
                if given.grids:
                    given.grids.mkdir(parents=True, exist_ok=True)
                    grid(samples[:60], columns=12).save(given.grids / f"{folder.name}.png")


if __name__ == "__main__":
    main()
