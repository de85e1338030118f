"""Counts the modes of stacked digits: a classifier of single digits names each channel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aegan.comparison import Results
from aegan.data import open_data
from aegan.files import write_text
from aegan.metrics import stacked_report
from aegan.metrics.features import Classifier, classifier
from aegan.runs.folder import Run

CHUNK = 2000  # samples at a time


@dataclass(frozen=True)
class Counted:
    """What the classifier saw.

    Attributes:
        of: (modes covered, reverse KL) by (strategy, seed), of trials that made samples.
        accuracy, tested: of the classifier, on held-out digits.
        perfect_covered, perfect_kl: what as many draws of uniform triples get.
        real_kl: of as many training images, by this classifier.
    """

    of: dict[tuple[str, int], tuple[int, float]]
    accuracy: float
    tested: int
    perfect_covered: float
    perfect_kl: float
    real_kl: float


def count_stacked(found: Results, *, samples: int, device: str, progress: bool) -> Counted:
    """Modes of every finished trial; kept in RUN/modes.json, since 26,000 samples take a while."""
    digits = open_data("digits")
    judge = classifier(digits, device="cpu")
    of: dict[tuple[str, int], tuple[int, float]] = {}
    for trial in found.trials:
        if trial.failed:
            continue
        path = found.folder / trial.folder / "modes.json"
        kept = _kept(path, samples)
        if kept is None:
            model = Run(found.folder / trial.folder, device).model
            parts = [triples(judge, model.sample(min(CHUNK, samples - i), seed=i)) for i in range(0, samples, CHUNK)]
            report = stacked_report(np.concatenate(parts), 1000)
            kept = {"covered": report.covered, "reverse_kl": report.reverse_kl, "samples": samples}
            write_text(path, json.dumps(kept) + "\n")
        of[trial.strategy, trial.seed] = kept["covered"], kept["reverse_kl"]
    images = open_data("stacked").train.items[:samples]
    real = stacked_report(
        np.concatenate([triples(judge, images[i : i + CHUNK]) for i in range(0, samples, CHUNK)]), 1000
    )
    return Counted(of, judge.accuracy, judge.tested, real.perfect_covered, real.perfect_reverse_kl, real.reverse_kl)


def triples(judge: Classifier, images: np.ndarray) -> np.ndarray:
    """The mode of each image uint8 (N, H, W, 3): 100 a + 10 b + c of the digits in its channels, int64 (N,)."""
    a, b, c = (judge.labels(np.ascontiguousarray(images[..., i : i + 1])) for i in range(3))
    return 100 * a + 10 * b + c


def _kept(path: Path, samples: int) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content) if content["samples"] == samples and "covered" in content else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
