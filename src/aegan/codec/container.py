"""The `.aeg` file: records that each carry their own mark, number, length and checksum.

A file is the 8 bytes of `MAGIC` and then records: one HEAD, which says how to read the rest; one or more NAMES, the
names of all images; BLOCKs, each a group of images that can be read without the others; one TAIL, which repeats the head
and counts the blocks, so that a file that was cut short is noticed and one with a broken head can still be read. It lists
the places of names whose images could not be read when the file was written (not in older files).

    mark 4 | kind 1 | number 4 | length 4 | crc32 4 | content

Numbers are little-endian. The checksum covers kind, number, length and content. After damage, reading goes on at the
next mark whose record is whole. Contents of HEAD and TAIL are JSON, those of the others belong to `aegan.codec.images`.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from aegan.errors import UserError

MAGIC = b"\x89AEG\r\n\x1a\n"  # as PNG's: a first byte no text has, and line ends that a text transfer would change
MARK = b"\xf5aeg"
FORMAT = 1
PREFIX = struct.Struct("<4sBIII")
MOST = 2**28  # bytes of a record that are believed
HEAD, NAMES, BLOCK, TAIL = 1, 2, 3, 4
KINDS = (HEAD, NAMES, BLOCK, TAIL)


@dataclass(frozen=True)
class FileHead:
    """How a file is to be read."""

    mode: Literal["lossy", "lossless"]
    model: str  # content hash of the networks that wrote it
    run: str  # where they were, as the user named it
    step: int  # of quantised codes, in units of 2^-8; 0 if lossless
    shape: tuple[int, ...]  # (C, H, W) of a tile, or (D,) of a vector
    format: int = FORMAT

    @staticmethod
    def of(content: Any) -> FileHead:
        """From what JSON gave.

        Raises:
            ValueError: it is no head.
            UserError: of a newer format.
        """
        match content:
            case {"format": int(format)} if format > FORMAT:
                raise UserError(
                    f"This file has format {format}, newer than this aegan knows ({FORMAT}).",
                    "Update: pip install --upgrade aegan",
                )
            case {
                "format": int(format), "mode": "lossy" | "lossless" as mode, "model": str(model), "run": str(run),
                "step": int(step), "shape": [_] | [_, _, _] as shape,
            } if 0 <= step < 2**20 and all(isinstance(v, int) and 0 < v < 2**16 for v in shape):  # fmt: skip
                return FileHead(mode, model, run, step, tuple(shape), format)
        raise ValueError("no head")


def packed(kind: int, number: int, content: bytes) -> bytes:
    """A record."""
    body = struct.pack("<BII", kind, number, len(content))
    return MARK + body + struct.pack("<I", zlib.crc32(content, zlib.crc32(body))) + content


class Writer:
    """Writes a file record by record."""

    def __init__(self, file: BinaryIO, head: FileHead) -> None:
        self.file, self.head, self.blocks, self.names = file, head, 0, 0
        file.write(MAGIC + packed(HEAD, 0, _json(asdict(head))))

    def name_part(self, content: bytes) -> None:
        self.file.write(packed(NAMES, self.names, content))
        self.names += 1

    def block(self, content: bytes) -> None:
        self.file.write(packed(BLOCK, self.blocks, content))
        self.blocks += 1

    def close(self, images: int, skipped: Sequence[int] = ()) -> None:
        """Ends the file; `images` is how many it holds, `skipped` are the places of names without one."""
        counts = {"blocks": self.blocks, "names": self.names, "images": images, "skipped": list(skipped)}
        self.file.write(packed(TAIL, 0, _json({**asdict(self.head), **counts})))


@dataclass
class Recovered:
    """What reading a file met."""

    head: FileHead
    tail: bool  # whether the end is there
    blocks: int  # that the file should hold, as of names and images; -1 if that is not known
    names: int
    images: int
    lost_bytes: int  # that belong to no whole record
    skipped: frozenset[int]  # places of names that never had an image, as far as they are known


def scan(path: Path) -> Recovered:
    """Goes through a file once and reports what is whole.

    Raises:
        UserError: it can't be read, or is no such file at all, or of a newer format.
    """
    heads, counts, lost, left_out = [], None, 0, frozenset[int]()
    try:
        for kind, _, content, skipped in _records(path):
            lost += skipped
            if kind not in (HEAD, TAIL):
                continue
            try:
                values = json.loads(content)
                head = FileHead.of(values)
                if kind == TAIL:
                    counts = [int(values[k]) for k in ("blocks", "names", "images")]
                    left_out = frozenset(map(int, values.get("skipped", ())))
            # a sound checksum under nonsense: not ours
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            heads.append(head)
    except (IsADirectoryError, FileNotFoundError) as why:
        what = f"{path} is a folder." if path.is_dir() else f"There is no file {path}."
        raise UserError(what, "Name an .aeg file, as `aegan compress` writes.") from why
    if not heads:
        raise UserError(
            f"{path} is not an .aeg file, or nothing of it is whole.", "`aegan compress` writes such files."
        )
    blocks, names, images = counts or (-1, -1, -1)
    return Recovered(heads[0], counts is not None, blocks, names, images, lost, left_out)


def records(path: Path, kind: int) -> Iterator[tuple[int, bytes]]:
    """The whole records of one kind, as (number, content)."""
    return ((number, content) for each, number, content, _ in _records(path) if each == kind)


def _records(path: Path) -> Iterator[tuple[int, int, bytes, int]]:
    """Every whole record: kind, number, content, and the bytes passed over since the last one; at last those at the end."""
    with open(path, "rb") as file, contextlib.ExitStack() as held:
        size = os.fstat(file.fileno()).st_size
        # an empty file can't be mapped
        raw = held.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if size else b""
        at = whole = len(MAGIC) if raw[: len(MAGIC)] == MAGIC else 0
        wasted = 0  # bytes that were summed up in vain: a file made to waste time could ask for its size squared
        while at >= 0 and at + PREFIX.size <= size:
            start = at + PREFIX.size
            mark, kind, number, length, check = PREFIX.unpack_from(raw, at)
            if mark == MARK and kind in KINDS and length <= MOST and wasted <= 64 * size:
                content = raw[start : start + length]
                if len(content) == length and zlib.crc32(content, zlib.crc32(raw[at + 4 : at + 13])) == check:
                    yield kind, number, content, at - whole
                    at = whole = start + length
                    continue
                wasted += len(content)
            at = raw.find(MARK, at + 1)
        if whole < size:
            yield 0, 0, b"", size - whole


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
