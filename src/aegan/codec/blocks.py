"""A group of images as bytes: a table of their sizes and modes, the coder's words, and files kept as they were.

    length of table 4 | table | number of words 4 | words | … | files

The table is JSON, deflated. A lossy block has one run of words, of codes; a lossless one has two, of tiles whose channels
are those of the model, and of single planes.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aegan.codec.coding import Damaged, code_words, pixel_words, words_to_codes, words_to_pixels
from aegan.codec.fixed import UNIT
from aegan.codec.images import FILE, MOST_PIXELS, PLANES, Picture, count_tiles, cut, extents, joined, margins
from aegan.data.fit import with_channels
from aegan.errors import UserError
from aegan.networks.entropy import steps_of

if TYPE_CHECKING:
    from aegan.model import Model

Array = NDArray[Any]

VALUES = 2**20  # of a block of several images: 1,024 of 32x32
MOST_TABLE = 2**24  # bytes of a table that are believed
U32 = struct.Struct("<I")


class Blocks:
    """Writes and reads the blocks of one model.

    Args:
        model: trained by the strategy `codec`.
        step: of quantised codes, in units of 2^-8; 0: lossless.

    Raises:
        UserError: the model has no density for this.
    """

    def __init__(self, model: Model, step: int) -> None:
        self.model, self.step = model, step
        self.tile = (model.spec.height, model.spec.width)
        self.channels = model.spec.channels
        needed = "H" if step else "Q"
        if needed not in model.networks or not model.spec.is_image:
            what = "images" if not model.spec.is_image else "the lossless density" if needed == "Q" else "a codec"
            raise UserError(
                f"This model of strategy '{model.strategy.name}' was not trained for {what}.",
                "Train one: aegan train DATA --strategy codec",
            )
        self.density: Any = model.networks[needed]

    def values(self, picture: Picture) -> int:
        """How many values of tiles an image takes."""
        height, width = picture.size
        if picture.mode == FILE:
            return height
        planes = max(picture.pixels.shape[2], self.channels if self.step else 1)
        return count_tiles(height, width, self.tile) * math.prod(self.tile) * planes

    def packed(self, pictures: Sequence[tuple[int, Picture]]) -> bytes:
        """The block of some images, as (place in the names, image)."""
        table, files, before = [], [], pictures[0][0] - 1
        for place, picture in pictures:
            table.append([place - before, *picture.size, picture.mode, picture.extra])
            before = place
            if picture.mode == FILE:
                files.append(picture.pixels.tobytes())
        coded = [picture for _, picture in pictures if picture.mode != FILE]
        runs = (self._lossy(coded),) if self.step else self._lossless(coded)
        head = zlib.compress(json.dumps({"first": pictures[0][0], "images": table}, separators=(",", ":")).encode(), 9)
        parts = [U32.pack(len(head)), head]
        for words in runs:
            parts += [U32.pack(len(words)), words.astype("<u4").tobytes()]
        return b"".join(parts + files)

    def unpacked(self, content: bytes) -> list[tuple[int, Picture]]:
        """What `packed` was given; of a lossy block, what is left of it.

        Raises:
            Damaged: it is no such block, whatever its checksum says.
        """
        table, rest = _table(content)
        places, place = [], table["first"] - 1
        for skip, *_ in table["images"]:
            place += skip
            places.append(place)
        rows = [(h, w, mode, extra) for _, h, w, mode, extra in table["images"]]
        coded = [row for row in rows if row[2] != FILE]
        self._believe(coded)
        if self.step:
            words, rest = _words(rest)
            made = self._from_codes(words, coded)
        else:
            joint, rest = _words(rest)
            single, rest = _words(rest)
            made = self._from_pixels(joint, single, coded)
        out, images = [], iter(made)
        for place, (height, _, mode, extra) in zip(places, rows, strict=True):
            if mode == FILE:
                if len(rest) < height:
                    raise Damaged("a file is cut short")
                out.append((place, Picture(FILE, np.frombuffer(rest[:height], np.uint8).reshape(-1, 1, 1), extra)))
                rest = rest[height:]
            else:
                out.append((place, Picture(mode, next(images), extra)))
        return out

    def _believe(self, rows: list[tuple[int, int, str, str]]) -> None:
        """Refuses tables that no writer makes: a small file must not ask for all memory."""
        pixels = [height * width * PLANES[mode] for height, width, mode, _ in rows]
        one = math.prod(self.tile)
        tiled = sum(count_tiles(h, w, self.tile) for h, w, *_ in rows) * one * max(3, self.channels)
        if max(pixels, default=0) > 4 * MOST_PIXELS or (len(rows) > 1 and tiled > 8 * VALUES + 4 * one):
            raise Damaged("a table of too many pixels")

    # --- lossy --------------------------------------------------------------------------------------------------------

    def _lossy(self, pictures: Sequence[Picture]) -> Array:
        tiles = [np.zeros((0, *self.tile, self.channels), np.uint8)]
        for picture in pictures:
            grown = np.pad(picture.pixels, (*margins(*picture.size, self.tile), (0, 0)), mode="edge")
            tiles += [cut(planes, self.tile) for planes in self._as_trained(grown)]
        codes = self.model.encode(np.concatenate(tiles))
        s = torch.full((len(codes),), self.step / UNIT)
        k = steps_of(torch.from_numpy(codes), s, self.model.strategy.offset)  # type: ignore[attr-defined]
        return code_words(self.density, self.step, k.numpy().astype(np.int64))

    def _as_trained(self, pixels: Array) -> list[Array]:
        """Grey for a colour model is three times itself; colours for a grey one are three images; all is opaque to one of
        transparent images."""
        if self.channels == 1:
            return [pixels[:, :, c : c + 1] for c in range(pixels.shape[2])]
        return [with_channels(pixels, self.channels)]

    def _from_codes(self, words: Array, rows: Sequence[tuple[int, int, str, str]]) -> list[Array]:
        sets = [3 if mode == "RGB" and self.channels == 1 else 1 for _, _, mode, _ in rows]
        counts = [n * count_tiles(h, w, self.tile) for n, (h, w, *_) in zip(sets, rows, strict=True)]
        k = words_to_codes(words, self.density, self.step, sum(counts))
        tiles = self.model.decode((k * (self.step / UNIT)).astype(np.float32))
        out, at = [], 0
        for n, count, (height, width, mode, _) in zip(sets, counts, rows, strict=True):
            (top, bottom), (left, right) = margins(height, width, self.tile)
            grown = (height + top + bottom, width + left + right)
            each = np.split(tiles[at : at + count], n)
            pixels = np.concatenate([joined(t, *grown) for t in each], 2)[top : top + height, left : left + width]
            if mode == "L" and pixels.shape[2] >= 3:
                pixels = np.rint(pixels[:, :, :3].mean(2, keepdims=True)).astype(np.uint8)
            elif mode == "RGB":
                pixels = pixels[:, :, :3]
            out.append(np.ascontiguousarray(pixels))
            at += count
        return out

    # --- lossless -----------------------------------------------------------------------------------------------------

    def _joint(self, mode: str) -> int:
        """How many of an image's planes are coded together, as those of the training images."""
        return 3 if self.channels >= 3 and mode.startswith("RGB") else 0

    def _lossless(self, pictures: Sequence[Picture]) -> tuple[Array, Array]:
        joint, single, joint_sizes, single_sizes = [], [], [], []
        for picture in pictures:
            first, size = self._joint(picture.mode), extents(*picture.size, self.tile)
            if first:
                joint.append(cut(picture.pixels[:, :, :first], self.tile))
                joint_sizes.append(size)
            for c in range(first, picture.pixels.shape[2]):
                single.append(cut(picture.pixels[:, :, c : c + 1], self.tile))
                single_sizes.append(size)
        return self._pixel_words(joint, joint_sizes, True), self._pixel_words(single, single_sizes, False)

    def _pixel_words(self, tiles: list[Array], sizes: list[Array], joint: bool) -> Array:
        if not tiles:
            return np.zeros(0, np.uint32)
        return pixel_words(self.density, np.concatenate(tiles), np.concatenate(sizes), joint)

    def _from_pixels(self, joint: Array, single: Array, rows: Sequence[tuple[int, int, str, str]]) -> list[Array]:
        sizes = [extents(h, w, self.tile) for h, w, *_ in rows]
        first = [self._joint(mode) for _, _, mode, _ in rows]
        together = iter(self._pixels(joint, 3, [s for s, f in zip(sizes, first, strict=True) if f], True))
        alone = [s for s, f, row in zip(sizes, first, rows, strict=True) for _ in range(f, PLANES[row[2]])]
        apart = iter(self._pixels(single, 1, alone, False))
        out = []
        for f, (height, width, mode, _) in zip(first, rows, strict=True):
            planes = [next(together)] if f else []
            planes += [next(apart) for _ in range(f, PLANES[mode])]
            out.append(joined(np.concatenate(planes, 3), height, width))
        return out

    def _pixels(self, words: Array, channels: int, sizes: list[Array], joint: bool) -> list[Array]:
        if not sizes:
            return []
        tiles = words_to_pixels(words, self.density, self.tile, channels, np.concatenate(sizes), joint)
        return np.split(tiles, np.cumsum([len(s) for s in sizes])[:-1])


def _table(content: bytes) -> tuple[dict[str, Any], bytes]:
    """A block's table, checked, and what follows it."""
    try:
        (length,) = U32.unpack_from(content)
        inflate = zlib.decompressobj()
        table = json.loads(inflate.decompress(content[4 : 4 + length], MOST_TABLE))
        first, images = table["first"], table["images"]
        good = isinstance(first, int) and first >= 0 and isinstance(images, list) and len(images) > 0
        for skip, height, width, mode, extra in images:
            good &= all(isinstance(v, int) and 0 < v < 2**31 for v in (skip, height, width))
            good &= isinstance(extra, str) and (mode == FILE or (mode in PLANES and max(height, width) < 2**20))
    except (ValueError, KeyError, TypeError, struct.error, zlib.error, RecursionError) as why:
        raise Damaged("no table") from why
    if not good:
        raise Damaged("a table that makes no sense")
    return table, content[4 + length :]


def _words(rest: bytes) -> tuple[Array, bytes]:
    """A run of words, and what follows it."""
    if len(rest) < 4 or len(rest) < 4 + 4 * (count := U32.unpack_from(rest)[0]):
        raise Damaged("words are missing")
    return np.frombuffer(rest, "<u4", count, 4), rest[4 + 4 * count :]
