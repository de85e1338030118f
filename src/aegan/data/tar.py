"""The files in an uncompressed tar, by its headers: names, and where their bytes lie.

The headers are walked here and not by `tarfile.open`, which keeps every member and reads long names of any length.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from aegan.data.listing import hidden

BLOCK = tarfile.BLOCKSIZE
MOST_NAME = 2**16  # bytes of a long name or of a header of further facts


class Member(NamedTuple):
    """A file in a tar.

    Args:
        name: its path inside, forward slashes.
        offset, size: bytes.
        why: why it is not to be read; "" if it may be.
    """

    name: str
    offset: int
    size: int
    why: str = ""


def members(file: BinaryIO) -> Iterator[Member]:
    """The files in an uncompressed tar, in their order; the last may tell why no more can be read.

    Long names are those of GNU and of POSIX (pax).
    """
    end = file.seek(0, os.SEEK_END)
    at, long, size = 0, "", -1
    while at < end:
        file.seek(at)
        block = file.read(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            if block.count(0) == BLOCK:  # the end, of which there are two blocks, and often more
                return
            yield Member("", at, 0, _not_a_tar(block) if at == 0 else f"damaged from byte {at:,} on")
            return
        body = at + BLOCK
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            if info.size > MOST_NAME:
                yield Member("", at, 0, f"damaged from byte {at:,} on")
                return
            text = file.read(info.size)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                long = text.rstrip(b"\0").decode("utf-8", "surrogateescape")
            else:
                facts = _facts(text)
                long, size = facts.get("path", long), int(facts["size"]) if facts.get("size", "").isdecimal() else size
            at = body + -(-info.size // BLOCK) * BLOCK
            continue
        name, length = (long or info.name).rstrip("/"), size if size >= 0 else info.size
        long, size = "", -1
        at = body + (-(-length // BLOCK) * BLOCK if info.type in tarfile.REGULAR_TYPES or not _known(info) else 0)
        if info.isdir() or info.type in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
            at = body + -(-info.size // BLOCK) * BLOCK
            continue
        why = _unsafe(name, info)
        if not why and body + length > end:
            why = "cut short: the shard ends too soon"
        yield Member(name, body, length, why)


def _unsafe(name: str, info: tarfile.TarInfo) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or (parts and parts[0].endswith(":")):
        return "path that leads out of the archive"
    if hidden([part for part in parts if part != "."]):
        return "hidden"
    if info.issym() or info.islnk():
        return "link"
    return "" if info.type in tarfile.REGULAR_TYPES and not info.issparse() else "not a file"


def _known(info: tarfile.TarInfo) -> bool:
    return info.type in tarfile.SUPPORTED_TYPES


def _facts(raw: bytes) -> dict[str, str]:
    """The records of a pax header, "LENGTH KEY=VALUE\\n" each."""
    out = {}
    while match := re.match(rb"(\d{1,6}) ([^=]+)=", raw):
        length = int(match[1])
        if not match.end() < length <= len(raw):
            break
        out[match[2].decode("utf-8", "replace")] = raw[match.end() : length - 1].decode("utf-8", "surrogateescape")
        raw = raw[length:]
    return out


def _not_a_tar(block: bytes) -> str:
    packed = block.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd"))
    return "compressed: shards are read in place, so unpack it" if packed else "not a tar"
