"""Values of more than 8 bits as 8: one scale for a whole set, measured over all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["integers", "floats"]
Range = tuple[float, float]

BITS = (8, 10, 12, 14, 16)  # that cameras and scanners deliver, in whatever container
SLACK = 1 / 255  # share of a float range that may be overshot, as by resampling, and is clipped


def usual(ends: Range, kind: Kind) -> Range:
    """The range that values are taken to be of, given the least and the greatest: a usual one, else their own.

    Whole numbers from 0: the smallest of 8, 10, 12, 14 and 16 bits that holds them. Floats: [0, 1], [-1, 1], or, where the
    greatest is in the upper half of it, [0, 255].

    >>> usual((3, 4_000), "integers"), usual((0, 0.9), "floats"), usual((-0.7, 0.9), "floats")
    ((0, 4095), (0, 1), (-1, 1))
    >>> usual((0, 254.5), "floats"), usual((270, 310), "floats")
    ((0, 255), (270, 310))
    """
    low, high = ends
    if kind == "floats":
        for a, b in ((0, 1), (-1, 1), (0, 255)):
            slack = (b - a) * SLACK
            if a - slack <= low and high <= b + slack and (b < 255 or high > 127.5):
                return a, b
    elif low >= 0:
        for bits in BITS:
            if high < 2**bits:
                return 0, 2**bits - 1
    return (low, high) if low < high else (min(low, 0), max(high, 0))  # all the same: brighter where it is more


def scaled(values: Array, span: Range) -> Array:
    """Values of a range as uint8: its ends become 0 and 255, what lies outside of it is clipped.

    >>> scaled(np.array([0, 2048, 4095, 5000], np.uint16), (0, 4095)).tolist()
    [0, 128, 255, 255]
    """
    low, high = span
    return np.rint(np.clip((values.astype(np.float64) - low) * (255 / (high - low or 1)), 0, 255)).astype(np.uint8)


def words(span: Range) -> str:
    """A range for people.

    >>> words((0, 4095)), words((0, 1)), words((-1.5, 12345.678))
    ('[0, 4,095] (12 bits)', '[0, 1]', '[-1.5, 12,345.7]')
    """
    low, high = span
    bits = next((f" ({bits} bits)" for bits in BITS if (low, high) == (0, 2**bits - 1) and bits > 8), "")
    return f"[{number(low)}, {number(high)}]{bits}"


def number(value: float) -> str:
    """With commas, and as many decimals as mean something."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"


@dataclass(frozen=True)
class Depth:
    """Of which range the deep values of a set are; None: it has none of the kind.

    Args:
        integers, floats: (what becomes 0, what becomes 255).
    """

    integers: Range | None = None
    floats: Range | None = None

    def span(self, kind: Kind) -> Range | None:
        return self.integers if kind == "integers" else self.floats

    def as_dict(self) -> dict[str, list[float]]:
        """Ready for JSON.

        >>> Depth.from_dict(Depth(integers=(0, 4095)).as_dict())
        Depth(integers=(0, 4095), floats=None)
        """
        both = {"integers": self.integers, "floats": self.floats}
        return {kind: list(span) for kind, span in both.items() if span is not None}

    @staticmethod
    def from_dict(plain: Mapping[str, Sequence[float]]) -> Depth:
        """The inverse of `as_dict`."""
        return Depth(**{kind: (span[0], span[1]) for kind, span in plain.items() if span is not None})


@dataclass
class Measure:
    """Gathers the least and the greatest value of a set's deep images."""

    def __post_init__(self) -> None:
        self._found: dict[Kind, tuple[float, float, int]] = {}

    def add(self, kind: Kind, low: float, high: float) -> None:
        """One image, its values between `low` and `high`."""
        a, b, n = self._found.get(kind, (low, high, 0))
        self._found[kind] = (min(a, low), max(b, high), n + 1)

    def depth(self) -> Depth:
        """The scale of the set."""
        return Depth(**{kind: usual((a, b), kind) for kind, (a, b, _) in self._found.items()})

    def lines(self, given: Depth | None = None) -> list[str]:
        """What was found and decided, in words.

        Args:
            given: the scale that is used instead of the measured one, where it has one.

        >>> one = Measure()
        >>> one.add("integers", 16, 4080)
        >>> one.lines()
        ['1 image has integer values from 16 to 4,080: taken as of the range [0, 4,095] (12 bits), one scale for all']
        """
        out = []
        for kind, (low, high, n) in self._found.items():
            span, whose = usual((low, high), kind), "one scale for all"
            if given is not None and (fixed := given.span(kind)) is not None:
                span, whose = fixed, "the scale that was given"
            what = "integer" if kind == "integers" else "float"
            subject = "1 image has" if n == 1 else f"{n:,} images have"
            out.append(
                f"{subject} {what} values from {number(low)} to {number(high)}: "
                f"taken as of the range {words(span)}, {whose}"
            )
        return out
