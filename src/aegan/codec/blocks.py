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
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from aegan.codec.coding import Damaged, code_words, pixel_words, words_to_codes, words_to_pixels
from aegan.codec.fixed import UNIT
from aegan.codec.images import (
    FILE,
    MOST_PIXELS,
    PLANES,
    Picture,
    count_tiles,
    cut,
    extents,
    is_palette,
    joined,
    margins,
)
from aegan.data.fit import with_channels
from aegan.errors import UserError
from aegan.hints import Array
from aegan.model import Model
from aegan.networks.entropy import CodeDensity, PixelDensity, steps_of

VALUES = 2**20  # of a block of several images: 1,024 of 32x32
MOST_TABLE = 2**24  # bytes of a table that are believed
LOSSY, LOSSLESS = ("L", "RGB", "RGBA"), (*PLANES, FILE)  # the modes of images in a block
U32 = struct.Struct("<I")


class Row(NamedTuple):
    """An image in a block's table; of a FILE the height is its length."""

    place: int
    height: int
    width: int
    mode: str
    extra: str


class Blocks:
    """Writes and reads the blocks of one model.

    Args:
        model: trained by the strategy `codec`, with a density for this.
        step: of quantised codes, in units of 2^-8; 0: lossless.
    """

    def __init__(self, model: Model, step: int) -> None:
        self.model, self.step = model, step
        self.tile = (model.spec.height, model.spec.width)
        self.channels = model.spec.channels
        needed, kind = ("H", CodeDensity) if step else ("Q", PixelDensity)
        if not isinstance(model.networks.get(needed), kind) or not model.spec.is_image:
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
        runs = [self._lossy(coded)] if self.step else self._lossless(coded)
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
        rows, rest = _table(content, LOSSY if self.step else LOSSLESS)
        coded = [row for row in rows if row.mode != FILE]
        self._believe(coded)
        if self.step:
            words, rest = _words(rest)
            images = iter(self._from_codes(words, coded))
        else:
            joint, rest = _words(rest)
            single, rest = _words(rest)
            images = iter(self._from_pixels({3: joint, 1: single}, coded))
        out = []
        for row in rows:
            if row.mode == FILE:
                if len(rest) < row.height:
                    raise Damaged("a file is cut short")
                pixels, rest = np.frombuffer(rest[: row.height], np.uint8).reshape(-1, 1, 1), rest[row.height :]
            else:
                pixels = next(images)
            out.append((row.place, Picture(row.mode, pixels, row.extra)))
        return out

    def _believe(self, rows: list[Row]) -> None:
        """Refuses tables that no writer makes: a small file must not ask for all memory."""
        pixels = [row.height * row.width * PLANES[row.mode] for row in rows]
        one = math.prod(self.tile)
        tiled = sum(count_tiles(row.height, row.width, self.tile) for row in rows) * one * max(3, self.channels)
        if max(pixels, default=0) > 4 * MOST_PIXELS or (len(rows) > 1 and tiled > 8 * VALUES + 4 * one):
            raise Damaged("a table of too many pixels")

    # --- lossy --------------------------------------------------------------------------------------------------------

    def _lossy(self, pictures: Sequence[Picture]) -> Array:
        tiles = [np.zeros((0, *self.tile, self.channels), np.uint8)]
        for picture in pictures:
            grown = np.pad(picture.pixels, (*margins(*picture.size, self.tile), (0, 0)), mode="edge")
            tiles += [cut(planes, self.tile) for planes in self._as_trained(grown)]
        codes = torch.from_numpy(self.model.encode(np.concatenate(tiles)))
        s = torch.full((len(codes),), self.step / UNIT)
        k = steps_of(codes, s, self.model.strategy.offset)  # type: ignore[attr-defined]
        del codes, tiles
        return code_words(self.density, self.step, k.numpy())

    def _as_trained(self, pixels: Array) -> list[Array]:
        """Grey for a colour model is three times itself; colours for a grey one are three images; all is opaque to one of
        transparent images."""
        if self.channels == 1:
            return [pixels[:, :, c : c + 1] for c in range(pixels.shape[2])]
        return [with_channels(pixels, self.channels)]

    def _from_codes(self, words: Array, rows: Sequence[Row]) -> list[Array]:
        sets = [3 if row.mode == "RGB" and self.channels == 1 else 1 for row in rows]
        counts = [n * count_tiles(row.height, row.width, self.tile) for n, row in zip(sets, rows, strict=True)]
        k = words_to_codes(words, self.density, self.step, sum(counts))
        tiles = np.split(self.model.decode((k * (self.step / UNIT)).astype(np.float32)), np.cumsum(counts)[:-1])
        out = []
        for n, of_row, (_, height, width, mode, _) in zip(sets, tiles, rows, strict=True):
            (top, bottom), (left, right) = margins(height, width, self.tile)
            planes = [joined(t, height + top + bottom, width + left + right) for t in np.split(of_row, n)]
            pixels = np.concatenate(planes, 2)[top : top + height, left : left + width]
            if mode == "L" and pixels.shape[2] >= 3:
                pixels = np.rint(pixels[:, :, :3].mean(2, keepdims=True)).astype(np.uint8)
            elif mode == "RGB":
                pixels = pixels[:, :, :3]
            out.append(np.ascontiguousarray(pixels))
        return out

    # --- lossless -----------------------------------------------------------------------------------------------------

    def _widths(self, mode: str) -> list[int]:
        """How an image's planes are coded: three together, if they are those of the training images, the others alone."""
        joint = [3] if self.channels >= 3 and mode.startswith("RGB") else []
        return joint + [1] * (PLANES[mode] - sum(joint))

    def _lossless(self, pictures: Sequence[Picture]) -> list[Array]:
        tiles: dict[int, list[Array]] = {3: [], 1: []}
        sizes: dict[int, list[Array]] = {3: [], 1: []}
        for picture in pictures:
            widths = self._widths(picture.mode)
            for wide, planes in zip(widths, np.split(picture.pixels, np.cumsum(widths)[:-1], 2), strict=True):
                tiles[wide].append(cut(planes, self.tile))
                sizes[wide].append(extents(*picture.size, self.tile))
        return [
            pixel_words(self.density, np.concatenate(tiles[wide]), np.concatenate(sizes[wide]), wide == 3)
            if tiles[wide]
            else np.zeros(0, np.uint32)
            for wide in (3, 1)
        ]

    def _from_pixels(self, runs: dict[int, Array], rows: Sequence[Row]) -> list[Array]:
        found: dict[int, Iterator[Array]] = {}
        for wide, words in runs.items():
            sizes = [extents(r.height, r.width, self.tile) for r in rows for w in self._widths(r.mode) if w == wide]
            if sizes:
                tiles = words_to_pixels(words, self.density, self.tile, wide, np.concatenate(sizes), wide == 3)
                found[wide] = iter(np.split(tiles, np.cumsum([len(s) for s in sizes])[:-1]))
        out = []
        for row in rows:
            planes = np.concatenate([next(found[wide]) for wide in self._widths(row.mode)], 3)
            out.append(joined(planes, row.height, row.width))
        return out


def _table(content: bytes, modes: Collection[str]) -> tuple[list[Row], bytes]:
    """A block's table, checked, whose images are of these modes; and what follows it."""
    try:
        (length,) = U32.unpack_from(content)
        table = json.loads(zlib.decompressobj().decompress(content[4 : 4 + length], MOST_TABLE))
        good = isinstance(table["first"], int) and table["first"] >= 0
        good &= isinstance(table["images"], list) and len(table["images"]) > 0
        rows, place = [], table["first"] - 1
        for skip, height, width, mode, extra in table["images"]:
            good &= all(isinstance(v, int) and 0 < v < 2**31 for v in (skip, height, width))
            good &= mode in modes and (mode == FILE or max(height, width) < 2**20)
            good &= isinstance(extra, str) and (mode != "P" or is_palette(extra))
            place += skip
            rows.append(Row(place, height, width, mode, extra))
    except (ValueError, KeyError, TypeError, struct.error, zlib.error, RecursionError) as why:
        raise Damaged("no table") from why
    if not good:
        raise Damaged("a table that makes no sense")
    return rows, content[4 + length :]


def _words(rest: bytes) -> tuple[Array, bytes]:
    """A run of words, and what follows it."""
    if len(rest) < 4 or len(rest) < 4 + 4 * (count := U32.unpack_from(rest)[0]):
        raise Damaged("words are missing")
    return np.frombuffer(rest, "<u4", count, 4), rest[4 + 4 * count :]
