"""Two codecs, hardly trained: what is coded must come back whatever the densities are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan
from aegan.model import Model

OPTIONS = {
    "width": 8,
    "blocks": 1,
    "batch_size": 32,
    "density_width": 8,
    "pixel_width": 8,
    "components": "1",
    "pixel_share": 0.5,
}


@pytest.fixture(scope="session")
def codec_run(tmp_path_factory: pytest.TempPathFactory, make_shapes: Any, seed: int) -> Callable[[int], Path]:
    """The run of a codec for images of 8x8 and so many channels; a walk over pixels takes as long as a tile has pixels."""
    known: dict[int, Path] = {}

    def train(channels: int) -> Path:
        if channels not in known:
            images, _ = make_shapes(120, 8, channels)
            out = tmp_path_factory.mktemp("codec") / f"run-{channels}"
            aegan.fit(
                images, strategy="codec", steps=150, out=out, device="cpu", progress=False, options=OPTIONS, size=8,
                seed=seed,
            )  # fmt: skip
            known[channels] = out
        return known[channels]

    return train


@pytest.fixture(scope="session")
def grey(codec_run: Callable[[int], Path]) -> Model:
    return aegan.load(codec_run(1))


@pytest.fixture(scope="session")
def colour(codec_run: Callable[[int], Path]) -> Model:
    return aegan.load(codec_run(3))


@pytest.fixture
def cli(aegan_cli: Any) -> Callable[..., str]:
    """Runs a command; gives all it said."""

    def call(*args: str, fails: bool = False) -> str:
        said = aegan_cli(*args)
        assert said.code == (2 if fails else 0), said.err
        return str(said.out + said.err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images of several sizes and modes, two of them in a folder of their own."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)

    def noisy(height: int, width: int, channels: int) -> np.ndarray:
        ramp = np.add.outer(np.arange(height), np.arange(width))[:, :, None] * 3 % 200
        return (ramp + rng.integers(0, 40, (height, width, channels))).astype(np.uint8)

    Image.fromarray(noisy(16, 16, 1)[:, :, 0]).save(folder / "a.png")
    Image.fromarray(noisy(21, 35, 3)).save(folder / "b.png")
    Image.fromarray(noisy(5, 7, 4)).save(folder / "c.png")
    Image.fromarray(noisy(9, 33, 2)).save(folder / "d.png")
    Image.fromarray(noisy(17, 16, 3)).quantize(16).save(folder / "more" / "a.png")
    Image.fromarray(noisy(12, 12, 1)[:, :, 0] > 100).save(folder / "more" / "bits.png")
    return folder
