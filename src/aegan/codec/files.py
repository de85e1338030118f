"""Whole files: any DATA to an .aeg, and back to a folder of images or an array."""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aegan.codec.blocks import VALUES, Blocks
from aegan.codec.coding import Damaged
from aegan.codec.container import BLOCK, NAMES, FileHead, Writer, records, scan
from aegan.codec.fixed import UNIT
from aegan.codec.images import FILE, ImageSource, Picture
from aegan.data.given import is_path
from aegan.data.spec import Numbered
from aegan.engine.state import prefixed
from aegan.errors import UserError
from aegan.files import explained, need_empty, whole_file
from aegan.folders import expanded
from aegan.hints import AnyPath
from aegan.model import Model
from aegan.names import FreshNames, printable, safe
from aegan.tensor_files import digest

NAMES_PART = 50_000  # names in a record
MOST_NAMES = 2**26  # bytes of names in a record that are believed
IMAGES = 4_096  # most in a block


@dataclass(frozen=True)
class Compressed:
    """What `compress` did."""

    images: int
    bytes: int  # of the file, all of it
    pixels: int  # of all images
    skipped: dict[str, str]  # what could not be read, reasons by name

    @property
    def bits_per_pixel(self) -> float:
        return 8 * self.bytes / max(1, self.pixels)


@dataclass
class Decompressed:
    """What `decompress` found."""

    images: int = 0  # given back
    expected: int = -1  # that the file should hold; -1 if its end is missing
    lost: list[str] = field(default_factory=list)  # names of the others, as far as they are known
    whole: bool = True  # nothing is damaged or missing


def fingerprint(model: Model) -> str:
    """Content hash of a model's weights: a file can be read by the model that wrote it, and by no other."""
    return digest(prefixed(model.networks))


def step_of(model: Model, quality: int) -> int:
    """The step of codes for a quality of 1 to 100, in units of 2^-8: from the coarsest that was learned to the finest.

    Raises:
        UserError: no such quality, or no codec.
    """
    if not 1 <= quality <= 100:
        raise UserError(f"Quality is from 1 to 100, not {quality}.", "50 is the default.")
    fine, coarse = getattr(model.strategy, "steps", (1.0, 1.0))
    return round(UNIT * coarse * (fine / coarse) ** ((quality - 1) / 99))


def compress(
    model: Model, source: AnyPath, out: AnyPath, *, quality: int = 50, lossless: bool = False, run: str = ""
) -> Compressed:
    """Writes the images of any DATA as one file, block by block; memory holds one block.

    Args:
        model: trained by the strategy `codec`.
        source: a path or a built-in name, as for `aegan.open_data`; images of any size, which is kept.
        quality: 1 to 100.
        lossless: every pixel comes back as it was; quality says nothing then.
        run: where the model is, for whoever decompresses.

    Raises:
        UserError: the model is no codec, nothing usable is in `source`, `out` can't be written.
    """
    if not is_path(source):
        kind = type(source).__name__
        raise UserError(
            f"compress takes the path of images or a built-in name, not what is of type {kind}.",
            "Save arrays first: numpy.save(path, images).",
        )
    source, out = os.fspath(source), expanded(out)
    step = 0 if lossless else step_of(model, quality)
    blocks = Blocks(model, step)
    images = ImageSource(source, lossless, model.spec.format)
    count = pixels = after = 0
    left_out: list[int] = []  # places of what can't be read
    with explained(out), whole_file(out) as file:
        head = FileHead("lossless" if lossless else "lossy", fingerprint(model), run, step, model.spec.shape)
        writer = Writer(file, head)
        if not isinstance(images.names, Numbered):
            for i in range(0, len(images.names), NAMES_PART):
                names = "\0".join(images.names[i : i + NAMES_PART])
                writer.name_part(zlib.compress(names.encode("utf-8", "surrogateescape"), 9))
        for group in _groups(images, blocks):
            writer.block(blocks.packed(group))
            for place, _ in group:
                left_out += range(after, place)
                after = place + 1
            count += len(group)
            pixels += sum(math.prod(p.size) for _, p in group if p.mode != FILE)
        writer.close(count, [*left_out, *range(after, len(images.names))])
        if not count:
            raise UserError(f"None of the images in {source} can be read.", "`aegan check DATA` says why.")
    return Compressed(count, out.stat().st_size, pixels, images.skipped)


def _groups(images: ImageSource, blocks: Blocks) -> Iterator[list[tuple[int, Picture]]]:
    """Images in blocks: so many values each, or one image alone."""
    group: list[tuple[int, Picture]] = []
    size = 0
    for place, picture in images:
        values = blocks.values(picture)
        if group and (size + values > VALUES or len(group) == IMAGES):
            yield group
            group, size = [], 0
        group.append((place, picture))
        size += values
    if group:
        yield group


def decompress(path: AnyPath, model: Model) -> tuple[Decompressed, Iterator[tuple[str, Picture]]]:
    """Reads a file block by block, whatever of it is whole, with the model that wrote it; see `head_of`.

    Returns:
        A record, which is complete when all images have been taken, and the images as (name, image).

    Raises:
        UserError: the file is none of ours, or of another model.
    """
    path = expanded(path)
    found = scan(path)
    if fingerprint(model) != found.head.model:
        raise UserError(
            f"{path} was written by another model ({found.head.model[:8]}, this is {fingerprint(model)[:8]}).",
            f"It was at {printable(found.head.run)}; name it with --run." if found.head.run else "Name it with --run.",
        )
    blocks = Blocks(model, found.head.step)
    result = Decompressed(expected=found.images)
    result.whole = found.tail and not found.lost_bytes

    def images() -> Iterator[tuple[str, Picture]]:
        names = dict(_names(path))
        spans, numbers = list[range](), set[int]()  # places of images that came, or were left out when this was written
        before, last = -1, -1  # the block that was read, and its last place
        for number, content in records(path, BLOCK):
            if number in numbers:  # a copy
                continue
            try:
                group = blocks.unpacked(content)
            except Damaged:
                result.whole = False
                continue
            numbers.add(number)
            spans.append(range(last + 1 if number == before + 1 else group[0][0], group[-1][0] + 1))
            before, last = number, group[-1][0]
            for place, picture in group:
                result.images += 1
                yield names.get(place, f"{place}"), picture
        if before + 1 == found.blocks:
            spans.append(range(last + 1, len(names)))
        if result.expected != result.images:
            result.whole = False
            result.lost = [
                name
                for place, name in names.items()
                if place not in found.skipped and not any(place in span for span in spans)
            ]

    return result, images()


def head_of(path: AnyPath) -> FileHead:
    """What a file says of itself; a UserError where it is none of ours."""
    return scan(expanded(path)).head


def _names(path: Path) -> Iterator[tuple[int, str]]:
    for number, content in records(path, NAMES):
        try:
            text = zlib.decompressobj().decompress(content, MOST_NAMES).decode("utf-8", "surrogateescape")
        except zlib.error:
            continue
        for i, name in enumerate(text.split("\0")):
            yield number * NAMES_PART + i, name


class Folder:
    """Writes images as files under a folder, which is new or empty, by names that lead nowhere else."""

    def __init__(self, root: AnyPath) -> None:
        root = expanded(root)
        need_empty(root, "Choose a new folder with --out.")
        self.root = root
        self.names = FreshNames()
        root.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, picture: Picture) -> Path:
        """Writes one: as PNG (CMYK as TIFF), or as the file it was."""
        suffix = ".png" if picture.mode != "CMYK" else ".tif"
        if picture.mode == FILE:
            suffix = picture.extra if re.fullmatch(r"\.[a-z0-9]{1,6}", picture.extra) else ".bin"
        path = self.root / self.names.of(safe(name), suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        if picture.mode == FILE:
            path.write_bytes(picture.pixels.tobytes())
        else:
            image = picture.image()
            how: dict[str, Any] = {"compression": "tiff_lzw"} if suffix == ".tif" else {"compress_level": 3}
            image.save(path, **how)
        return path


def stacked(pictures: list[Picture]) -> np.ndarray[Any, Any]:
    """Images uint8 (N, H, W, C) of pictures that share a size and a mode.

    Raises:
        UserError: they do not.
    """
    if len({(p.mode, p.pixels.shape) for p in pictures}) != 1 or pictures[0].mode in (FILE, "P", "CMYK"):
        raise UserError("These images have several sizes or modes, which no array holds.", "Use --out FOLDER")
    return np.stack([p.pixels for p in pictures])
