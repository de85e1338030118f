"""Pixels of a grid stand where they should; a scatter plot shows points, strays and nothing else."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.pictures import GAP, INK, STRAY, grid, scatter


def test_images_stand_row_by_row_enlarged_without_blur() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = np.asarray(grid(images, columns=2, pad=1, scale=2))
    assert picture.shape == (3 * 4 + 2, 2 * 6 + 1, 3)
    for i in range(5):
        top, left = (i // 2) * 5, (i % 2) * 7
        assert (picture[top : top + 4, left : left + 6] == i).all()
    assert (picture[:, 6] == GAP).all() and (picture[10:, 7:] == GAP).all()


def test_small_images_grow_to_64_pixels_and_large_ones_stay() -> None:
    assert grid(np.zeros((1, 28, 28, 1), np.uint8)).size == (84, 84)
    assert grid(np.zeros((1, 100, 80, 3), np.uint8)).size == (80, 100)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_channel_count_becomes_rgb(channels: int) -> None:
    assert grid(np.full((3, 8, 8, channels), 9, np.uint8)).mode == "RGB"


def test_a_group_is_followed_by_a_wider_gap() -> None:
    picture = np.asarray(grid(np.zeros((4, 4, 4), np.uint8), columns=4, pad=2, scale=1, group=(1, 2)))
    assert picture.shape[1] == 4 * 4 + 2 + 6 + 2
    assert (picture[:, 10:16] == GAP).all() and (picture[:, 16:20] == 0).all()


def test_nothing_to_show_is_still_a_picture() -> None:
    assert grid(np.zeros((0, 8, 8, 1), np.uint8)).size[0] >= 1


def test_floats_are_refused_in_words() -> None:
    with pytest.raises(UserError, match="uint8"):
        grid(np.zeros((2, 8, 8, 1), np.float32))


def _has(picture: object, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(picture) == colour).all(-1).any())


def test_scatter_shows_points_and_marks_strays() -> None:
    reference = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    inside = scatter(reference[:50], reference, size=200)
    assert inside.size == (200, 200) and _has(inside, INK) and not _has(inside, STRAY)
    assert _has(scatter(np.array([[99.0, 0.0]]), reference, size=200), STRAY)


@pytest.mark.parametrize("width", [1, 2, 7])
def test_scatter_takes_any_width_and_skips_nan(width: int) -> None:
    points = np.random.default_rng(0).normal(size=(20, width))
    points[0] = np.nan
    assert _has(scatter(points, points[1:], size=100), INK)
    assert scatter(np.full((3, width), np.nan), size=50).size == (50, 50)
