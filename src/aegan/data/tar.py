"""The files in an uncompressed tar, by its headers: names, and where their bytes lie.

The headers are walked here and not by `tarfile.open`, which keeps every member and reads long names of any length.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from aegan.data.files import unsafe
from aegan.data.formats import foreign

BLOCK = tarfile.BLOCKSIZE
MOST_NAME = 2**16  # bytes of a long name or of a header of further facts


class Member(NamedTuple):
    """A file in a tar."""

    name: str  # its path inside, forward slashes
    offset: int
    size: int
    why: str = ""  # why it is not to be read


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
        if info.size < 0:
            yield Member("", at, 0, f"damaged from byte {at:,} on")
            return
        body = at + BLOCK
        after = body + _padded(info.size)
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
        else:
            name, length = (long or info.name).rstrip("/"), size if size >= 0 else info.size
            long, size = "", -1
            if not info.isdir() and info.type not in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
                has_body = info.type in tarfile.REGULAR_TYPES or info.type not in tarfile.SUPPORTED_TYPES
                after = body + (_padded(length) if has_body else 0)
                why = unsafe(name.replace("\\", "/")) or _unfit(info)
                if not why and body + length > end:
                    why = "cut short: the shard ends too soon"
                yield Member(name, body, length, why)
        at = after


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _unfit(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "link"
    return "" if info.type in tarfile.REGULAR_TYPES and not info.issparse() else "not a file"


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
    return "compressed: shards are read in place, so unpack it" if packed else foreign(block) or "not a tar"
