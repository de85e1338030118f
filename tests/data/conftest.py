"""Every test has a cache of its own, and makes its files itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of caches."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("AEGAN_CACHE", str(folder))
    return folder


def picture(seed: int, width: int = 40, height: int | None = None, channels: int = 3) -> np.ndarray:
    """Noise, different for every seed: uint8 (height, width, channels), or (height, width) for one channel."""
    shape = (height or width, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


@pytest.fixture
def pictures(tmp_path: Path) -> MakeFolder:
    """Makes a folder of PNG files: pictures(count, folder, width, channels)."""

    def make(count: int = 12, folder: str = "pictures", width: int = 40, channels: int = 3, seed: int = 0) -> Path:
        root = tmp_path / folder
        root.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(picture(seed + i, width, channels=channels)).save(root / f"{i:03}.png")
        return root

    return make
