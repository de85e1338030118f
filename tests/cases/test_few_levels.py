"""Masks and other images of few levels: 8 bits of which a set uses the lowest values alone, which would be black."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.data import Data, open_data
from aegan.data.open import open_as, open_like

from .making import packed, said


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


def levels(high: int, count: int = 20, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Images (count, 16, 16, ...) of values from 0 to `high`."""
    return np.random.default_rng(high).integers(0, high + 1, (count, 16, 16, *shape), dtype=np.uint8)


def stored(root: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    root.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(root / f"{i:03}{suffix}")
    return root


def pixels(data: Data) -> np.ndarray:
    """The pixels of a set in the order of the source, one channel."""
    names = [name for split in (data.train, data.held_out) for name in split.names]
    items = np.concatenate([np.asarray(data.train.items), np.asarray(data.held_out.items)])
    return np.asarray(items[np.argsort([int(Path(name).stem) for name in names])][..., 0])


@pytest.mark.parametrize("high", [1, 16, 31])
@pytest.mark.parametrize("kind", ["folder", "zip", "streamed", "npy", "array", "wide array", "list"])
def test_a_set_of_few_levels_fills_the_range(tmp_path: Path, high: int, kind: str) -> None:
    images = levels(high)
    np.save(tmp_path / "x.npy", images)
    source: Any = {"npy": tmp_path / "x.npy", "array": images, "wide array": images.astype(np.int64)}.get(kind)
    if kind in ("folder", "zip", "streamed"):
        source = stored(tmp_path / "set", images)
        source = packed(source, "zip") if kind == "zip" else source
    elif kind == "list":
        source = [Image.fromarray(image) for image in images]
    data = open_data(source, size=16, stream="on" if kind == "streamed" else "auto")
    assert (pixels(data) == np.rint(images * (255 / high))).all()
    assert f"values from 0 to {high}" in said(data) and f"taken as of the range [0, {high}]" in said(data)
    like = open_like(source, data.spec)
    assert (pixels(like) == pixels(data)).all()


def test_one_bright_image_and_all_are_taken_as_they_are(tmp_path: Path) -> None:
    images = levels(1)
    images[7, 3, 3] = 32
    np.save(tmp_path / "x.npy", images)
    for source in (images, tmp_path / "x.npy", stored(tmp_path / "set", images)):
        data = open_data(source, size=16)
        assert (pixels(data) == images).all() and "range" not in said(data) and data.spec.depth is None


def test_padded_masks_and_masks_of_many_channels(tmp_path: Path) -> None:
    wide = stored(tmp_path / "wide", np.repeat(levels(1), 2, axis=2))
    found = pixels(open_data(wide, size=16, fit="pad"))
    assert (found[:, :4] == 255).all() and 90 < found[:, 4:12].mean() < 165
    coloured = open_data(stored(tmp_path / "coloured", levels(3, shape=(3,))), size=16)
    assert set(np.unique(coloured.train.items)) == {0, 85, 170, 255}


def test_a_model_of_bright_images_sees_dark_ones_as_they_are(tmp_path: Path) -> None:
    bright = open_data(levels(255), size=16)
    dark = levels(20)
    for source in (dark, stored(tmp_path / "set", dark)):
        for data in (open_like(source, bright.spec), open_as(source, bright.spec.format)):
            assert (pixels(data) == dark).all() and not data.spec.depth


def test_a_model_of_masks_sees_generated_images_as_they_are(tmp_path: Path) -> None:
    masks = open_data(levels(1), size=16)
    made = levels(255)
    for source in (made, stored(tmp_path / "set", made)):
        assert (pixels(open_like(source, masks.spec)) == made).all()


def test_black_images_stay_black(tmp_path: Path) -> None:
    black = np.zeros((20, 16, 16), np.uint8)
    black[np.arange(20), 0, np.arange(20) % 16] = np.arange(20) // 16 + 200
    black[5:15] = 0
    assert (pixels(open_data(stored(tmp_path / "set", black), size=16)) == black).all()
