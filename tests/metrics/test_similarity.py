"""Structural similarity against torchmetrics fed at once, and what sizes it needs."""

import numpy as np
import pytest
import torch

from aegan.errors import UserError
from aegan.metrics import ms_ssim, ms_ssim_scales, ssim


def pairs(size: int, n: int = 5, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    a, b, c = g.normal(0, 3, (3, n, 1, 1, channels))
    images = np.uint8(127 + 100 * np.sin(a * x[..., None] + b * y[..., None] + c))
    return np.uint8(np.clip(images + g.normal(0, 12, images.shape), 0, 255)), images


def test_equals_torchmetrics_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    monkeypatch.setattr("aegan.metrics.similarity.CHUNK", 2)
    x, y = pairs(24)
    want = [
        float(measure(*(torch.from_numpy(p[i : i + 1]).permute(0, 3, 1, 2).double() for p in (x, y)), data_range=255.0))
        for i in range(5)
    ]
    np.testing.assert_allclose(ssim(x, y), want, atol=1e-4)


def test_five_scales_are_the_published_ones() -> None:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    x, y = pairs(176, 1, 1)
    want = measure(*(torch.from_numpy(p).permute(0, 3, 1, 2).double() for p in (x, y)), data_range=255.0)
    assert ms_ssim(x, y)[0] == pytest.approx(float(want), abs=1e-4)


@pytest.mark.parametrize("side", [22, 43, 44, 98, 99])
def test_every_size_gets_the_scales_it_allows(side: int) -> None:
    x, y = pairs(side, 1, 1)
    assert 0 < ms_ssim(x, y)[0] < 1 and ms_ssim(y, y)[0] == pytest.approx(1)
    assert ms_ssim_scales(side) == {22: 2, 43: 2, 44: 3, 98: 3, 99: 4}[side]


def test_constant_and_opposite_images_have_a_similarity() -> None:
    flat = np.full((1, 32, 32, 1), 9, np.uint8)
    assert ssim(flat, flat)[0] == pytest.approx(1, abs=1e-5) and ms_ssim(flat, flat)[0] == pytest.approx(1, abs=1e-5)
    x, _ = pairs(32, 1, 1)
    assert np.isfinite(ms_ssim(x, 255 - x)[0]) and ssim(x, 255 - x)[0] < 0.2


def test_small_images_and_other_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="11 pixels"):
        ssim(*pairs(8))
    with pytest.raises(UserError, match="22 pixels"):
        ms_ssim(*pairs(16))
    with pytest.raises(UserError, match="equal shapes"):
        ssim(pairs(16)[0], pairs(24)[0])
