"""One stored image, of whatever kind, to 8-bit pixels of the form wanted; or the reason why not."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from aegan.data.colour import to_srgb
from aegan.data.depth import DARK, Kind, scaled, usual
from aegan.data.fit import fit, with_channels
from aegan.data.format import ImageFormat
from aegan.data.inspection import printable
from aegan.data.labels import Label
from aegan.data.opened import SUFFIXES, Opened, Skip, open_image, upright
from aegan.data.split import content_hash, is_grey
from aegan.errors import UserError
from aegan.hints import Array

__all__ = ["SUFFIXES", "Skip", "open_image"]  # of `aegan.data.opened`

Remark = Literal["converted", "unusable", "by rule", "exif", "missing", "bands"]

MOST_BYTES = 128 * 2**20  # of one stored image: more is a mistake or an attack
TOO_LARGE = f"more than {MOST_BYTES >> 20} MB"
LOSSY = ("JPEG", "MPO")
NO_MEMORY = "too large for this machine's memory"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored image, or another file that may say which class images have."""

    name: str  # its path inside the source, with forward slashes
    read: Callable[[int], bytes]  # gives at most so many of its bytes; raises `Skip`
    label: Label | None = None  # a class number or name, where the source has one


@dataclass(frozen=True)
class Decoded:
    """One image as a model will see it, and what it was."""

    pixels: Array  # uint8 (H, W, C)
    digest: bytes  # its `content_hash`
    width: int  # as stored, upright
    height: int
    mode: str  # as stored, Pillow's name
    grey: bool  # all channels are equal
    transparent: bool  # some of it was
    animated: bool  # it had further frames
    flat: bool  # it is all one colour
    remarks: tuple[Remark, ...] = ()  # what else was done to it


@dataclass(frozen=True)
class Unscaled:
    """The least and the greatest value of an image whose scale depends on the whole set: deep, or of few levels."""

    kind: Kind
    low: float
    high: float


@dataclass(frozen=True)
class Flat:
    """A whole image of 8 bits, upright, in sRGB."""

    image: Image.Image  # of mode L or RGB, or RGBA where alpha is wanted and there
    turned: bool  # width and height were exchanged
    transparent: bool  # some of it was
    remarks: tuple[Remark, ...]  # what else was done to it


@contextmanager
def quiet() -> Iterator[None]:
    """Around decoding: an image too large by Pillow's limit is refused, its other complaints are not for the user.

    Set once around all threads, because Python's warning filters belong to the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(raw: bytes, wanted: ImageFormat, name: str = "") -> Decoded:
    """Decodes, turns upright, brings to sRGB and to 8 bits, composites transparency on the background, and fits the size.

    Args:
        wanted: the form of the result, of a known size; channels of None give 3. Values of more than 8 bits are scaled by
            its `depth`, and, where that says nothing of their kind, by their own range.
        name: the file's name, for its suffix.

    Raises:
        Skip: it can't be decoded.
    """
    return _of(open_image(raw, name), wanted)[0]


def survey(raw: bytes, wanted: ImageFormat, name: str = "") -> Decoded | Unscaled:
    """What `decode` gives; of values of more than 8 bits, or of 8 and all of few levels, for which `wanted` has no scale,
    their range alone.
    """
    opened = open_image(raw, name)
    if opened.deep:
        with skipping():
            numbers = opened.numbers()
            if wanted.depth is None or wanted.depth.span(numbers.kind) is None:
                return Unscaled(numbers.kind, *numbers.ends)
        opened = open_image(raw, name)
    elif wanted.depth is None or wanted.depth.bytes is None:
        found, flat = _of(opened, wanted)
        # the margin of a padded image is no part of it; where pixels are bright, so is what they were made of
        dark = wanted.fit == "pad" or not (found.pixels[..., :3] > DARK).any()
        if dark and (ends := _levels(opened, flat.image)):
            return Unscaled("bytes", *ends)
        return found
    return _of(opened, wanted)[0]


def decode_pixels(raw: bytes, wanted: ImageFormat, name: str = "") -> Array:
    """The pixels that `decode` gives, uint8 (H, W, C), and nothing else: half of its time, for what was once inspected."""
    plain, _ = _shaped(open_image(raw, name), wanted)
    return with_channels(plain, wanted.channels or 3, wanted.background)


def _of(opened: Opened, wanted: ImageFormat) -> tuple[Decoded, Flat]:
    """An opened image as a model will see it, and what that was made of."""
    mode, animated, (width, height) = opened.mode, opened.animated, opened.size
    plain, flat = _shaped(opened, wanted)
    if flat.turned:
        width, height = height, width
    pixels = with_channels(plain, wanted.channels or 3, wanted.background)
    grey, one = plain.shape[2] == 1 or is_grey(plain), bool((plain == plain[0, 0]).all())
    digest = content_hash(plain)
    found = Decoded(pixels, digest, width, height, mode, grey, flat.transparent, animated, one, flat.remarks)
    return found, flat


def _levels(opened: Opened, image: Image.Image) -> tuple[int, int] | None:
    """The least and the greatest value of an 8-bit image of few levels; None: it has more, or was compressed with loss."""
    if opened.deep or (opened.image is not None and opened.image.format in LOSSY):
        return None
    bands = np.asarray(image.getextrema()).reshape(-1, 2)[:3]
    return (int(bands.min()), int(bands.max())) if bands.max() <= DARK else None


def _shaped(opened: Opened, wanted: ImageFormat) -> tuple[Array, Flat]:
    """(pixels (H, W, C) in the size wanted, what they were made of) of an opened image."""
    with skipping():
        image = opened.image
        if image is not None and image.format == "JPEG" and image.mode in ("RGB", "L"):
            # decodes at 1/2, 1/4 or 1/8 where that is still twice the size wanted, whichever way up
            image.draft(None, (2 * max(wanted.sides),) * 2)
        flat = flatten(opened, wanted)
        plain = flat.image
        span = wanted.depth.bytes if wanted.depth else None
        if span and span[1] <= DARK and (ends := _levels(opened, plain)) and ends[1] <= span[1]:
            table = scaled(np.arange(256), span).tolist()
            plain = plain.point(table * 3 + list(range(256)) if plain.mode == "RGBA" else table * len(plain.getbands()))
        if wanted.channels == 1 and plain.mode != "L":
            plain = plain.convert("L")
        if wanted.channels == 4 and plain.mode != "RGBA":  # before a margin comes, which is transparent
            plain = plain.convert("RGBA")
        return np.atleast_3d(fit(plain, wanted)), flat


def flatten(opened: Opened, wanted: ImageFormat) -> Flat:
    """All of an opened image at 8 bits, in its own size; for use within `skipping`."""
    remarks: list[Remark] = ["bands"] if opened.bands else []
    if opened.deep:
        numbers = opened.numbers()
        span = wanted.depth.span(numbers.kind) if wanted.depth is not None else None
        image = Image.fromarray(scaled(numbers.values, span or usual(numbers.ends, numbers.kind)))
        if numbers.alpha is not None:
            image.putalpha(Image.fromarray(numbers.alpha))
        if numbers.missing:
            remarks.append("missing")
    else:
        image = opened.load()
    if (orientation := opened.orientation()) == 0:
        remarks.append("exif")
    image, outcome = to_srgb(upright(image, orientation), opened.profile)
    if outcome != "":
        remarks.append(outcome)
    elif opened.broken:
        remarks.append("unusable")
    image, transparent = _laid(image, wanted)
    return Flat(image, orientation >= 5, transparent and "missing" not in remarks, tuple(remarks))


def read_image(path: str | os.PathLike[str], wanted: ImageFormat) -> Array:
    """One image file as a model of that form takes it: uint8 (H, W, C).

    Raises:
        UserError: it can't be read, or isn't an image.
    """
    shown = printable(str(path))
    try:
        with open(path, "rb") as file, quiet():
            return decode_pixels(file.read(MOST_BYTES), wanted, shown)
    except OSError as error:
        raise UserError(f"{shown} can't be read: {error.strerror or error}.", "Name an image file.") from error
    except Skip as error:
        raise UserError(f"{shown} can't be used: {error}.", "Name another image file.") from error


def _laid(image: Image.Image, wanted: ImageFormat) -> tuple[Image.Image, bool]:
    """An image of 8 bits in mode L or RGB, or RGBA where alpha is wanted and there; and whether it was transparent."""
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


@contextmanager
def skipping() -> Iterator[None]:
    """Around decoding: whatever a decoder raises becomes a `Skip`."""
    try:
        yield
    except Skip:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as why:
        raise Skip("too many pixels") from why
    except MemoryError as why:
        raise Skip(NO_MEMORY) from why
    except Exception as why:  # a damaged file can make a decoder raise anything
        raise Skip("cut short" if "truncated" in str(why).lower() else "damaged") from why
