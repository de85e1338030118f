"""Images on a flat background, and such as fill their frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aegan.config import RunConfig
from aegan.data import open_data
from aegan.data.background import fill_their_frames, on_flat_background
from aegan.runs.settings import resolve


def noise(count: int, channels: int = 3, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)


def objects(count: int, channels: int = 3) -> np.ndarray:
    """Noise on white, the shape touching one edge."""
    images = np.full((count, 64, 64, channels), 255, np.uint8)
    images[:, 10:64, 8:50] = noise(count, channels)[:, 10:64, 8:50]
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


@pytest.mark.parametrize(
    ("images", "minutes", "preset"),
    [
        (noise(24), 10.0, "textures"), (objects(24), 10.0, "64"), (noise(24, 1), 10.0, "64"),
        (noise(24, side=24), 10.0, "32"), (noise(24, side=24), 3.0, "32_short"),
    ],
)  # fmt: skip
def test_the_preset_is_chosen_by_it(images: np.ndarray, minutes: float, preset: str) -> None:
    said: list[str] = []
    data = open_data(images)
    assert resolve(RunConfig(data="", minutes=minutes), data, {}, say=said.append).run.preset == preset
    assert any("--preset 64" in line for line in said) == (preset == "textures")


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
