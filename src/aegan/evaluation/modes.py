"""Mode coverage of the built-in toys, whose modes are known: the VEEGAN and PacGAN protocol."""

from __future__ import annotations

from functools import cache

from aegan.data import TOYS
from aegan.errors import UserError
from aegan.evaluation.task import Task
from aegan.metrics import Measured, ModeReport, Modes, mode_report

PUBLISHED = 2500  # samples in the published tables; a model makes as many, whatever the count


def modes(task: Task) -> None:
    """Coverage, quality, balance and width of modes; nothing where the modes are not known."""
    toy = TOYS.get(task.data.source)
    if toy is None or task.samples is None:
        return
    rows = task.samples if task.model is None else task.sampled(PUBLISHED)
    n = len(rows)

    @cache
    def found() -> ModeReport:
        return mode_report(rows[:], Modes(toy.centres, toy.sd))

    def spread() -> float:
        width = found().mean_spread
        if width is None:
            raise UserError("no mode holds two high-quality samples")
        return width

    task.add(
        "modes", "modes covered", lambda: float(found().covered), baseline=lambda: float(found().modes), better="higher",
        unit="modes", count=n, meaning="Modes that hold at least one sample within 3 standard deviations.",
    )  # fmt: skip
    task.add(
        "quality", "high-quality samples", lambda: Measured.share(found().quality, n),
        baseline=lambda: found().perfect_quality, better="near", unit="%", count=n,
        meaning="Samples within 3 standard deviations of a mode; more than the baseline means that modes have shrunk.",
    )  # fmt: skip
    task.add(
        "reverse_kl", "imbalance between modes (reverse KL)", lambda: found().reverse_kl,
        baseline=lambda: found().perfect_reverse_kl, unit="nats", count=n,
        meaning="How unevenly the samples are spread over the modes; what chance alone gives a perfect sampler beside it.",
    )  # fmt: skip
    task.add(
        "spread", "width of modes", spread, baseline=1.0, better="near", count=n,
        meaning="Standard deviation within modes over the true one; below 1 the modes have shrunk.",
    )  # fmt: skip
