"""A PNG file without what is not its pixels: for texts and profiles of megabytes Pillow refuses whole files."""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
TURNED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # texts that may tell the orientation
SRGB = {(1, 1), (1, 6), (1, 13)}  # primaries and transfer as cICP numbers them, as good as sRGB
MOST_TEXT = 2**16  # bytes of one of those
MOST_PROFILE = 2**23  # bytes of a colour profile, decompressed: those of printers have up to four million


def bare(raw: bytes) -> tuple[bytes, bytes | None, bool]:
    """A PNG file, or the beginning of one, without what is not its pixels; damaged ones as far as they go.

    Returns:
        (the file without texts and profile; its ICC profile, if it has one that can be used; whether it has one that can't).
    """
    if not raw.startswith(SIGNATURE):
        return raw, None, False
    kept, at, from_ = [], len(SIGNATURE), 0
    profile, broken, other = None, False, False
    while at + 8 <= len(raw):
        kind, end = raw[at + 4 : at + 8], at + 12 + int.from_bytes(raw[at : at + 4], "big")
        if kind in TEXTS or kind == b"iCCP":
            body = raw[at + 8 : max(at + 8, end - 4)]
            if kind == b"iCCP":
                profile = _unpacked(body.partition(b"\0")[2][1:], MOST_PROFILE) or None
                broken = profile is None
            if kind == b"iCCP" or not _turns(kind, body):
                kept.append(raw[from_:at])
                from_ = end
        elif kind == b"cICP":  # other colours in two numbers
            other = tuple(raw[at + 8 : at + 10]) not in SRGB
        at = end
    kept.append(raw[from_:])
    return b"".join(kept), profile, broken or (other and profile is None)


def _turns(kind: bytes, body: bytes) -> bool:
    """Whether a text may tell the orientation, and is small enough to be read."""
    if len(body) > MOST_TEXT or not body.startswith(TURNED):
        return False
    rest = body.partition(b"\0")[2]
    if kind == b"zTXt":
        return _unpacked(rest[1:], MOST_TEXT) is not None
    if kind == b"iTXt" and rest[:1] == b"\1":
        return _unpacked(rest.split(b"\0", 3)[-1], MOST_TEXT) is not None
    return True


def _unpacked(compressed: bytes, most: int) -> bytes | None:
    """Decompressed; None where it is damaged, or of more bytes than `most`."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(compressed, most)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else found
