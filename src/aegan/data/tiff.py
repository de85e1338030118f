"""TIFF files of kinds that Pillow can't hold: floats in colour, many bands, planes of 16 bits. Read with tifffile."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from aegan.hints import Array

# numbers of tags
WIDTH, HEIGHT, BITS, SENSE, ORIENTATION, SAMPLES, PLANES, KIND, NODATA = 256, 257, 258, 262, 274, 277, 284, 339, 42_113
COMPRESSION = 259
YCBCR = 6  # a sense
EXTRA = 338  # what bands beyond the colours are
ASSOCIATED, UNASSOCIATED = 1, 2  # alpha by which the colours were multiplied, or not
MOST_BANDS = 6  # that Pillow looks at
RAW_VERSION = 50_706  # only camera RAW of the kind DNG has it
KINDS = {1: "whole numbers", 2: "signed whole numbers", 3: "floats", 5: "complex numbers", 6: "complex numbers"}


@dataclass(frozen=True)
class Wide:
    """A TIFF as tifffile reads it: also what Pillow can't, or would read wrongly."""

    raw: bytes
    size: tuple[int, int]  # width, height
    bands: int
    bits: int  # of a band
    kind: str  # of the numbers, for people
    nodata: float | None  # the value that means none
    orientation: int  # 1 to 8, as in Exif
    alpha: int = 0  # the last band of two or four is alpha: `ASSOCIATED` or `UNASSOCIATED`

    @property
    def signed(self) -> bool:
        return self.kind == KINDS[2]

    @property
    def complex(self) -> bool:
        return self.kind == KINDS[6]

    @property
    def words(self) -> str:
        return f"a TIFF of {self.bands} band{'s' * (self.bands > 1)} of {self.bits}-bit {self.kind}"

    def read(self) -> tuple[Array, Array | None]:
        """The first one or three bands, (H, W) or (H, W, 3); and alpha, uint8 (H, W), where something is transparent.

        Raises:
            ImportError: tifffile is missing, or imagecodecs, which it needs for this compression.
        """
        import tifffile

        with tifffile.TiffFile(io.BytesIO(self.raw)) as file:
            page = file.pages.first
            try:
                found = np.asarray(page.asarray())
            except ValueError as why:
                if "imagecodecs" in str(why):
                    raise ImportError("imagecodecs") from why
                raise
            planar = page.planarconfig == 2
        if found.ndim == 2:
            return found, None
        found = np.moveaxis(found, 0, -1) if planar and found.shape[0] == self.bands else found
        colours = np.ascontiguousarray(found[..., :3] if found.shape[-1] >= 3 else found[..., 0])
        if not self.alpha or found.shape[-1] != self.bands:
            return colours, None
        share = _share(found[..., -1])
        if (share == 1).all():
            return colours, None
        if self.alpha == ASSOCIATED:
            by = np.where(share > 0, share, 1)
            whole = colours / (by if colours.ndim == 2 else by[..., None])
            if colours.dtype.kind in "ui":
                whole = np.rint(np.clip(whole, np.iinfo(colours.dtype).min, np.iinfo(colours.dtype).max))
            colours = whole.astype(colours.dtype)
        return colours, np.rint(share * 255).astype(np.uint8)


def _share(alpha: Array) -> Array:
    """Alpha of any type as 0 to 1: of whole numbers by their type, of floats of [0, 1], or of what they reach."""
    top = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else max(1.0, float(np.nanmax(alpha)))
    return np.asarray(np.clip(np.nan_to_num(alpha.astype(np.float64)) / top, 0, 1))


def wide(raw: bytes) -> Wide | None:
    """What a TIFF file is; None: no TIFF, or one whose tags can't be read."""
    if raw[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    try:
        file = io.BytesIO(raw)
        tags: Any = ImageFileDirectory_v2(file.read(16 if b"+" in raw[:4] else 8))
        file.seek(tags.next)
        tags.load(file)
        bits, kind = tags.get(BITS, (1,)), tags.get(KIND, (1,))
        return Wide(
            raw, (int(tags[WIDTH]), int(tags[HEIGHT])), int(tags.get(SAMPLES, 1)), int(bits[0]),
            KINDS.get(int(kind[0]), "numbers"), nodata_of(tags), int(tags.get(ORIENTATION, 1)), _alpha_of(tags),
        )  # fmt: skip
    except Exception:  # a damaged file makes Pillow's parser raise anything
        return None


def _alpha_of(tags: Any) -> int:
    """What alpha the last of two or four bands is; 0: none."""
    extra = tags.get(EXTRA, ())
    one = int(extra[0]) if len(extra) == 1 and tags.get(SAMPLES, 1) in (2, 4) else 0
    return one if one in (ASSOCIATED, UNASSOCIATED) else 0


def misread(tags: Any) -> bool:
    """Whether Pillow opens a TIFF of these tags but gives wrong pixels.

    So it does with planes of 16 bits, which it reads as bytes, and with bytes that have a sign.
    """
    if tags.get(KIND, (1,))[0] == 2 and max(tags.get(BITS, (1,))) == 8:
        return True
    return bool(tags.get(PLANES, 1) == 2 and tags.get(SAMPLES, 1) > 1 and max(tags.get(BITS, (1,))) > 8)


def unreadable(tags: Any) -> bool:
    """Whether Pillow opens a TIFF of these tags but finds its end too soon, though it is whole: YCbCr, not compressed."""
    return bool(tags.get(SENSE) == YCBCR and tags.get(COMPRESSION, 1) == 1)


def nodata_of(tags: Any) -> float | None:
    """The value that means none in a TIFF of these tags: GDAL's convention."""
    try:
        value = float(str(tags.get(NODATA, "")).strip("\0 "))
    except ValueError:
        return None
    return None if math.isnan(value) else value
