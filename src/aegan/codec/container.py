"""The `.aeg` file: records that each carry their own mark, number, length and checksum.

A file is the 8 bytes of `MAGIC` and then records: one HEAD, which says how to read the rest; one or more NAMES, the
names of all images; BLOCKs, each a group of images that can be read without the others; one TAIL, which repeats the head
and counts the blocks, so that a file that was cut short is noticed and one with a broken head can still be read.

    mark 4 | kind 1 | number 4 | length 4 | crc32 4 | content

Numbers are little-endian. The checksum covers kind, number, length and content. After damage, reading goes on at the
next mark whose record is whole. Contents of HEAD and TAIL are JSON, those of the others belong to `aegan.codec.images`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
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
    """How a file is to be read.

    Args:
        mode: "lossy" or "lossless".
        model: content hash of the networks that wrote it.
        run: where they were, as the user named it.
        step: of quantised codes, in units of 2^-8; 0 if lossless.
        shape: (C, H, W) of a tile, or (D,) of a vector.
        format: of the file.
    """

    mode: Literal["lossy", "lossless"]
    model: str
    run: str
    step: int
    shape: tuple[int, ...]
    format: int = FORMAT

    @staticmethod
    def of(content: Any) -> FileHead:
        """From what JSON gave.

        Raises:
            ValueError: it is no head.
            UserError: of a newer format.
        """
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise ValueError("no head")
        if content["format"] > FORMAT:
            raise UserError(
                f"This file has format {content['format']}, newer than this aegan knows ({FORMAT}).",
                "Update: pip install --upgrade aegan",
            )
        try:
            head = FileHead(**{f.name: content[f.name] for f in fields(FileHead)})
            shape = tuple(head.shape)
        except (KeyError, TypeError) as why:
            raise ValueError("no head") from why
        good = (
            head.mode in ("lossy", "lossless")
            and isinstance(head.model, str)
            and isinstance(head.run, str)
            and isinstance(head.step, int)
            and 0 <= head.step < 2**20
            and len(shape) in (1, 3)
            and all(isinstance(v, int) and 0 < v < 2**16 for v in shape)
        )
        if not good:
            raise ValueError("no head")
        return FileHead(head.mode, head.model, head.run, head.step, shape, head.format)


def packed(kind: int, number: int, content: bytes) -> bytes:
    """A record."""
    body = struct.pack("<BII", kind, number, len(content))
    return MARK + body + struct.pack("<I", zlib.crc32(content, zlib.crc32(body))) + content


class Writer:
    """Writes a file record by record.

    Args:
        file: open for writing.
        head: of the file.
    """

    def __init__(self, file: BinaryIO, head: FileHead) -> None:
        self.file, self.head, self.blocks, self.names = file, head, 0, 0
        file.write(MAGIC + packed(HEAD, 0, _json(asdict(head))))

    def name_part(self, content: bytes) -> None:
        """One part of the names."""
        self.file.write(packed(NAMES, self.names, content))
        self.names += 1

    def block(self, content: bytes) -> None:
        """One group of images."""
        self.file.write(packed(BLOCK, self.blocks, content))
        self.blocks += 1

    def close(self, images: int) -> None:
        """Ends the file; `images` is how many it holds."""
        counts = {"blocks": self.blocks, "names": self.names, "images": images}
        self.file.write(packed(TAIL, 0, _json({**asdict(self.head), **counts})))


@dataclass
class Recovered:
    """What reading a file met.

    Attributes:
        head: None if both copies are damaged.
        tail: whether the end is there.
        blocks, names, images: how many the file should hold; -1 if that is not known.
        lost_bytes: that belong to no whole record.
    """

    head: FileHead | None = None
    tail: bool = False
    blocks: int = -1
    names: int = -1
    images: int = -1
    lost_bytes: int = 0


def scan(path: Path) -> Recovered:
    """Goes through a file once and reports what is whole; memory holds one record at most.

    Raises:
        UserError: it can't be read, or is no such file at all, or of a newer format.
    """
    found = Recovered()
    try:
        with open(path, "rb") as file:
            for kind, _, content, skipped in _records(file):
                found.lost_bytes += skipped
                if kind not in (HEAD, TAIL):
                    continue
                try:
                    values = json.loads(content)
                    head = FileHead.of(values)
                    if kind == TAIL:
                        found.blocks, found.names, found.images = (
                            int(values[k]) for k in ("blocks", "names", "images")
                        )
                        found.tail = True
                except (ValueError, KeyError, TypeError, RecursionError):  # a sound checksum under nonsense: not ours
                    continue
                found.head = found.head or head
    except IsADirectoryError as why:
        raise UserError(f"{path} is a folder.", "Name an .aeg file, as `aegan compress` writes.") from why
    except FileNotFoundError as why:
        raise UserError(f"There is no file {path}.", "Name an .aeg file, as `aegan compress` writes.") from why
    if found.head is None:
        raise UserError(
            f"{path} is not an .aeg file, or nothing of it is whole.", "`aegan compress` writes such files."
        )
    return found


def records(path: Path, kind: int) -> Iterator[tuple[int, bytes]]:
    """The whole records of one kind, as (number, content)."""
    with open(path, "rb") as file:
        for each, number, content, _ in _records(file):
            if each == kind:
                yield number, content


def _records(file: BinaryIO) -> Iterator[tuple[int, int, bytes, int]]:
    """Every whole record: kind, number, content, and the bytes passed over since the last one."""
    skipped = 0
    if file.read(len(MAGIC)) != MAGIC:
        file.seek(0)
    while True:
        at = file.tell()
        prefix = file.read(PREFIX.size)
        if len(prefix) < PREFIX.size:
            if skipped or prefix:
                yield 0, 0, b"", skipped + len(prefix)
            return
        mark, kind, number, length, check = PREFIX.unpack(prefix)
        if mark == MARK and kind in KINDS and length <= MOST:
            content = file.read(length)
            if len(content) == length and zlib.crc32(content, zlib.crc32(prefix[4:13])) == check:
                yield kind, number, content, skipped
                skipped = 0
                continue
        skipped += _to_next_mark(file, at)


def _to_next_mark(file: BinaryIO, at: int) -> int:
    """Moves from a place that holds no record to the next mark behind it, or to the end; gives the bytes passed."""
    start, kept = at + 1, b""
    file.seek(start)
    passed = 1
    while chunk := file.read(2**16):
        window = kept + chunk
        if (place := window.find(MARK)) >= 0:
            file.seek(start + place)
            return passed + place
        kept = window[-3:]
        start, passed = start + len(window) - len(kept), passed + len(window) - len(kept)
    return passed + len(kept)


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
