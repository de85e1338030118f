"""From an image of any size to a square of the training size: crop, then pad or resample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aegan.errors import UserError

Array = NDArray[Any]

SIZES = (8, 16, 24, 32, 48, 64, 96, 128, 256)  # of which one is suggested; networks halve the side three times
USUAL_MOST = 64  # the largest suggested: a laptop copes, and whoever wants more asks for it
NEAR = 7 / 8  # an image of at least this share of the size is padded, not enlarged: 28×28 becomes 32×32 pixel for pixel
GREATEST = 4_096  # the largest size that can be asked for


def suggest(short_side: float) -> int:
    """The size to train at where none is asked for: the largest that asks for no enlarging, at most 64.

    Args:
        short_side: median over the images of the shorter side, pixels.

    >>> [suggest(side) for side in (5, 8, 28, 47, 500)]
    [8, 8, 32, 48, 64]
    """
    return max((size for size in SIZES if size * NEAR <= short_side and size <= USUAL_MOST), default=SIZES[0])


def check_size(size: int | None, channels: int | None) -> None:
    """Refuses sizes and channels that no network here can take.

    Raises:
        UserError: size not a multiple of 8 from 8 to 4,096, or channels neither 1 nor 3.
    """
    if size is not None and (size < SIZES[0] or size % 8 or size > GREATEST):
        near = min(max(SIZES[0], round(size / 8) * 8), GREATEST)
        raise UserError(f"Images can't be {size}×{size}: the size must be a multiple of 8.", f"The nearest is {near}.")
    if channels not in (None, 1, 3):
        raise UserError(f"Images can't have {channels} channels.", "Ask for 1 (grey) or 3 (colour).")


def fit(image: Image.Image, size: int) -> Image.Image:
    """The central square of an image, at size × size.

    Larger ones are averaged down with an antialiasing Lanczos filter; those slightly too small get a margin of their
    own border pixels; smaller ones are enlarged.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if size * NEAR <= side < size:
        return Image.fromarray(_margin(np.asarray(image.crop(box)), size))
    if side == size:
        return image if image.size == (size, size) else image.crop(box)
    # reducing_gap: shrink by whole boxes first, Lanczos only from 3 × size: as good to the eye, several times as fast
    return image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def fit_all(images: Array, size: int) -> Array:
    """`fit` for images that share one shape: uint8 (N, H, W, C) to (N, size, size, C)."""
    n, h, w, c = images.shape
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    images = images[:, top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(images)
    if size * NEAR <= side < size:
        before = (size - side) // 2
        edge = (before, size - side - before)
        return np.pad(images, ((0, 0), edge, edge, (0, 0)), mode="edge")
    out = np.empty((n, size, size, c), np.uint8)
    for i, image in enumerate(images):
        small = fit(Image.fromarray(image[:, :, 0] if c == 1 else image), size)
        out[i] = np.asarray(small).reshape(size, size, c)
    return out


def told(widths: Array, heights: Array, size: int, times: int = 1) -> list[str]:
    """What `fit` does to images of such widths and heights, in words; each stands for so many of them.

    >>> told(np.array([28, 28, 40]), np.array([28, 28, 40]), 32)
    ['1 image is larger than 32×32: reduced', '2 images are slightly smaller than 32×32: the border is repeated']
    """
    short = np.minimum(widths, heights)
    done = (
        (widths != heights, "not square: cropped to the central square"),
        (short > size, f"larger than {size}×{size}: reduced"),
        ((short < size) & (short >= size * NEAR), f"slightly smaller than {size}×{size}: the border is repeated"),
        (short < size * NEAR, f"smaller than {size}×{size}: enlarged, so blurred"),
    )
    return [line for which, what in done for line in of_images(int(which.sum()) * times, len(short) * times, what)]


def of_images(n: int, count: int, what: str) -> list[str]:
    """The line that says that n of so many images are something; none where n is 0."""
    if n == 0:
        return []
    return [f"1 image is {what}" if n == 1 else f"{'all' if n == count else f'{n:,}'} images are {what}"]


def with_channels(images: Array, channels: int) -> Array:
    """Images uint8 (..., H, W, C), C = 1 or 3, with the channels asked for: repeated, or weighted to luma (ITU-R 601)."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    weights = np.array([299, 587, 114], np.uint32)
    return ((images @ weights + 500) // 1000).astype(np.uint8)[..., None]


def _margin(pixels: Array, size: int) -> Array:
    before = (size - pixels.shape[0]) // 2
    edge = (before, size - pixels.shape[0] - before)
    return np.pad(pixels, (edge, edge) + ((0, 0),) * (pixels.ndim - 2), mode="edge")
