"""How far the samples, as a crowd, are from real items: Fréchet and kernel distance, precision to coverage."""

from __future__ import annotations

from functools import cache
from typing import Literal

from torch import Tensor

from aegan.evaluation.task import Side, Task
from aegan.evenly import evenly
from aegan.metrics import Measured, kernel_distance, prdc

SUBSETS = 20  # of the kernel distance, not the published 100, for time; its interval holds what that adds
MOST = 10_000  # items a side for precision to coverage, whose cost is their square

# name -> title, which way is good, meaning
MANIFOLD: dict[str, tuple[str, Literal["higher", "near"], str]] = {
    "precision": ("precision", "higher", "Share of samples that lie within the neighbourhood of some real item."),
    "recall": ("recall", "higher", "Share of real items that lie within the neighbourhood of some sample."),
    "density": ("density", "near", "How many real neighbourhoods a sample lies in, over k = 5."),
    "coverage": ("coverage", "higher", "Share of real items whose neighbourhood holds a sample."),
}


def frechet(task: Task) -> None:
    """The Fréchet distance of the samples; called FID where extractor and resizing are exactly FID's."""
    name = "Fréchet distance" if task.extract is None else task.extract.describe().get("frechet", "Fréchet distance")
    task.add(
        "fd", f"{name} of samples", lambda: task.frechet("samples", "reference"), baseline=lambda: task.real_frechet,
        count=task.count, against=len(task.reference),
        meaning="How far the samples, as a crowd, are from training data. The baseline is what real data that were "
        "kept aside get at the same count.",
    )  # fmt: skip


def kernel(task: Task) -> None:
    """The kernel distance of the samples."""

    def measure(side: Side, against: Side = "reference") -> Measured:
        a, b = task.features(side), task.features(against)
        return kernel_distance(a, b, subsets=SUBSETS, subset_size=min(1000, len(a), len(b)))

    task.add(
        "kd", "kernel distance of samples", lambda: measure("samples"), baseline=lambda: measure("baseline", "base"),
        count=task.count, against=len(task.reference),
        meaning="The same question asked through a polynomial kernel (KID's), without bias from the count: 0 is perfect.",
    )  # fmt: skip


def manifold(task: Task) -> None:
    """Precision, recall, density and coverage, as many real items as samples."""
    n = min(task.count, len(task.reference), MOST)

    @cache
    def of(side: Side, against: Side) -> dict[str, Measured]:
        return prdc(spread(task.features(against), n), spread(task.features(side), n))

    for name, (title, better, meaning) in MANIFOLD.items():
        task.add(
            name, title,
            lambda name=name: of("samples", "reference")[name],  # type: ignore[misc]
            baseline=lambda name=name: of("baseline", "base")[name],  # type: ignore[misc]
            better=better, unit="" if name == "density" else "%", count=n, against=n, meaning=meaning,
        )  # fmt: skip


def spread(x: Tensor, count: int) -> Tensor:
    """At most `count` rows, evenly spaced."""
    return x if len(x) <= count else x[evenly(len(x), count)]
