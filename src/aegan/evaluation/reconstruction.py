"""What encoding and decoding alone costs: reconstructions of held-out items beside the items."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from aegan.errors import UserError
from aegan.evaluation.task import Task
from aegan.metrics import Measured, ms_ssim, ms_ssim_scales, psnr, ssim


def reconstruction(task: Task) -> None:
    """Fréchet distance, PSNR, SSIM, MS-SSIM, feature distance; of vectors the root mean square error."""
    if not task.can("encode", "decode") or not task.held:
        return
    task.add(
        "fd_reconstructions", "Fréchet distance of reconstructions", lambda: task.frechet("back", "reference"),
        baseline=lambda: task.real_frechet, count=task.held, against=len(task.reference),
        meaning="What encoding and decoding alone costs: samples made from codes can hardly be better than this.",
    )  # fmt: skip
    if task.data.spec.is_vector:
        _error(task)
        return

    add = partial(task.add, count=task.held, against=task.held)

    def paired(measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[], Measured]:
        return lambda: _mean(
            np.concatenate([measure(b, x) for b, x in zip(task.back.pieces(), task.held_out.pieces(), strict=True)])
        )

    add(
        "psnr", "closeness of reconstructions (PSNR)", paired(psnr), better="higher", unit="dB",
        meaning="How closely held-out images come back from their codes, pixel by pixel; mean over images.",
    )  # fmt: skip
    scales = ms_ssim_scales(min(task.data.spec.shape[1:]))
    if scales:  # room for the window
        add(
            "ssim", "structure of reconstructions (SSIM)", paired(ssim), better="higher",
            meaning="How much of the local structure comes back; 1 is all.",
        )  # fmt: skip
    if scales > 1:
        add(
            "ms_ssim", f"structure at {scales} scales (MS-SSIM)", paired(ms_ssim), better="higher",
            meaning="The same over several scales; with fewer than 5 scales not comparable with published values.",
        )  # fmt: skip
    add(
        "feature_distance", "feature distance of reconstructions",
        lambda: _mean((task.features("back", 1) - task.held_out_features(1)).norm(dim=1).double().numpy()),
        meaning="Mean distance between the features of an image and of its reconstruction.",
    )  # fmt: skip


def _mean(each: np.ndarray) -> Measured:
    """The mean over items, with its standard error."""
    error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("nan")
    return Measured.normal(float(each.mean()), error)


def _error(task: Task) -> None:
    """Root mean square error of vectors, in sd of the data."""
    scale = float(np.asarray(task.data.train.items[:10000]).std(0).mean()) or 1.0

    def rmse() -> float:
        error = np.square(task.back[:].astype(np.float64) - task.held_out[:]).mean()
        if not np.isfinite(error):
            raise UserError("reconstructions are not finite numbers")
        return float(np.sqrt(error) / scale)

    task.add(
        "rmse", "error of reconstructions", rmse, baseline=0.0, unit="sd", count=task.held, against=task.held,
        meaning="Root mean square error of held-out vectors through their codes, in standard deviations of the data.",
    )  # fmt: skip
