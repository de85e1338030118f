"""The figures of flat vectors: mode coverage where the modes are known, Fréchet distances, reconstruction error."""

from __future__ import annotations

from typing import Literal

import numpy as np

from aegan.data import TOYS
from aegan.evaluation.result import Figure
from aegan.evaluation.task import Steps, Task, frechet_figures, too_few
from aegan.metrics import Modes, Statistics, mode_report, statistics


def vector_figures(task: Task, step: Steps) -> dict[str, str]:
    """The figures of vectors. There is no extractor: distances are taken between the vectors themselves."""
    back = task.reconstruct(step)
    whole = not len(task.samples) or bool(np.isfinite(task.samples).all())

    def stats(items: np.ndarray | None) -> Statistics | str:
        if items is None or too_few(items):
            return too_few(items)
        if not np.isfinite(items).all():
            return "some values are not finite numbers: the model diverged"
        return statistics(items)

    if task.can("sample"):
        _mode_figures(task)
    frechet_figures(
        task,
        reference=stats(task.reference),
        held_out=stats(task.held_out),
        samples=stats(task.samples),
        back=stats(back) if back is not None else None,
    )
    if back is not None:
        scale = float(np.asarray(task.data.train.items[:10000]).std(0).mean()) or 1.0
        error = float(np.sqrt(np.square(back.astype(np.float64) - task.held_out).mean()) / scale)
        task.figures.append(
            Figure(
                "rmse",
                "error of reconstructions",
                error if np.isfinite(error) else None,
                0.0,
                "lower",
                "sd",
                len(back),
                len(back),
                "Root mean square error of held-out vectors through their codes, in standard deviations of the data.",
                "" if np.isfinite(error) else "reconstructions are not finite numbers",
            )
        )
    if not whole:
        task.remarks.append("Some samples are not finite numbers: the model diverged.")
    return {}


def _mode_figures(task: Task) -> None:
    """Coverage, quality, balance and width of the modes of a built-in toy; nothing where the modes are not known."""
    toy = TOYS.get(task.data.source)
    if toy is None:
        return
    found = mode_report(task.samples, Modes(toy.centres, toy.sd))

    def add(
        name: str,
        title: str,
        value: float | None,
        floor: float,
        better: Literal["lower", "higher", "near"],
        unit: str,
        meaning: str,
    ) -> None:
        why = "" if value is not None else "no mode holds two high-quality samples"
        n = len(task.samples)
        task.figures.append(Figure(name, title, value, floor, better, unit, n, 0, meaning, why))

    add(
        "modes",
        "modes covered",
        float(found.covered),
        float(found.modes),
        "higher",
        "modes",
        "Modes that hold at least one sample within 3 standard deviations.",
    )
    add(
        "quality",
        "high-quality samples",
        found.quality,
        found.perfect_quality,
        "near",
        "%",
        "Samples within 3 standard deviations of a mode; more than the perfect value means that modes have shrunk.",
    )
    add(
        "reverse_kl",
        "imbalance between modes (reverse KL)",
        found.reverse_kl if np.isfinite(found.reverse_kl) else None,
        found.perfect_reverse_kl,
        "lower",
        "nats",
        "How unevenly the samples are spread over the modes; what chance alone gives a perfect sampler beside it.",
    )
    add(
        "spread",
        "width of modes",
        found.mean_spread,
        1.0,
        "near",
        "",
        "Standard deviation within modes over the true one; below 1 the modes have shrunk.",
    )
