"""A PNG file without what is not its pixels: for texts and profiles of megabytes Pillow refuses whole files."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
TURNED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # texts that may tell the orientation
MOST_TEXT = 2**16  # bytes of one of those
MOST_PROFILE = 2**23  # bytes of a colour profile, decompressed: those of printers have up to four million


@dataclass(frozen=True)
class Bare:
    """A PNG file's pixels, and its colour profile.

    Args:
        raw: the file without texts and profile.
        profile: the ICC profile; None: it has none that can be used.
        broken: it has one that can't.
        deep: it has 16 bits a channel.
    """

    raw: bytes
    profile: bytes | None = None
    broken: bool = False
    deep: bool = False


def bare(raw: bytes) -> Bare:
    """A PNG file, or the beginning of one, without what is not its pixels; damaged ones as far as they go."""
    kept, at, from_ = [], len(SIGNATURE), 0
    profile: bytes | None = None
    broken = False
    while at + 8 <= len(raw):
        kind, end = raw[at + 4 : at + 8], at + 12 + int.from_bytes(raw[at : at + 4], "big")
        if kind in TEXTS or kind == b"iCCP":
            body = raw[at + 8 : max(at + 8, end - 4)]
            if kind == b"iCCP":
                profile = _profile(body)
                broken = profile is None
            if kind == b"iCCP" or not _turns(kind, body):
                kept.append(raw[from_:at])
                from_ = end
        at = end
    kept.append(raw[from_:])
    return Bare(b"".join(kept) if len(kept) > 1 else raw, profile, broken, len(raw) > 24 and raw[24] == 16)


def _profile(body: bytes) -> bytes | None:
    compressed = body.partition(b"\0")[2][1:]
    try:
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(compressed, MOST_PROFILE)
    except zlib.error:
        return None
    return found if found and not unpacker.unconsumed_tail else None


def _turns(kind: bytes, body: bytes) -> bool:
    """Whether a text may tell the orientation, and is small enough to be read."""
    if len(body) > MOST_TEXT or not body.startswith(TURNED):
        return False
    if kind == b"zTXt":
        return _fits(body.partition(b"\0")[2][1:])
    if kind == b"iTXt" and body.partition(b"\0")[2][:1] == b"\1":
        return _fits(body.partition(b"\0")[2].split(b"\0", 3)[-1])
    return True


def _fits(compressed: bytes) -> bool:
    try:
        unpacker = zlib.decompressobj()
        unpacker.decompress(compressed, MOST_TEXT)
        return not unpacker.unconsumed_tail
    except zlib.error:
        return False
