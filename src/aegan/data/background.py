"""Whether images show something on a flat background, as sprites, icons and cut-out photographs do, or fill their frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegan.evenly import evenly

LOOKED_AT = 500  # images, evenly spaced
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
    x = images.astype(np.float32)
    if x.shape[3] == 4:
        x[..., :3] *= x[..., 3:] / max(float(x[..., 3].max()), 1.0)
    border = np.concatenate((x[:, 0], x[:, -1], x[:, 1:-1, 0], x[:, 1:-1, -1]), axis=1)
    off = np.abs(border - np.median(border, axis=1, keepdims=True)).mean(2)
    spread = x.reshape(len(x), -1, x.shape[3]).std(axis=1).mean(1)
    return np.asarray(np.median(off, axis=1) <= FLAT * spread)


def fill_their_frames(items: Any) -> bool:
    """Whether fewer than half of a set's images (N, H, W, C), in memory or read where indexed, have a flat background."""
    return bool(on_flat_background(items[evenly(len(items), LOOKED_AT)]).mean() < 0.5)
