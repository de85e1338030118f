"""How many examples go into one picture, and how: what the formats of pictures and those who open them can take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from aegan.errors import UserError

PAD = 2  # pixels between images, as `grid` has them
FEW = 64  # images up to which a row has eight
# the most pixels a side, by suffix: of JPEG what libjpeg writes, which is 35 less than the format has
SIDES = {
    **dict.fromkeys((".jpg", ".jpeg"), ("JPEG", 65_500)),
    ".webp": ("WebP", 16_383),
    ".gif": ("GIF", 65_535),
    **dict.fromkeys((".mp4", ".webm"), ("a film", 16_384)),
}
ENOUGH = Image.MAX_IMAGE_PIXELS or 89_478_485  # pixels from which on Pillow warns those who open a picture
MOST = 2 * ENOUGH  # pixels from which on Pillow, and with it most programs in Python, refuse to open it


@dataclass(frozen=True)
class GridLayout:
    """A grid of images: how many in a row, and how many times each is enlarged."""

    columns: int
    scale: int


def suits(n: int, shape: Sequence[int]) -> int:
    """Images of (height, width) in a row: eight for a few, and from there on such that the picture is about square.

    >>> suits(10, (32, 32)), suits(64, (32, 32)), suits(1000, (32, 32)), suits(1000, (64, 32))
    (8, 8, 32, 45)
    """
    height, width = shape
    return 8 if n <= FEW else max(1, math.ceil(math.sqrt(n * (height + PAD) / (width + PAD))))


def fitted(n: int, shape: Sequence[int], suffix: str, columns: int | None = None) -> GridLayout:
    """The layout of n images in one picture. Small images are enlarged to 64 pixels, less where they are very many.

    Args:
        shape: (height, width) of each, in pixels.
        suffix: of the picture's file.
        columns: images in a row where that means something; None: as suits the picture.

    Raises:
        UserError: they do not fit, for the format or for whoever is to open the picture; says how many would.

    >>> fitted(100_000, (32, 32), ".webp")
    GridLayout(columns=317, scale=1)
    """
    height, width = shape
    row = min(columns or suits(n, shape), max(n, 1))
    rows = math.ceil(n / row)
    kind, side = SIDES.get(suffix.lower(), ("", 2**31 - 1))
    high = wide = 0
    for scale in range(max(1, math.ceil(64 / max(height, width, 1))), 0, -1):
        high, wide = (count * (length * scale + PAD) - PAD for count, length in ((rows, height), (row, width)))
        if max(high, wide) <= side and high * wide <= (ENOUGH if scale > 1 else MOST):
            return GridLayout(row, scale)
    fewer = ""
    if columns is None:
        room = min(side, math.isqrt(MOST)) + PAD
        fewer = f": {(room // (height + PAD)) * (room // (width + PAD)):,} fit"
    what = f"{n:,} images of {width}×{height} make a picture of {wide:,}×{high:,} pixels"
    other = "Use an array (--out NAME.npz), a folder (--out NAME)"
    if max(high, wide) > side:
        png = ", or --out NAME.png" if high * wide <= MOST else ""
        raise UserError(
            f"{what}, and {kind} has at most {side:,} a side.",
            f"{other}{png}, or fewer{fewer}.",
        )
    raise UserError(
        f"{what}, and most programs refuse to open one of over {MOST / 1e6:.0f} million.",
        f"{other}, or fewer{fewer}.",
    )
