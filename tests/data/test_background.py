"""Images on a flat background, such as fill their frames, and such as are drawn pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aegan.config import RunConfig
from aegan.data import open_data
from aegan.data.background import drawn_by_pixels, fill_their_frames, fine_detail, on_flat_background
from aegan.runs.settings import resolve


def noise(count: int, channels: int = 3, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)


def objects(count: int, channels: int = 3) -> np.ndarray:
    """Noise on white, the shape touching one edge."""
    images = np.full((count, 64, 64, channels), 255, np.uint8)
    images[:, 10:64, 8:50] = noise(count, channels)[:, 10:64, 8:50]
    return images


def smooth(count: int) -> np.ndarray:
    """As `objects`, of squares of 4×4 pixels."""
    images = objects(count)
    images[:, 12:64, 8:48] = noise(count, side=13)[:, :, :10].repeat(4, 1).repeat(4, 2)
    images[:, 10:12] = images[:, 12:, 48:50] = 255
    return images


def test_a_shape_that_touches_the_edge_has_a_background() -> None:
    assert on_flat_background(objects(3)).all() and not on_flat_background(noise(3)).any()


def test_what_is_transparent_is_a_background_whatever_its_colour() -> None:
    images = noise(2, 4)
    images[..., 3] = 0
    images[:, 10:30, 10:30, 3] = 255
    assert on_flat_background(images).all()


def test_images_of_one_colour_are_no_surfaces() -> None:
    assert on_flat_background(np.full((2, 8, 8, 3), 7, np.uint8)).all()


def test_the_majority_decides() -> None:
    assert fill_their_frames(np.concatenate((noise(6), objects(4))))
    assert not fill_their_frames(np.concatenate((noise(4), objects(6))))


def test_sprites_are_drawn_by_pixels() -> None:
    assert drawn_by_pixels(np.concatenate((objects(6), smooth(4))))
    assert not drawn_by_pixels(np.concatenate((objects(4), smooth(6))))


def test_detail_of_odd_sizes_of_one_colour_and_of_what_is_transparent() -> None:
    assert fine_detail(np.full((1, 5, 7, 3), 9, np.uint8)) == 0
    hidden = noise(1, 4)
    hidden[..., 3] = 0
    assert fine_detail(hidden) == 0


@pytest.mark.parametrize(
    ("images", "minutes", "preset"),
    [
        (noise(24), 10.0, "textures"), (objects(24), 10.0, "sprites"), (smooth(24), 10.0, "64"), (noise(24, 1), 10.0, "64"),
        (noise(24, side=24), 10.0, "32"), (noise(24, side=24), 3.0, "32_short"),
    ],
)  # fmt: skip
def test_the_preset_is_chosen_by_it(images: np.ndarray, minutes: float, preset: str) -> None:
    said: list[str] = []
    data = open_data(images)
    assert resolve(RunConfig(data="", minutes=minutes), data, {}, say=said.append).run.preset == preset
    assert any("--preset 64" in line for line in said) == (preset in ("textures", "sprites"))


@pytest.mark.parametrize(("minutes", "preset"), [(3.0, "32_short"), (20.0, "32_short"), (20.1, "32"), (None, "32")])
def test_a_preset_for_short_budgets_holds_as_long_as_it_says(minutes: float | None, preset: str) -> None:
    budget = {"steps": 10} if minutes is None else {"minutes": minutes}
    config = RunConfig(data="", strategy="gan", **budget)
    assert resolve(config, open_data(noise(24, side=24)), {}).run.preset == preset


def test_streamed_images_are_looked_at_too(tmp_path: Path) -> None:
    for i, image in enumerate(noise(24)):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    data = open_data(str(tmp_path), size=64, stream="on")
    assert resolve(RunConfig(data=str(tmp_path), minutes=10.0), data, {}).run.preset == "textures"
