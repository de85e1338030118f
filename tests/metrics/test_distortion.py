"""PSNR against torchmetrics, and where the two differ on purpose."""

import numpy as np
import pytest
import torch

from aegan.errors import UserError
from aegan.metrics import psnr


def test_equals_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    monkeypatch.setattr("aegan.metrics.similarity.PSNR_CHUNK", 3)
    a, b = np.random.default_rng(0).integers(0, 256, (2, 7, 9, 8, 3), dtype=np.uint8)
    want = peak_signal_noise_ratio(
        torch.from_numpy(a).float(), torch.from_numpy(b).float(), data_range=255.0, reduction="none", dim=(1, 2, 3)
    )
    np.testing.assert_allclose(psnr(a, b), want.numpy(), rtol=1e-5)


def test_an_equal_pair_is_the_best_finite_value() -> None:
    a = np.zeros((2, 4, 4, 1), np.uint8)
    b = a.copy()
    b[1, 0, 0, 0] = 1
    best, one_level = psnr(a, b)
    assert np.isfinite(best) and best == pytest.approx(one_level)


def test_differences_do_not_wrap_around() -> None:
    assert psnr(np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8))[0] == pytest.approx(0)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="equal shapes"):
        psnr(np.zeros((1, 2, 2, 1), np.uint8), np.zeros((1, 2, 2, 3), np.uint8))
