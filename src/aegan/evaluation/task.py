"""One evaluation under way, and the figures that images and vectors share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from aegan.data import Data, DataSpec
from aegan.evaluation.result import Figure
from aegan.metrics import Statistics, frechet_between
from aegan.metrics.features import Progress

LEAST = 64  # below, a Fréchet distance says more about the count than about the images (the floor passes 700)


class Model(Protocol):
    """What evaluation asks of a model; `aegan.Model` is one."""

    @property
    def capabilities(self) -> frozenset[str]: ...

    spec: DataSpec

    def sample(self, n: int, *, seed: int = 0) -> np.ndarray: ...
    def reconstruct(self, items: np.ndarray) -> np.ndarray: ...
    def interpolate(self, rows: int = 8, steps: int = 10, *, seed: int = 0) -> np.ndarray: ...


class Steps(Protocol):
    def __call__(self, name: str) -> Progress: ...


@dataclass
class Task:
    """One evaluation under way."""

    model: Model
    data: Data
    samples: np.ndarray
    reference: np.ndarray
    held_out: np.ndarray
    seed: int
    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    back: np.ndarray | None = None  # reconstructions of held_out

    def can(self, *needed: str) -> bool:
        return set(needed) <= self.model.capabilities

    def reconstruct(self, step: Steps) -> np.ndarray | None:
        if self.can("encode", "decode") and len(self.held_out):
            step("reconstructing")
            self.back = self.model.reconstruct(self.held_out)
        return self.back


def too_few(items: np.ndarray | None) -> str:
    """Why there is no Fréchet distance of these; empty if there are enough."""
    count = 0 if items is None else len(items)
    return f"a Fréchet distance needs at least {LEAST} items, there are {count}" if count < LEAST else ""


def frechet_figures(
    task: Task,
    *,
    reference: Statistics | str,
    held_out: Statistics | str,
    samples: Statistics | str,
    back: Statistics | str | None,
) -> None:
    """Distances of samples and of reconstructions, with the floor; a string is the reason why there is none."""
    if not isinstance(reference, str):
        reference.factor  # noqa: B018  computed once, used three times
    found = {"held_out": held_out, "samples": samples, "back": back}
    value: dict[str, float | None] = {}
    why: dict[str, str] = {}
    for key, side in found.items():
        reason = next((s for s in (side, reference) if isinstance(s, str)), "")
        why[key] = reason
        known = isinstance(side, Statistics) and isinstance(reference, Statistics)
        value[key] = frechet_between(side, reference) if known else None  # type: ignore[arg-type]
    if not task.can("sample"):
        why["samples"] = "this strategy makes no samples"
    task.figures.append(
        Figure(
            "fd",
            "Fréchet distance of samples",
            value["samples"],
            value["held_out"],
            "lower",
            "",
            len(task.samples),
            len(task.reference),
            "How far the samples, as a crowd, are from training data. The perfect value is what real data that were "
            "kept aside get at the same count.",
            why["samples"],
        )
    )
    if back is not None:
        task.figures.append(
            Figure(
                "fd_reconstructions",
                "Fréchet distance of reconstructions",
                value["back"],
                value["held_out"],
                "lower",
                "",
                len(task.held_out),
                len(task.reference),
                "What encoding and decoding alone costs: samples made from codes can hardly be better than this.",
                why["back"],
            )
        )
