"""A stored image, its header read: what it is, and whether it may be decoded at all."""

from __future__ import annotations

import functools
import io
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from PIL import ExifTags, Image, TiffTags, UnidentifiedImageError

from aegan.data import formats, jpeg, tiff
from aegan.data.depth import COLOUR, Deep, is_deep, of_image, of_values
from aegan.data.png import bare
from aegan.hints import Array

# Named one by one: Pillow would hand PostScript to an external program, and guess at formats that have no signature.
FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "ICNS", "AVIF", "JPEG2000", "QOI", "PCX",
    "SGI", "XBM", "XPM", "DDS", "IM", "MSP",
)  # fmt: skip
SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".ppm",
     ".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".icns", ".avif", ".jp2", ".j2k", ".qoi", ".pcx", ".sgi", ".xbm", ".xpm",
     ".dds", ".tga", ".heic", ".heif", ".hif", ".jxl")
)  # fmt: skip
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 2**30 // 12  # of one image: Pillow's own limit, 89 million
TGA_KINDS = (1, 2, 3, 9, 10, 11)
TOO_MANY = f"more than {MOST_PIXELS / 1e6:.0f} million pixels"
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by Exif's orientation: what turns a picture upright


class Skip(Exception):
    """This image can't be used; the text says why, in words that suit a list of reasons."""


@dataclass(frozen=True)
class Opened:
    """An image whose header was read, not yet decoded."""

    raw: bytes
    image: Image.Image | None  # None where Pillow can't read it, and `wide` says what it is
    profile: bytes | None = None  # of ICC, if it has one that can be used
    broken: bool = False  # it has a profile that can't be read
    wide: tiff.Wide | None = None  # of a TIFF, what tifffile would make of it

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored; of a TIFF that Pillow reads, upright."""
        return self.image.size if self.image is not None else self._wide.size

    @property
    def mode(self) -> str:
        """Pillow's name of how it is stored, or one of that kind."""
        if self.image is None:
            return f"{self._wide.bands}×{self._wide.bits} bit"
        return f"{self.image.mode};16" if self.deep and self.image.mode in COLOUR else self.image.mode

    @property
    def animated(self) -> bool:
        """Whether it has further frames; an MPO's is a preview."""
        image = self.image
        return image is not None and image.format != "MPO" and bool(getattr(image, "is_animated", False))

    @property
    def deep(self) -> bool:
        """Whether its values are more than 8 bits, and need a scale."""
        return is_deep(self.image) if self.image is not None else self._wide.bits > 8 or self._wide.signed

    @property
    def bands(self) -> bool:
        """Whether it has more bands than are used."""
        if self.image is None:
            return self._wide.bands - bool(self._wide.alpha) not in (1, 3)
        return (self.wide is not None and self.wide.bands > len(self.image.getbands())) or self.mode.startswith("RGBX")

    def load(self) -> Image.Image:
        """The decoded image of one that is not `deep`, as Pillow gives it; any exception where it is damaged."""
        if self.image is None:
            return Image.fromarray(self._read()[0])
        try:
            _unlinked(self.image).load()
        except OSError as why:
            mended = jpeg.mended(self.raw) if self.image.format == "JPEG" and "truncated" in str(why) else None
            if mended is None:
                raise
            return mended
        return self.image

    def numbers(self) -> Deep:
        """The values of one that is `deep`; any exception where it is damaged.

        Raises:
            Skip: a package is missing, or there are no values.
        """
        image = self.image
        if image is None:
            values, alpha = self._read()
            found = of_values(values, self._wide.nodata)
            if found is not None and alpha is not None:
                found = replace(found, alpha=alpha if found.alpha is None else np.minimum(alpha, found.alpha))
        else:
            kind = (image.format or "",)
            found = of_image(_unlinked(image), lambda: _unlinked(Image.open(io.BytesIO(self.raw), formats=kind)))
        if found is None:
            raise Skip("no pixel has a value: all are NaN or marked as no data")
        return found

    def orientation(self) -> int:
        """1 to 8, as in Exif, once it is decoded; 0 where it can't be read. Pillow itself turns what TIFFs it reads."""
        if self.image is None:
            return self._wide.orientation if self._wide.orientation in range(1, 9) else 0
        return 1 if self.image.format == "TIFF" else exif_orientation(self.image)

    @property
    def _wide(self) -> tiff.Wide:
        assert self.wide is not None
        return self.wide

    def _read(self) -> tuple[Array, Array | None]:
        try:
            return self._wide.read()
        except ImportError as why:
            raise Skip(f"{self._wide.words}: pip install {why.name or why}") from why


def open_image(raw: bytes, name: str = "") -> Opened:
    """Reads the header of an image, of the whole file or, to learn its size, of its beginning; nothing is decoded yet.

    Raises:
        Skip: not an image, or one of too many pixels.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if known := formats.foreign(raw[: formats.HEAD], name):
        raise Skip(known)
    plain, profile, broken = bare(raw)
    special, wide = formats.special(raw[: formats.HEAD]), tiff.wide(raw)
    image: Image.Image | None = None
    try:
        if wide is not None and wide.bands > tiff.MOST_BANDS:
            raise UnidentifiedImageError  # as Pillow would, which first writes to the log
        if special in formats.FURTHER:
            image = formats.opened(raw, special)
        else:
            image = Image.open(io.BytesIO(plain), formats=("TGA",) if _is_tga(raw, suffix) else _formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as why:
        raise Skip(TOO_MANY) from why
    except Exception as why:  # parsers raise anything on a broken header: struct.error, KeyError, SyntaxError, …
        if wide is None:
            said = f"not an image ({suffix if 1 < len(suffix) < 8 else 'no known suffix'})"
            if special:
                said = f"damaged {special}"
            elif suffix in SUFFIXES:
                unknown = isinstance(why, UnidentifiedImageError)
                said = "damaged, or not the image its name says" if unknown else "damaged"
            raise Skip(said) from why
    if image is not None and image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        if tiff.RAW_VERSION in tags:
            raise Skip(formats.DEVELOP)
        if tiff.unreadable(tags):
            raise Skip("a TIFF of YCbCr colours, not compressed: save it as RGB")
        if tiff.misread(tags) and wide is not None:
            image = None
    if image is None and wide is not None and wide.complex:
        raise Skip(f"{wide.words}: save their magnitudes")
    profile = profile or (image.info.get("icc_profile") if image is not None else None)
    found = Opened(plain, image, profile if isinstance(profile, bytes) else None, broken, wide)
    if not all(found.size):
        raise Skip("no pixels")
    if found.size[0] * found.size[1] > MOST_PIXELS:  # where nobody has made Pillow's warning an error
        raise Skip(TOO_MANY)
    return found


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """An image turned as Exif's orientation says; 0 is unknown."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def exif_orientation(image: Image.Image) -> int:
    """1 to 8, of a decoded image; 0 where it can't be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation) or 1
    except Exception:  # damaged Exif makes Pillow raise anything
        return 0
    return found if found in range(1, 9) else 0


def _unlinked(image: Image.Image) -> Image.Image:
    """Without a TIFF's links to Exif and GPS, which Pillow would follow on loading, and fail where they lead nowhere."""
    if image.format == "TIFF":
        with suppress(Exception):  # as above
            exif = image.getexif()
            for link in TiffTags.TAGS_V2_GROUPS:
                exif.pop(link, None)
    return image


def _is_tga(raw: bytes, suffix: str) -> bool:
    """Whether a file is taken as TGA, which has no signature: by its name, unless its header can't be one."""
    return suffix == ".tga" and len(raw) > 2 and raw[1] <= 1 and raw[2] in TGA_KINDS


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(each for each in FORMATS if each in Image.OPEN)  # some builds and versions of Pillow lack a few
