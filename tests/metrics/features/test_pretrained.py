"""DINOv2 and CLIP: what they are shown, that nothing is downloaded or made up, and what is said where they are missing.

The package transformers is replaced by one of its shape: it is not needed to run the tests.
"""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.metrics import MissingExtractor, extractor

GREY = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)


class Vision(nn.Module):
    """A network in half precision that keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, dtype=torch.float16))
        self.config = SimpleNamespace(image_size=28)

    def forward(self, pixel_values: Tensor) -> Any:
        self.seen = pixel_values
        features = pixel_values.mean((2, 3)) * self.weight[0]
        return SimpleNamespace(pooler_output=features, image_embeds=2 * features)


class Package:
    """Stands in for transformers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.missing: list[str] = []
        self.error: Exception | None = None
        self.net = Vision()
        self.verbosity: list[int] = []
        log = SimpleNamespace(
            get_verbosity=lambda: 30,
            set_verbosity_error=lambda: self.verbosity.append(40),
            set_verbosity=self.verbosity.append,
        )
        self.utils = SimpleNamespace(logging=log)
        self.Dinov2Model = self.CLIPVisionModelWithProjection = SimpleNamespace(from_pretrained=self.load)

    def load(self, where: str, **options: Any) -> Any:
        self.calls.append((where, options))
        if self.error:
            raise self.error
        return self.net, {"missing_keys": self.missing}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    made = Package()
    monkeypatch.setitem(sys.modules, "transformers", made)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(("name", "side", "mean", "factor"), [("dinov2", 224, 0.485, 1), ("clip", 28, 0.48145466, 2)])
def test_what_the_network_sees(package: Package, name: str, side: int, mean: float, factor: int) -> None:
    extract = extractor(name)
    x = extract(np.full((2, 8, 8, 1), 255, np.uint8))
    assert package.net.seen.shape == (2, 3, side, side) and x.dtype == torch.float32
    sd = {"dinov2": 0.229, "clip": 0.26862954}[name]
    assert x[0, 0].item() == pytest.approx(factor * (1 - mean) / sd, rel=1e-5)
    assert not package.net.training and package.net.weight.dtype == torch.float32
    assert f"{side}x{side} bicubic" in extract.describe()["resizing"] and "frechet" not in extract.describe()
    torch.testing.assert_close(extract(GREY), extract(GREY.repeat(3, axis=-1)))


def test_nothing_is_downloaded_nor_unpickled(package: Package) -> None:
    before = extractor("dinov2").describe()["sha256"]
    with torch.no_grad():
        package.net.weight[1] += 1
    assert extractor("dinov2:some/folder").describe()["sha256"] != before
    assert [where for where, _ in package.calls] == ["facebook/dinov2-large", "some/folder"]
    assert all(o["local_files_only"] and o["use_safetensors"] for _, o in package.calls)
    assert package.verbosity == [40, 30, 40, 30]


def test_what_is_missing_is_named(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    package.error = OSError("We couldn't connect\nto load the files")
    with pytest.raises(MissingExtractor, match="no model 'openai/clip-vit-large-patch14'") as error:
        extractor("clip")
    assert "clip:FOLDER" in error.value.fix and package.verbosity[-1] == 30
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtractor, match="needs the package transformers"):
        extractor("dinov2")


def test_random_weights_are_refused(package: Package) -> None:
    package.missing = ["embeddings.cls_token", "layernorm.weight"]
    with pytest.raises(UserError, match="'x' is not a model of the kind Dinov2Model: 2 weights are missing"):
        extractor("dinov2:x")
    package.error = RuntimeError("size mismatch")
    with pytest.raises(UserError, match="'x' is not a model of the kind CLIP"):
        extractor("clip:x")
