"""What kind of images a set has: objects on a flat background, or surfaces; smooth, or drawn pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegan.evenly import evenly

LOOKED_AT = 500  # images, evenly spaced
DRAWN = 0.11  # share of an image's variance inside 2×2 pixels, from which on it is drawn by pixels: sprites 0.15, icons 0.06
FLAT = 0.05  # the border's deviation from its median colour, over that of the whole image: a background up to this


def on_flat_background(images: np.ndarray) -> np.ndarray:
    """For each image whether its border is of one colour, measured by how much the whole image varies, (N,) of bool.

    At least half of the border's pixels must lie near the median colour, so a shape may touch the edges. What is
    transparent counts as one colour.

    Args:
        images: (N, H, W, C), of any scale; four channels are RGBA.

    >>> square = np.zeros((1, 8, 8, 3), np.uint8)
    >>> square[:, 2:6, 2:6] = 200
    >>> on_flat_background(np.concatenate((square, np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)))).tolist()
    [True, False]
    """
    x = _as_seen(images)
    border = np.concatenate((x[:, 0], x[:, -1], x[:, 1:-1, 0], x[:, 1:-1, -1]), axis=1)
    off = np.abs(border - np.median(border, axis=1, keepdims=True)).mean(2)
    spread = x.reshape(len(x), -1, x.shape[3]).std(axis=1).mean(1)
    return np.asarray(np.median(off, axis=1) <= FLAT * spread)


def some_of(items: Any) -> np.ndarray:
    """The images of a set (N, H, W, C), in memory or read where indexed, that are looked at."""
    return np.asarray(items[evenly(len(items), LOOKED_AT)])


def fill_their_frames(images: np.ndarray) -> bool:
    """Whether fewer than half of images (N, H, W, C) have a flat background."""
    return bool(on_flat_background(images).mean() < 0.5)


def _as_seen(images: np.ndarray) -> np.ndarray:
    """As numbers of 32 bits; what is transparent loses its colour."""
    x = images.astype(np.float32)
    if x.shape[3] == 4:
        x[..., :3] *= x[..., 3:] / max(float(x[..., 3].max()), 1.0)
    return x


def drawn_by_pixels(images: np.ndarray) -> bool:
    """Whether single pixels carry much of most images (N, H, W, C), as in sprites."""
    return bool(np.median(fine_detail(images)) >= DRAWN)


def fine_detail(images: np.ndarray) -> np.ndarray:
    """The share of each image's variance that is lost when it is reduced to half its size and enlarged again, (N,).

    Args:
        images: (N, H, W, C), of any scale; an odd last row or column is left out.

    >>> chess = np.indices((1, 8, 8, 1)).sum(0) % 2
    >>> fine_detail(np.concatenate((chess, chess.repeat(2, 1).repeat(2, 2)[:, :8, :8]))).tolist()
    [1.0, 0.0]
    """
    n, h, w, c = images.shape
    x = _as_seen(images[:, : h // 2 * 2, : w // 2 * 2]).reshape(n, h // 2, 2, w // 2, 2, c)
    inside = x.var(axis=(2, 4)).mean(axis=(1, 2, 3))
    whole = x.var(axis=(1, 2, 3, 4)).mean(axis=1)
    return np.asarray(inside / np.maximum(whole, np.finfo(np.float32).tiny))
