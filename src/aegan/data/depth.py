"""Values of more than 8 bits: as images hold them, and as 8 bits, by one scale for a whole set, measured over all of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image

from aegan.data.tiff import BITS, KIND, SENSE, nodata_of
from aegan.hints import Array

Kind = Literal["integers", "floats", "bytes"]
Range = tuple[float, float]

DEPTHS = (8, 10, 12, 14, 16)  # that cameras and scanners deliver, in whatever container
COLOUR = ("RGB", "RGBA", "RGBX")  # Pillow's modes of 8 bits that files of 16 are opened as
DARK = 31  # the greatest value of whole sets of masks and of few levels: as 8 bits they would be all but black
WORDS: dict[Kind, str] = {"integers": "integer", "floats": "float", "bytes": "8-bit"}
SLACK = 1 / 255  # share of a float range that may be overshot, as by resampling, and is clipped


def usual(ends: Range, kind: Kind) -> Range:
    """The range that values are taken to be of, given the least and the greatest: a usual one, else their own.

    Whole numbers from 0: up to the greatest if that is at most 31, as of masks, else the smallest of 8, 10, 12, 14 and 16
    bits that holds them. Floats: [0, 1], [-1, 1], or, where the
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
        if 0 < high <= DARK:
            return 0, high
        for bits in DEPTHS:
            if high < 2**bits:
                return 0, 2**bits - 1
    return (low, high) if low < high else (min(low, 0), max(high, 0))  # all the same: brighter where it is more


def kind_of(dtype: np.dtype[Any]) -> Kind:
    """Which scale values of a type need."""
    if dtype == np.uint8:
        return "bytes"
    return "floats" if dtype.kind == "f" else "integers"


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
    bits = next((f" ({bits} bits)" for bits in DEPTHS if (low, high) == (0, 2**bits - 1) and bits > 8), "")
    return f"[{number(low)}, {number(high)}]{bits}"


def number(value: float) -> str:
    """With commas, and as many decimals as mean something."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"


@dataclass(frozen=True)
class Depth:
    """Of which range the values of a set are, (what becomes 0, what becomes 255); None: it has none of the kind.

    `bytes` are those of 8 bits where all are of few levels; it is meant for images that lie in it.
    """

    integers: Range | None = None
    floats: Range | None = None
    bytes: Range | None = None

    def span(self, kind: Kind) -> Range | None:
        return {"integers": self.integers, "floats": self.floats, "bytes": self.bytes}[kind]

    def as_dict(self) -> dict[str, list[float]]:
        """Ready for JSON.

        >>> Depth.from_dict(Depth(integers=(0, 4095)).as_dict())
        Depth(integers=(0, 4095), floats=None, bytes=None)
        """
        return {kind: list(span) for kind, span in asdict(self).items() if span is not None}

    @staticmethod
    def from_dict(plain: Mapping[str, Sequence[float]]) -> Depth:
        """The inverse of `as_dict`."""
        return Depth(**{kind: (span[0], span[1]) for kind, span in plain.items() if span is not None})


@dataclass
class Measure:
    """The least and the greatest value of a set's deep images, and how many there are, of each kind."""

    found: dict[Kind, tuple[float, float, int]] = field(default_factory=dict)

    def add(self, kind: Kind, low: float, high: float) -> None:
        """One image, its values between `low` and `high`."""
        a, b, n = self.found.get(kind, (low, high, 0))
        self.found[kind] = (min(a, low), max(b, high), n + 1)

    def depth(self) -> Depth:
        """The scale of the set."""
        return Depth(**{kind: usual((low, high), kind) for kind, (low, high, _) in self.found.items()})

    def lines(self, given: Depth | None = None) -> list[str]:
        """What was found and decided, in words; `given` is used instead of the measured scale, where it has one.

        >>> one = Measure()
        >>> one.add("integers", 16, 4080)
        >>> one.lines()
        ['1 image has integer values from 16 to 4,080: taken as of the range [0, 4,095] (12 bits), one scale for all']
        """
        out = []
        for kind, (low, high, n) in self.found.items():
            fixed = given.span(kind) if given else None
            span = fixed or usual((low, high), kind)
            whose = "the scale that was given" if fixed else "one scale for all"
            subject = "1 image has" if n == 1 else f"{n:,} images have"
            values = f"{WORDS[kind]} values from {number(low)} to {number(high)}"
            out.append(f"{subject} {values}: taken as of the range {words(span)}, {whose}")
        return out


@dataclass(frozen=True)
class Deep:
    """Numbers that are not yet pixels."""

    values: Array  # (H, W) or (H, W, 3), whole numbers or floats, all finite
    alpha: Array | None = None  # uint8 (H, W), if something is transparent; 0 also where there is no value
    missing: bool = False  # some pixels have no value

    @property
    def kind(self) -> Kind:
        return kind_of(self.values.dtype)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value of what can be seen."""
        seen = self.values if self.alpha is None or not self.alpha.any() else self.values[self.alpha > 0]
        return float(seen.min()), float(seen.max())


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, not yet loaded, has more than 8 bits a channel."""
    return image.mode.startswith("I") or image.mode == "F" or (image.mode in COLOUR and ";16" in _raw(image))


def of_image(image: Image.Image, again: Callable[[], Image.Image]) -> Deep | None:
    """The numbers of an image for which `is_deep`, opened, not yet loaded; `again` opens it anew. None: there are none.

    Pillow has no mode for 16 bits in colour: it keeps the high bytes. So such a file is read a second time, as of the
    other byte order, which gives the low ones.
    """
    raw = _raw(image)
    if raw.startswith("LA;16"):  # grey and alpha: four bytes, as of an image of four channels
        _read_as(image, "RGBA")
        four = np.asarray(image)
        return Deep(_joined(four[..., 0], four[..., 1]), four[..., 2])
    if image.mode in COLOUR:
        other = again()
        little = raw.endswith("L") or (raw.endswith("N") and sys.byteorder == "little")
        _read_as(other, raw[:-1] + ("B" if little else "L"))
        both = _joined(np.asarray(image), np.asarray(other))
        alpha = (both[..., 3] >> 8).astype(np.uint8) if image.mode == "RGBA" else None
        values = both[..., :3]
        clear = image.info.get("transparency")
        if isinstance(clear, tuple):
            alpha = np.where((values == np.array(clear)).all(-1), 0, 255).astype(np.uint8)
        return Deep(values, alpha)
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    values = np.asarray(image)
    if image.mode == "I" and tags.get(KIND, (1,))[0] == 1 and tags.get(BITS, (0,))[0] == 32:
        values = values.view(np.uint32)  # to Pillow, all of 32 bits have a sign
    if values.dtype == np.uint16 and tags.get(SENSE) == 0:  # 0 is white, which Pillow heeds for 8 bits only
        values = 65_535 - values
    clear = image.info.get("transparency")
    return of_values(values, nodata_of(tags), clear if isinstance(clear, int) else None)


def of_values(values: Array, nodata: float | None = None, clear: int | None = None) -> Deep | None:
    """Numbers of which some may mean none (NaN, infinity, `nodata`), or `clear`: transparent. None: all mean none."""
    missing: Array = ~np.isfinite(values)
    if nodata is not None:
        missing |= values == np.asarray(nodata, np.float64).astype(values.dtype if values.dtype.kind == "f" else float)
    if values.ndim == 3:
        missing = np.asarray(missing.any(-1))
    if missing.all():
        return None
    gone = missing if clear is None else missing | (values == clear)
    if missing.any():
        values = np.array(values)
        values[missing] = values[~missing].min()
    return Deep(values, np.where(gone, 0, 255).astype(np.uint8) if gone.any() else None, bool(missing.any()))


def _joined(high: Array, low: Array) -> Array:
    return (high.astype(np.uint16) << 8) | low


def _raw(image: Image.Image) -> str:
    """Pillow's name for how the pixels are stored, such as "RGB;16B"; "" where it doesn't say."""
    for tile in getattr(image, "tile", None) or ():
        found = tile[3][0] if isinstance(tile[3], tuple) and tile[3] else tile[3]
        return found if isinstance(found, str) else ""
    return ""


def _read_as(image: Image.Image, raw: str) -> None:
    """Makes an opened image's decoder take the stored pixels for others."""
    tiles: list[Any] = []
    for tile in image.tile:  # type: ignore[attr-defined]
        args = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        # a named tuple since Pillow 11
        tiles.append(tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args))
    image.tile = tiles  # type: ignore[attr-defined]
