"""What a training will bring, as far as measured runs show: `aegan train` prints it before it starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "presets" / "expected.json"  # by bench/expected.py
NEAR = 2.0  # budgets and numbers of pixels that differ by no more than this factor are compared


@dataclass(frozen=True)
class MeasuredRun:
    """A training with the numbers of its preset."""

    strategy: str
    set: str  # of images
    shape: tuple[int, int, int]  # (C, H, W)
    minutes: float  # its budget
    images: int  # seen in that time, with repeats
    cpu: str
    cores: int
    page: str  # where its pictures and figures are

    def line(self) -> str:
        """One line for a terminal."""
        return (
            f"{self.minutes:g} minutes of {self.set} at {self.shape[2]}×{self.shape[1]}: {self.images:,} images seen "
            f"({self.cores} cores, {self.cpu}); {self.page}"
        )


def measured() -> list[MeasuredRun]:
    """All that is known."""
    return [MeasuredRun(**{**one, "shape": tuple(one["shape"])}) for one in json.loads(FILE.read_text("utf-8"))]


def expected(strategy: str, shape: Sequence[int], minutes: float | None, device: str) -> list[str]:
    """Lines on the measured runs nearest to this one in minutes; none where nothing like it was measured.

    That is vectors, budgets in steps, and devices other than processors.
    """
    if minutes is None or len(shape) != 3 or device != "cpu":
        return []

    def ratio(a: float, b: float) -> float:
        return max(a / b, b / a)

    pixels = shape[1] * shape[2]
    like = [
        m for m in measured()
        if m.strategy == strategy and (m.shape[0] < 3) == (shape[0] < 3)
        and ratio(m.shape[1] * m.shape[2], pixels) <= NEAR and ratio(m.minutes, minutes) <= NEAR
    ]  # fmt: skip
    nearest = min((ratio(m.minutes, minutes) for m in like), default=0.0)
    return [f"measured before: {m.line()}" for m in like if ratio(m.minutes, minutes) == nearest]
