"""The numbers of images of more than 8 bits a channel, as they are stored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aegan.data.depth import Kind
from aegan.data.tiff import BITS, KIND, SENSE, nodata_of

Array = NDArray[Any]

COLOUR = ("RGB", "RGBA", "RGBX")  # Pillow's modes of 8 bits that files of 16 are opened as


class NoValues(Exception):
    """No pixel has a value."""


@dataclass(frozen=True)
class Deep:
    """Numbers that are not yet pixels.

    Args:
        values: (H, W) or (H, W, 3), whole numbers or floats, all finite.
        alpha: uint8 (H, W), or None where nothing is transparent; 0 also where there is no value.
        missing: whether some pixels have no value.
    """

    values: Array
    alpha: Array | None = None
    missing: bool = False

    @property
    def kind(self) -> Kind:
        return "floats" if self.values.dtype.kind == "f" else "integers"

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value of what can be seen."""
        seen = self.values if self.alpha is None or not self.alpha.any() else self.values[self.alpha > 0]
        return float(seen.min()), float(seen.max())


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, not yet loaded, has more than 8 bits a channel."""
    return image.mode.startswith("I") or image.mode == "F" or (image.mode in COLOUR and ";16" in _raw(image))


def of_image(image: Image.Image, again: Callable[[], Image.Image]) -> Deep:
    """The numbers of an image for which `is_deep`.

    Pillow has no mode for 16 bits in colour: it keeps the high bytes. So such a file is read a second time, as of the
    other byte order, which gives the low ones.

    Args:
        image: opened, not yet loaded.
        again: opens it anew.

    Raises:
        NoValues: no pixel has one.
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


def of_values(values: Array, nodata: float | None = None, clear: int | None = None) -> Deep:
    """Numbers of which some may mean none: NaN, infinity, the file's own `nodata`, or one that is transparent (`clear`).

    Raises:
        NoValues: none of them has one.
    """
    missing: Array = np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        missing |= ~np.isfinite(values)
    if nodata is not None:
        missing |= values == np.asarray(nodata, np.float64).astype(values.dtype if values.dtype.kind == "f" else float)
    if values.ndim == 3:
        missing = np.asarray(missing.any(-1))
    if missing.all():
        raise NoValues("no pixel has a value: all are NaN or marked as no data")
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
