"""Which measure sees which fault: real images made worse in steps, each step scored by every measure.

    python bench/sensitivity.py                     writes docs/results/sensitivity.json, some minutes on a core
    python bench/sensitivity_figure.py              draws it, and prints the table of docs/evaluation.md

Data: the built-in Fashion-MNIST. 5,000 images are the training set (the reference), 1,000 are held out, and "samples"
are 500 of 6,000 others: a perfect generator, which is then spoilt. Five such sets of samples, unspoilt, say how much
each measure moves by chance. Grey images have no channels to shuffle, so that fault has a data set of its own, the
same clothes in one warm tint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

COUNT = 500
CLEAN_DRAWS = 5
TINT = np.array([1.0, 0.7, 0.4])

Spoil = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def blur(images: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur, edges repeated."""
    if sd == 0:
        return images
    reach = int(np.ceil(3 * sd))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    weights /= weights.sum()
    out = images.astype(np.float64)
    for axis in (1, 2):
        wide = np.pad(out, [(reach, reach) if a == axis else (0, 0) for a in range(4)], mode="edge")
        length = out.shape[axis]
        out = sum(w * wide.take(range(i, i + length), axis) for i, w in enumerate(weights))
    return np.uint8(np.clip(out.round(), 0, 255))


def noise(images: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, sd in levels of 255."""
    return np.uint8(np.clip(images + sd * rng.standard_normal(images.shape), 0, 255).round())


def salt(images: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """White pixels."""
    return np.where(rng.random((*images.shape[:3], 1)) < share, np.uint8(255), images)


def shuffle(images: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Red, green and blue of a share of the images become blue, red and green."""
    out = images.copy()
    n = round(share * len(images))
    out[:n] = images[:n][..., [2, 0, 1]]
    return out


def kept_classes(labels: np.ndarray, dropped: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of COUNT images (or as many as there are) without those of the first `dropped` classes."""
    keep = np.flatnonzero(labels >= dropped)
    return rng.permutation(keep)[:COUNT]


def repeated(n: int, times: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of n samples of which each distinct one comes `times` times."""
    return np.arange(n) // int(times)


# fault: its unit and its strengths, none first
FAULTS: dict[str, tuple[str, tuple[float, ...]]] = {
    "blur": ("sd, pixels", (0, 0.5, 1, 1.5, 2)),
    "noise": ("sd, levels", (0, 8, 16, 32, 64)),
    "salt": ("share of pixels", (0, 0.005, 0.01, 0.02, 0.05)),
    "dropped": ("classes of 10", (0, 2, 4, 6, 8)),
    "duplicated": ("times each", (1, 2, 5, 10, 50)),
    "memorised": ("share of samples", (0, 0.25, 0.5, 0.75, 1)),
    "memorised, blurred": ("share of samples, sd 0.7", (0, 0.25, 0.5, 0.75, 1)),
    "channels": ("share of samples", (0, 0.25, 0.5, 0.75, 1)),
}
PIXELWISE: dict[str, Spoil] = {"blur": blur, "noise": noise, "salt": salt, "channels": shuffle}


def pairs(images: np.ndarray, originals: np.ndarray) -> dict[str, float]:
    """Means of the measures that need the original of each image."""
    from aegan import metrics as m

    measures = {"PSNR": m.psnr, "SSIM": m.ssim, "MS-SSIM": m.ms_ssim}
    return {name: float(measure(images, originals).mean()) for name, measure in measures.items()}


class Side:
    """One data set, with the features of what is compared again and again."""

    def __init__(self, tinted: bool, name: str) -> None:
        from aegan.data import open_data
        from aegan.metrics import classifier, extractor, statistics

        data = open_data("fashion")
        items, labels = np.array(data.train.items), np.array(data.train.labels)
        if tinted:
            items = np.uint8((items * TINT).round())
        self.extract = extractor(name)
        self.train, self.pool, self.labels = items[:5000], items[5000:], labels[5000:]
        held = np.array(data.held_out.items)
        held = np.uint8((held * TINT).round()) if tinted else held
        self.pool = np.concatenate([self.pool, held[1000:]])
        self.labels = np.concatenate([self.labels, np.array(data.held_out.labels)[1000:]])
        self.held_out = held[:1000]
        self.f_train, self.f_held_out = self.extract(self.train), self.extract(self.held_out)
        self.reference = statistics(self.f_train)
        self.classify = None if tinted else classifier(data)  # it was taught untinted images
        self.first: dict[str, float] = {}

    def score(self, images: np.ndarray, originals: np.ndarray | None = None) -> dict[str, float]:
        """Every measure of samples; those of pairs if there are originals."""
        from aegan import metrics as m

        f = self.extract(images)
        cloud = m.prdc(self.f_train[: len(f)], f)
        out = {
            "Fréchet distance": m.frechet_between(m.statistics(f), self.reference),
            "kernel distance": m.kernel_distance(f, self.f_train, subsets=2).value,
            "precision": cloud["precision"].value,
            "recall": cloud["recall"].value,
            "density": cloud["density"].value,
            "coverage": cloud["coverage"].value,
            "train against held-out": m.frechet_distance(f, self.f_train[: len(self.f_held_out)])
            - m.frechet_distance(f, self.f_held_out),
            "authenticity": m.authenticity(self.f_train, f).share.value,
            "data copying C_T": m.data_copying(self.f_train, self.f_held_out, f, cells=5).c_t,
            "copies, pixels": m.copying(images, self.held_out, self.train).share.value,
            "copies, features": m.copying(f.numpy(), self.f_held_out.numpy(), self.f_train.numpy()).share.value,
        }
        if self.classify is not None:
            p = self.classify.probabilities(images)
            mixed = np.random.default_rng(0).permutation(len(p))  # duplicates lie side by side
            out["Inception-style score"] = m.inception_score(p[mixed], splits=5).value
        if originals is not None:
            out |= pairs(images, originals)
        return out


def spoilt(side: Side, fault: str, strength: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples with a fault, and what they were before where the fault leaves pairs."""
    rng = np.random.default_rng(1)
    start = side.pool[:COUNT]
    if fault in PIXELWISE:
        return PIXELWISE[fault](start, strength, rng), start
    if fault == "dropped":
        return side.pool[kept_classes(side.labels, strength, rng)], None
    if fault == "duplicated":
        return start[repeated(COUNT, strength, rng)], None
    n = round(strength * COUNT)
    copies = side.train[rng.permutation(len(side.train))[:n]]
    if fault == "memorised, blurred":
        copies = blur(copies, 0.7, rng)
    return np.concatenate([copies, start[n:]]), None


def measure(name: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "count": COUNT,
        "reference": 5000,
        "data": "fashion",
        "extractor": {},
        "clean": {},
        "faults": {},
    }
    sides = {tinted: Side(tinted, name) for tinted in (False, True)}
    out["extractor"] = sides[False].extract.describe()
    if (judge := sides[False].classify) is not None:
        out["classifier"] = {"accuracy": judge.accuracy, "tested": judge.tested}
    for tinted, side in sides.items():
        draws = [side.score(side.pool[i * COUNT : (i + 1) * COUNT]) for i in range(CLEAN_DRAWS)]
        side.first = draws[0]
        print(f"clean draws: {'tinted' if tinted else 'grey'} done", flush=True)
        out["clean"]["tinted" if tinted else "grey"] = {
            name: {
                "mean": float(np.mean([d[name] for d in draws])),
                "sd": float(np.std([d[name] for d in draws], ddof=1)),
            }
            for name in draws[0]
        }
    for fault, (unit, strengths) in FAULTS.items():
        side = sides[fault == "channels"]
        scores = [side.score(*spoilt(side, fault, strength)) for strength in strengths[1:]]
        images = side.pool[:COUNT]  # no fault: the first clean draw, which need not be scored again
        first = {**side.first, **(pairs(images, images) if "PSNR" in scores[0] else {})}
        scores.insert(0, first)
        out["faults"][fault] = {
            "unit": unit,
            "strengths": strengths,
            "scores": {name: [s[name] for s in scores] for name in scores[0]},
        }
        print(f"{fault}: done", flush=True)
    return out


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=Path("docs/results/sensitivity.json"))
    arguments.add_argument("--extractor", default="lite0")
    given = arguments.parse_args()
    given.out.write_text(json.dumps(measure(given.extractor), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
