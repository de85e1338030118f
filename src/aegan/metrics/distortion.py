"""How far reconstructions lie from their originals, in pixels."""

from __future__ import annotations

import numpy as np

from aegan.errors import UserError

CHUNK = 1024  # images compared at a time


def psnr(images: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, PSNR = 10 log₁₀(255² / MSE), in dB; more is better.

    An identical pair gets the greatest finite value of its size (one level of error in one number), so that means
    stay finite. Equal to torchmetrics elsewhere; by hand because this runs over memory-mapped uint8 in pieces,
    and importing torchmetrics' images takes a second for one line.

    Args:
        images, originals: uint8, equal shapes (N, ...).

    Returns:
        float64 (N,).

    >>> psnr(np.full((1, 4, 4, 1), 25, np.uint8), np.zeros((1, 4, 4, 1), np.uint8)).round(2).tolist()
    [20.17]
    """
    if images.shape != originals.shape or images.dtype != np.uint8 or originals.dtype != np.uint8:
        raise UserError(
            f"PSNR needs uint8 images of equal shapes, got {images.dtype} {images.shape} and "
            f"{originals.dtype} {originals.shape}."
        )
    out = np.empty(len(images))
    for i in range(0, len(images), CHUNK):
        error = images[i : i + CHUNK].astype(np.float32) - originals[i : i + CHUNK]
        axes = tuple(range(1, error.ndim))
        mse = np.square(error).mean(axes, dtype=np.float64)
        least = 1.0 / np.prod(error.shape[1:])
        out[i : i + CHUNK] = 10 * np.log10(255.0**2 / np.maximum(mse, least))
    return out
