"""Counts the modes of stacked digits: a classifier of single digits names each channel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from aegan.comparison import Results
from aegan.data import open_data
from aegan.files import write_text
from aegan.metrics import StackedReport, stacked_report
from aegan.metrics.features import Classifier, classifier
from aegan.runs.folder import Run

CHUNK = 2000  # samples at a time
Counts = dict[tuple[str, int], tuple[int, float]]  # (modes covered, reverse KL) by (strategy, seed), of finished trials


def count_stacked(found: Results, *, samples: int, device: str) -> tuple[Counts, Classifier, StackedReport]:
    """Modes of every finished trial, kept in RUN/modes.json, since 26,000 samples take a while; the classifier that
    named them, and what it sees in as many training images."""
    judge = classifier(open_data("digits"), device="cpu")
    of: Counts = {}
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
    real = np.concatenate([triples(judge, images[i : i + CHUNK]) for i in range(0, samples, CHUNK)])
    return of, judge, stacked_report(real, 1000)


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
