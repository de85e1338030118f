"""How near images are to their originals: in pixels (PSNR), and in local structure (SSIM, MS-SSIM; 1 for equal ones).

SSIM: Wang et al. 2004; MS-SSIM: Wang, Simoncelli & Bovik 2003. Their computation is that of torchmetrics; here it is fed
in pieces, in float32 (within 1e-4, seven times as fast as float64), and MS-SSIM gets the number of scales that the
images allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError

CHUNK, PSNR_CHUNK = 256, 1024  # images compared at a time
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of the five scales, finest first
LEAST_SIDES = (11, 22, 44, 99, 176)  # least side for 1 ... 5 scales: room for the window, and what torchmetrics demands


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
    _check(images, originals, "PSNR")
    out = np.empty(len(images))
    for i in range(0, len(images), PSNR_CHUNK):
        error = images[i : i + PSNR_CHUNK].astype(np.float32) - originals[i : i + PSNR_CHUNK]
        axes = tuple(range(1, error.ndim))
        mse = np.square(error).mean(axes, dtype=np.float64)
        least = 1.0 / np.prod(error.shape[1:])
        out[i : i + PSNR_CHUNK] = 10 * np.log10(255.0**2 / np.maximum(mse, least))
    return out


def ssim(images: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """SSIM of each pair, Gaussian window of 11 pixels and 1.5 sd, data range 255.

    Args:
        images, originals: uint8 (N, H, W, C), H and W at least 11.

    Returns:
        float64 (N,), from −1 to 1.

    >>> ssim(np.zeros((1, 16, 16, 1), np.uint8), np.zeros((1, 16, 16, 1), np.uint8)).tolist()
    [1.0]
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    _check(images, originals, "SSIM", LEAST_SIDES[0])
    # a pair only if the maps are asked for
    return _in_pieces(images, originals, lambda x, y: cast(Tensor, measure(x, y, data_range=255.0, reduction="none")))


def ms_ssim(images: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """MS-SSIM of each pair over `ms_ssim_scales` scales; negative terms count as 0.

    The published five scales need images of 176 pixels. Smaller ones get the finest of the scales with exponents
    that sum to 1 again, which is not comparable with five: state the scales beside the number.

    Args:
        images, originals: uint8 (N, H, W, C), H and W at least 22.

    Returns:
        float64 (N,), from 0 to 1.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    _check(images, originals, "MS-SSIM", LEAST_SIDES[1])
    betas = BETAS[: ms_ssim_scales(min(images.shape[1:3]))]
    exponents = betas if betas == BETAS else tuple(b / sum(betas) for b in betas)  # theirs sum to 1.0001
    return _in_pieces(
        images,
        originals,
        lambda x, y: measure(x, y, data_range=255.0, reduction="none", betas=exponents, normalize="relu"),
    )


def ms_ssim_scales(side: int) -> int:
    """How many scales images of this (smaller) side allow: 5 from 176 pixels, 2 at 22, and 0 below 11.

    >>> [ms_ssim_scales(side) for side in (32, 64, 128, 256)]
    [2, 3, 4, 5]
    """
    return sum(side >= least for least in LEAST_SIDES)


def _check(images: np.ndarray, originals: np.ndarray, name: str, least: int = 0) -> None:
    """Refuses what is no pair of images; with a least side, also what has no sides."""
    alike = images.shape == originals.shape and images.dtype == originals.dtype == np.uint8
    if not alike or (least and images.ndim != 4):
        raise UserError(
            f"{name} needs uint8 images {'(N, H, W, C) ' if least else ''}of equal shapes, got {images.dtype} "
            f"{images.shape} and {originals.dtype} {originals.shape}."
        )
    if least and min(images.shape[1:3]) < least:
        raise UserError(f"{name} needs images of at least {least} pixels a side, got {images.shape[1:3]}.")


def _in_pieces(images: np.ndarray, originals: np.ndarray, of: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
    out = np.empty(len(images))
    for i in range(0, len(images), CHUNK):
        x, y = (
            torch.from_numpy(np.array(part[i : i + CHUNK])).permute(0, 3, 1, 2).float() for part in (images, originals)
        )
        out[i : i + CHUNK] = of(x, y).numpy()
    return out
