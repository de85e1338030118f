"""JPEG files whose pixels are all there and whose last two bytes, the mark of the end, are not."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

END = b"\xff\xd9"
FILLERS = (b"", b"\xaa\x55" * 32, b"\x7f" * 64)
WHOLE_SCANS = (0xC0, 0xC1)  # marks of frames that are not progressive
SCAN = 0xDA


def mended(raw: bytes) -> Image.Image | None:
    """The decoded image of a file without its end; None where pixels are missing, or may be.

    A decoder that lacks data goes on with what follows. So what is put behind the data changes the pixels of a file that was
    cut short, and those of a whole one not. Of progressive files a whole scan may be missing, which this can't tell.
    """
    if not _one_scan(raw):
        return None
    body = raw[:-1] if raw.endswith(b"\xff") else raw
    images = [Image.open(io.BytesIO(body + filler + END), formats=("JPEG",)) for filler in FILLERS]
    first, *others = (np.asarray(image) for image in images)
    return images[0] if all(np.array_equal(first, other) for other in others) else None


def _one_scan(raw: bytes) -> bool:
    """Whether all components of a file's frame, which is not progressive, are in its first scan."""
    at, components = 2, 0
    while at + 4 <= len(raw) and raw[at] == 0xFF:
        mark, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4], "big")
        if mark == 0xFF:  # padding
            at += 1
            continue
        body = raw[at + 4 : at + 2 + length]
        if mark in WHOLE_SCANS and len(body) > 5:
            components = body[5]
        if mark == SCAN:
            return len(body) > 0 and body[0] == components > 0
        at += 2 + length
    return False
