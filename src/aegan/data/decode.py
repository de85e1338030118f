"""One stored image, of whatever kind, to 8-bit pixels of the form wanted; or the reason why not."""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from aegan.data.fit import fit, with_channels
from aegan.data.format import ImageFormat
from aegan.data.inspection import printable
from aegan.data.split import content_hash, is_grey
from aegan.errors import UserError

Array = NDArray[Any]

# Named one by one: Pillow would hand PostScript to an external program, and guess at formats that have no signature.
FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "ICNS", "AVIF", "JPEG2000", "QOI", "PCX",
    "SGI", "XBM", "XPM", "DDS", "IM", "MSP",
)  # fmt: skip
SUFFIXES = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
    }
    | {".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".icns", ".avif", ".jp2", ".j2k", ".qoi", ".pcx", ".sgi", ".xbm", ".xpm"}
    | {".dds", ".tga"}
)
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 2**30 // 12  # of one image: Pillow's own limit, 89 million
MOST_BYTES = 128 * 2**20  # of one stored image: more is a mistake or an attack
NO_MEMORY = "too large for this machine's memory"


class Skip(Exception):
    """This image can't be used; the text says why, in words that suit a list of reasons."""


@dataclass(frozen=True)
class Decoded:
    """One image as a model will see it, and what it was.

    Args:
        pixels: uint8 (H, W, C).
        digest: its `content_hash`.
        width, height: as stored, upright, pixels.
        mode: as stored, Pillow's name.
        grey: whether all channels are equal.
        transparent: whether some of it was see-through.
        animated: whether it had further frames.
        flat: whether it is all one colour.
    """

    pixels: Array
    digest: bytes
    width: int
    height: int
    mode: str
    grey: bool
    transparent: bool
    animated: bool
    flat: bool


def too_large() -> str:
    return f"more than {MOST_BYTES >> 20} MB"


@contextmanager
def quiet() -> Iterator[None]:
    """Around decoding: an image too large by Pillow's limit is refused, its other complaints are not for the user.

    Set once around all threads, because Python's warning filters belong to the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_image(file: BinaryIO, name: str = "") -> Image.Image:
    """Reads the header of an image; nothing is decoded yet.

    Raises:
        Skip: not an image, or one of too many pixels.
    """
    suffix = PurePosixPath(name).suffix.lower()
    foreign = f"not an image ({suffix if 1 < len(suffix) < 8 else 'no known suffix'})"
    try:
        image = Image.open(file, formats=("TGA",) if suffix == ".tga" else _formats())
    except UnidentifiedImageError as why:
        raise Skip("damaged, or not the image its name says" if suffix in SUFFIXES else foreign) from why
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as why:
        raise Skip(f"more than {MOST_PIXELS / 1e6:.0f} million pixels") from why
    except (
        Exception
    ) as why:  # Pillow's parsers raise anything on a broken header: struct.error, KeyError, SyntaxError, …
        raise Skip("damaged" if suffix in SUFFIXES else foreign) from why
    if not all(image.size):
        raise Skip("no pixels")
    if image.width * image.height > MOST_PIXELS:  # where nobody has made Pillow's warning an error
        raise Skip(f"more than {MOST_PIXELS / 1e6:.0f} million pixels")
    return image


def decode(raw: bytes, wanted: ImageFormat, name: str = "") -> Decoded:
    """Decodes, turns upright, lays on the background what is see-through, brings to 8 bits and to the size wanted.

    Args:
        raw: the file's bytes.
        wanted: the form of the result, of a known size; channels of None give 3.
        name: the file's name, for its suffix.

    Raises:
        Skip: it can't be decoded.
    """
    image = open_image(io.BytesIO(raw), name)
    mode = image.mode
    plain, width, height, transparent, animated = _shaped(image, wanted)
    if plain.ndim == 2:
        grey, plain = True, plain[:, :, None]
    else:
        grey = is_grey(plain)
    digest, flat = content_hash(plain), bool((plain == plain[0, 0]).all())
    return Decoded(_full(plain, wanted), digest, width, height, mode, grey, transparent, animated, flat)


def decode_pixels(raw: bytes, wanted: ImageFormat, name: str = "") -> Array:
    """The pixels that `decode` gives, uint8 (H, W, C), and nothing else: half of its time, for what was once inspected.

    Raises:
        Skip: it can't be decoded.
    """
    plain = _shaped(open_image(io.BytesIO(raw), name), wanted)[0]
    return _full(plain[:, :, None] if plain.ndim == 2 else plain, wanted)


def _full(plain: Array, wanted: ImageFormat) -> Array:
    return with_channels(plain, wanted.channels or 3, wanted.background)


def _shaped(image: Image.Image, wanted: ImageFormat) -> tuple[Array, int, int, bool, bool]:
    """(pixels (H, W[, C]), width and height upright, whether see-through, whether animated) of an opened image."""
    try:
        animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))  # MPO: a photo and its preview
        width, height = image.size
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            # decodes at 1/2, 1/4 or 1/8 where that is still twice the size wanted, whichever way up
            image.draft(None, (2 * max(wanted.sides),) * 2)
        image.load()
        if image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
            width, height = height, width
        ImageOps.exif_transpose(image, in_place=True)
        plain, transparent = eight_bits(image, wanted)
        if wanted.channels == 1 and plain.mode != "L":
            plain = plain.convert("L")
        if wanted.channels == 4 and plain.mode != "RGBA":  # before a margin comes, which is see-through
            plain = plain.convert("RGBA")
        return fit(plain, wanted), width, height, transparent, animated
    except Skip:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as why:
        raise Skip("too many pixels") from why
    except MemoryError as why:
        raise Skip(NO_MEMORY) from why
    except Exception as why:  # as above: a damaged file can make a decoder raise anything
        raise Skip("cut short" if "truncated" in str(why).lower() else "damaged") from why


def read_image(path: str | os.PathLike[str], wanted: ImageFormat) -> Array:
    """One image file as a model of that form takes it: uint8 (H, W, C).

    Raises:
        UserError: it can't be read, or isn't an image.
    """
    shown = printable(str(path))
    try:
        with open(path, "rb") as file, quiet():
            return decode(file.read(MOST_BYTES), wanted, shown).pixels
    except OSError as error:
        raise UserError(f"{shown} can't be read: {error.strerror or error}.", "Name an image file.") from error
    except Skip as error:
        raise UserError(f"{shown} can't be used: {error}.", "Name another image file.") from error


def eight_bits(image: Image.Image, wanted: ImageFormat) -> tuple[Image.Image, bool]:
    """A loaded image in mode L or RGB, or RGBA where alpha is wanted and there; and whether some of it was see-through."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled(np.asarray(image), sixteen=image.mode != "F" and image.format == "PNG")), False
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] == 255:
            return image.convert("RGB"), False
        if wanted.channels == 4:
            return image, True
        background = Image.new("RGBA", image.size, (*wanted.background, 255))
        return Image.alpha_composite(background, image).convert("RGB"), True
    if image.mode in ("L", "RGB"):
        return image, False
    return image.convert("L" if image.mode == "1" else "RGB"), False


def _scaled(values: Array, sixteen: bool) -> Array:
    """Deep values as 8 bits: 16-bit ones divided by 257, so that 65,535 becomes 255; floats in [0, 1] times 255.

    Args:
        values: (H, W), integers of 16 or 32 bits, or floats.
        sixteen: the format says that these are 16-bit values, however small the greatest.
    """
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65_535):  # also where there are NaNs
        raise Skip("values beyond 16 bits")
    if sixteen or values.dtype.itemsize == 2 or high > 255:
        factor = 1 / 257
    else:
        factor = 255.0 if values.dtype.kind == "f" and high <= 1 else 1.0
    return np.rint(values.astype(np.float64) * factor).astype(np.uint8)


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(each for each in FORMATS if each in Image.OPEN)  # some builds and versions of Pillow lack a few
