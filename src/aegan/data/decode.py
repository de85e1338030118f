"""One stored image, of whatever kind, to 8-bit pixels of the form wanted; or the reason why not."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray
from PIL import Image

from aegan.data.colour import to_srgb
from aegan.data.depth import Kind, scaled, usual
from aegan.data.fit import fit, with_channels
from aegan.data.format import ImageFormat
from aegan.data.inspection import printable
from aegan.data.opened import SUFFIXES, Opened, Skip, open_image, upright
from aegan.data.split import content_hash, is_grey
from aegan.errors import UserError

__all__ = ["SUFFIXES", "Skip", "open_image"]  # of `aegan.data.opened`

Array = NDArray[Any]
Remark = Literal["converted", "unusable", "by rule", "exif", "missing", "bands"]

MOST_BYTES = 128 * 2**20  # of one stored image: more is a mistake or an attack
NO_MEMORY = "too large for this machine's memory"


@dataclass(frozen=True)
class Decoded:
    """One image as a model will see it, and what it was.

    Args:
        pixels: uint8 (H, W, C).
        digest: its `content_hash`.
        width, height: as stored, upright, pixels.
        mode: as stored, Pillow's name.
        grey: whether all channels are equal.
        transparent: whether some of it was transparent.
        animated: whether it had further frames.
        flat: whether it is all one colour.
        remarks: what else was done to it.
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
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Unscaled:
    """The values of an image of more than 8 bits, whose scale depends on the whole set.

    Args:
        kind: whole numbers or floats.
        low, high: the least and the greatest of them.
    """

    kind: Kind
    low: float
    high: float


@dataclass(frozen=True)
class Flat:
    """A whole image of 8 bits, upright, in sRGB.

    Args:
        image: of mode L or RGB, or RGBA where alpha is wanted and there.
        turned: width and height were exchanged.
        transparent: some of it was transparent.
        remarks: what else was done to it.
    """

    image: Image.Image
    turned: bool
    transparent: bool
    remarks: tuple[Remark, ...]


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


def decode(raw: bytes, wanted: ImageFormat, name: str = "") -> Decoded:
    """Decodes, turns upright, brings to sRGB and to 8 bits, composites transparency on the background, and fits the size.

    Args:
        raw: the file's bytes.
        wanted: the form of the result, of a known size; channels of None give 3. Values of more than 8 bits are scaled by
            its `depth`, and, where that says nothing of their kind, by their own range.
        name: the file's name, for its suffix.

    Raises:
        Skip: it can't be decoded.
    """
    return _decoded(open_image(raw, name), wanted)


def survey(raw: bytes, wanted: ImageFormat, name: str = "") -> Decoded | Unscaled:
    """What `decode` gives; of values of more than 8 bits for which `wanted` has no scale, their range alone.

    Raises:
        Skip: it can't be decoded.
    """
    opened = open_image(raw, name)
    if opened.deep:
        with skipping():
            numbers = opened.numbers()
            if wanted.depth is None or wanted.depth.span(numbers.kind) is None:
                return Unscaled(numbers.kind, *numbers.ends)
        opened = open_image(raw, name)
    return _decoded(opened, wanted)


def decode_pixels(raw: bytes, wanted: ImageFormat, name: str = "") -> Array:
    """The pixels that `decode` gives, uint8 (H, W, C), and nothing else: half of its time, for what was once inspected.

    Raises:
        Skip: it can't be decoded.
    """
    plain = _shaped(open_image(raw, name), wanted)[0]
    return _full(plain[:, :, None] if plain.ndim == 2 else plain, wanted)


def _decoded(opened: Opened, wanted: ImageFormat) -> Decoded:
    mode, animated, (width, height) = opened.mode, opened.animated, opened.size
    plain, flat = _shaped(opened, wanted)
    if flat.turned:
        width, height = height, width
    if plain.ndim == 2:
        grey, plain = True, plain[:, :, None]
    else:
        grey = is_grey(plain)
    digest, one = content_hash(plain), bool((plain == plain[0, 0]).all())
    return Decoded(
        _full(plain, wanted), digest, width, height, mode, grey, flat.transparent, animated, one, flat.remarks
    )


def _full(plain: Array, wanted: ImageFormat) -> Array:
    return with_channels(plain, wanted.channels or 3, wanted.background)


def _shaped(opened: Opened, wanted: ImageFormat) -> tuple[Array, Flat]:
    """(pixels (H, W[, C]) in the size wanted, what they were made of) of an opened image."""
    with skipping():
        image = opened.image
        if image is not None and image.format == "JPEG" and image.mode in ("RGB", "L"):
            # decodes at 1/2, 1/4 or 1/8 where that is still twice the size wanted, whichever way up
            image.draft(None, (2 * max(wanted.sides),) * 2)
        flat = flatten(opened, wanted)
        plain = flat.image
        if wanted.channels == 1 and plain.mode != "L":
            plain = plain.convert("L")
        if wanted.channels == 4 and plain.mode != "RGBA":  # before a margin comes, which is transparent
            plain = plain.convert("RGBA")
        return fit(plain, wanted), flat


def flatten(opened: Opened, wanted: ImageFormat) -> Flat:
    """All of an opened image at 8 bits, in its own size.

    Raises:
        Skip: there is a reason not to use it.
        Exception: of any kind, where it is damaged.
    """
    remarks: list[Remark] = ["bands"] if opened.bands else []
    missing = False
    if opened.deep:
        numbers = opened.numbers()
        span = wanted.depth.span(numbers.kind) if wanted.depth is not None else None
        image = Image.fromarray(scaled(numbers.values, span or usual(numbers.ends, numbers.kind)))
        if numbers.alpha is not None:
            image.putalpha(Image.fromarray(numbers.alpha))
        missing = numbers.missing
        remarks += ["missing"] if missing else []
    else:
        image = opened.load()
    if (orientation := opened.orientation()) == 0:
        remarks.append("exif")
    image, outcome = to_srgb(upright(image, orientation), opened.profile)
    if outcome == "" and opened.broken:
        outcome = "unusable"
    if outcome != "":
        remarks.append(outcome)
    image, transparent = _laid(image, wanted)
    return Flat(image, orientation >= 5, transparent and not missing, tuple(remarks))


def read_image(path: str | os.PathLike[str], wanted: ImageFormat | int, channels: int | None = None) -> Array:
    """One image file as a model of that form takes it: uint8 (H, W, C).

    Args:
        path: the file.
        wanted: the form of the result, or the side of a square one.
        channels: where `wanted` is a side: 1, 3 or 4.

    Raises:
        UserError: it can't be read, or isn't an image.
    """
    shown = printable(str(path))
    form = wanted if isinstance(wanted, ImageFormat) else ImageFormat.of(wanted, channels)
    try:
        with open(path, "rb") as file, quiet():
            return decode(file.read(MOST_BYTES), form, shown).pixels
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
