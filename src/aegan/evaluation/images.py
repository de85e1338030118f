"""The figures of images: Fréchet distances of features, PSNR, and the share of samples that look copied."""

from __future__ import annotations

import numpy as np

from aegan.errors import UserError
from aegan.evaluation.reference import cached_statistics
from aegan.evaluation.result import Figure
from aegan.evaluation.task import Steps, Task, frechet_figures, too_few
from aegan.metrics import Extractor, MissingExtractor, Statistics, copying, extractor, psnr, statistics

COPIES = 1000  # samples, and held-out items, that are looked up among all training items


def image_figures(task: Task, name: str, device: str, step: Steps) -> dict[str, str]:
    """The figures of images; returns the extractor's description."""
    extract: Extractor | None = None
    missing = ""
    try:
        extract = extractor(name, device)
    except MissingExtractor as error:
        missing = f"{error.what} {error.fix}"
    back = task.reconstruct(step)

    def stats(items: np.ndarray | None, label: str, cache: bool = False) -> Statistics | str:
        """Statistics, or the reason why there are none."""
        if extract is None:
            return missing
        if items is None or too_few(items):
            return too_few(items)
        if cache:
            return cached_statistics(items, extract, step(label))
        return statistics(extract(items, step(label)))

    frechet_figures(
        task,
        reference=stats(task.reference, "features of the reference", cache=True),
        held_out=stats(task.held_out, "features of held-out images", cache=True),
        samples=stats(task.samples, "features of samples"),
        back=stats(back, "features of reconstructions") if back is not None else None,
    )
    if back is not None:
        task.figures.append(
            Figure(
                "psnr",
                "closeness of reconstructions (PSNR)",
                float(psnr(back, task.held_out).mean()),
                better="higher",
                unit="dB",
                count=len(back),
                against=len(back),
                meaning="How closely held-out images come back from their codes, pixel by pixel; mean over images.",
            )
        )
    if task.can("sample"):
        _copies(task, step)
    return extract.describe() if extract is not None else {}


def _copies(task: Task, step: Steps) -> None:
    """The share of samples that look copied from the training set."""
    value: float | None = None
    floor, why, count = None, "", 0
    try:
        found = copying(
            task.samples[:COPIES],
            task.held_out[:COPIES],
            task.data.train.items,
            progress=step("looking for copies"),
        )
        value, floor, count = found.share, found.expected, found.samples
    except UserError as error:
        why = error.what
    task.figures.append(
        Figure(
            "copies",
            "samples that look copied",
            value,
            floor,
            "lower",
            "%",
            count,
            len(task.data.train),
            "Samples that sit far closer to one training image than to the others, as 1 % of held-out images do by chance.",
            why,
        )
    )
