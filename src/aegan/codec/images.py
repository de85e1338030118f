"""Images as a codec sees them: of any size and mode, cut into tiles of the model's size, and put together again."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from aegan.data import arrays, builtin
from aegan.data.decode import MOST_BYTES, flatten, quiet, skipping
from aegan.data.files import Entry
from aegan.data.format import ImageFormat
from aegan.data.inspection import printable
from aegan.data.open import KINDS, check_name, files_in
from aegan.data.opened import Skip, open_image, upright
from aegan.data.spec import Numbered
from aegan.errors import UserError, unreadable
from aegan.folders import expanded
from aegan.hints import Array
from aegan.pictures import as_image

Sides = tuple[int, int]  # height and width

PLANES = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
FILE = "file"  # the mode of what is kept as the file it was
MOST_PIXELS = 2**27  # of an image


@dataclass(frozen=True)
class Picture:
    """One image."""

    mode: str  # Pillow's name; or FILE
    pixels: Array  # uint8 (h, w, planes); of a FILE its bytes, (n, 1, 1)
    extra: str = ""  # what else the mode needs: the palette and transparency of P, the suffix of a FILE

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.pixels.shape[:2]
        return height, width

    def image(self) -> Image.Image:
        """For Pillow. FILEs have none."""
        if self.mode == "CMYK":
            return Image.frombytes("CMYK", (self.pixels.shape[1], self.pixels.shape[0]), self.pixels.tobytes())
        image = as_image(self.pixels)
        if self.mode == "1":
            return image.convert("1", dither=Image.Dither.NONE)
        if self.mode == "P":
            image = image.copy()
            palette, _, clear = self.extra.partition("|")
            image.putpalette(base64.b64decode(palette))
            if clear:
                image.info["transparency"] = int(clear) if clear.isdecimal() else base64.b64decode(clear)
        return image


def is_palette(extra: str) -> bool:
    """Whether this is what a picture of mode P has with it."""
    palette, _, clear = extra.partition("|")
    try:
        colours, alpha = base64.b64decode(palette, validate=True), b""
        if not clear.isdecimal():
            alpha = base64.b64decode(clear, validate=True)
    except ValueError:
        return False
    return len(colours) <= 768 and len(colours) % 3 == 0 and len(alpha) <= 256 and len(clear) < 400


class ImageSource:
    """The images of any DATA, one after the other, at their own sizes.

    Args:
        source: as for `aegan.open_data`.
        exact: modes and pixels stay as they are; else images come as L, RGB or RGBA, as for training.
        wanted: the form that the model was trained on, of which the size is of no account here.

    Attributes:
        names: of all of them, in order.
        skipped: reasons by name, of those that could not be read so far.
    """

    def __init__(self, source: str, exact: bool, wanted: ImageFormat) -> None:
        self.skipped: dict[str, str] = {}
        self.names: Sequence[str]
        self._pictures: Iterator[tuple[int, Picture]]
        if source in builtin.NAMES:
            parts = [part for part in builtin.NAMES[source].read(None) if part is not None]
            if parts[0].items.ndim == 2:
                raise _vectors(source)
            self._pictures = enumerate(_of_array(item) for part in parts for item in part.items)
            named = zip(("train", "test"), parts, strict=False)
            self.names = [f"{split}-{i}" for split, part in named for i in range(len(part.items))]
            return
        check_name(source)
        path = expanded(source)
        suffix = path.suffix.lower()
        if suffix in (".npy", ".npz") and path.is_file():
            stored = arrays.from_npy(path) if suffix == ".npy" else arrays.from_npz(path)
            how = arrays.plan(stored, wanted.depth)
            if how.vectors:
                raise _vectors(source)
            if exact and stored.dtype != np.uint8:
                raise UserError(
                    f"{source} holds {stored.dtype}, and lossless means 8-bit pixels.",
                    "Leave --lossless out, or store uint8.",
                )

            def images(chunk: Array) -> Array:
                if not exact:
                    return arrays.examples(chunk, how, wanted)[0]
                return chunk.transpose(0, 2, 3, 1) if how.first else chunk  # with the very channels that it has

            items = (item for chunk in stored.rows() for item in images(chunk))
            self._pictures = enumerate(_of_array(np.atleast_3d(item)) for item in items)
            self.names = Numbered(np.arange(stored.shape[0]))
            return
        try:
            found = files_in(path, printable(source), everything=True)
        except OSError as why:
            raise unreadable(source, why) from why
        if not found.total:
            raise UserError(f"{source} holds no images.", f"Name {KINDS}.")
        entries = list(found.entries)
        self.names = [entry.name for entry in entries]
        self._pictures = self._decoded(entries, None if exact else wanted)

    def __iter__(self) -> Iterator[tuple[int, Picture]]:
        """Place in `names`, and the image."""
        return self._pictures

    def _decoded(self, entries: Sequence[Entry], wanted: ImageFormat | None) -> Iterator[tuple[int, Picture]]:
        with quiet():
            for i, entry in enumerate(entries):
                try:
                    raw = entry.read(MOST_BYTES + 1)
                    if len(raw) > MOST_BYTES:
                        raise Skip("too large")
                    yield i, _decode(raw, entry.name, wanted)
                except Skip as why:
                    self.skipped[entry.name] = str(why)


def _of_array(item: Array) -> Picture:
    return Picture({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[item.shape[2]], np.ascontiguousarray(item))


def _vectors(source: str) -> UserError:
    return UserError(
        f"'{source}' holds vectors, and the codec is one of images.", "Use `aegan encode` for their codes."
    )


def _decode(raw: bytes, name: str, wanted: ImageFormat | None) -> Picture:
    """One stored image, exactly where no form is wanted; metadata other than its orientation is left out.

    Raises:
        Skip: it can't be decoded.
    """
    opened = open_image(raw, name)
    with skipping():
        if wanted is not None:
            return _exact(flatten(opened, wanted).image)
        as_stored = Picture(FILE, np.frombuffer(raw, np.uint8).reshape(-1, 1, 1), Path(name).suffix.lower())
        clear = opened.mode in ("1", "L") and opened.image is not None and "transparency" in opened.image.info
        if opened.deep or opened.bands or clear or opened.animated or opened.mode not in PLANES:
            return as_stored
        picture = _exact(upright(opened.load(), opened.orientation()))
        if picture.mode == "P" and not is_palette(picture.extra):  # more of it than a palette has
            return as_stored
        return picture


def _exact(image: Image.Image) -> Picture:
    extra = ""
    if image.mode == "P":
        extra = base64.b64encode(bytes(image.getpalette("RGB") or [])).decode()
        clear = image.info.get("transparency")
        if clear is not None:
            extra += "|" + (str(clear) if isinstance(clear, int) else base64.b64encode(clear).decode())
    elif image.mode == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    return Picture(image.mode, pixels.reshape(*pixels.shape[:2], -1), extra)


# --- tiles --------------------------------------------------------------------------------------------------------------


def count_tiles(height: int, width: int, tile: Sides) -> int:
    """Of one plane or of one set of planes."""
    return -(-height // tile[0]) * -(-width // tile[1])


def cut(pixels: Array, tile: Sides) -> Array:
    """Tiles uint8 (n, *tile, C) of pixels (h, w, C), row by row; what is missing at the far edges is zero."""
    height, width, channels = pixels.shape
    tall, wide = tile
    rows, cols = -(-height // tall), -(-width // wide)
    whole = np.zeros((rows * tall, cols * wide, channels), np.uint8)
    whole[:height, :width] = pixels
    return whole.reshape(rows, tall, cols, wide, channels).swapaxes(1, 2).reshape(-1, tall, wide, channels)


def joined(tiles: Array, height: int, width: int) -> Array:
    """The image of (h, w, C) that was `cut`."""
    _, tall, wide, channels = tiles.shape
    rows, cols = -(-height // tall), -(-width // wide)
    whole = tiles.reshape(rows, cols, tall, wide, channels).swapaxes(1, 2).reshape(rows * tall, cols * wide, channels)
    return np.ascontiguousarray(whole[:height, :width])


def extents(height: int, width: int, tile: Sides) -> Array:
    """Rows and columns of each tile that lie in the image, (n, 2)."""
    tall, wide = (np.minimum(t, n - np.arange(0, n, t)) for n, t in zip((height, width), tile, strict=True))
    return np.stack(np.meshgrid(tall, wide, indexing="ij"), -1).reshape(-1, 2)


def margins(height: int, width: int, tile: Sides) -> tuple[Sides, Sides]:
    """Pixels to add above and below, left and right, until the sides are multiples of the tile's: as much on both sides."""
    tall, wide = -height % tile[0], -width % tile[1]
    return (tall // 2, tall - tall // 2), (wide // 2, wide - wide // 2)
