"""Limits of picture formats: too many images for one picture are told before the work, or laid out so that they fit."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.errors import UserError
from aegan.pictures import grid
from aegan.report.fitting import MOST, fitted, suits

Cli = Callable[..., Any]


# --- how many fit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 8, 64, 65, 1000, 40_000])
@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (24, 96), (96, 24)])
def test_a_picture_of_many_is_about_square(n: int, shape: tuple[int, int]) -> None:
    columns = suits(n, shape)
    assert columns == 8 if n <= 64 else True
    if n > 64:
        high, wide = -(-n // columns) * (shape[0] + 2), columns * (shape[1] + 2)
        assert max(high, wide) <= 1.25 * min(high, wide) + 2 * (max(shape) + 2)


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16_383), (".jpg", 65_500), (".JPEG", 65_500), (".gif", 65_535)])
def test_the_most_that_a_format_has(suffix: str, side: int) -> None:
    count = (side + 2) // 66  # of 64 pixels, with 2 between
    assert fitted(count, (64, 64), suffix, columns=count).scale == 1
    with pytest.raises(UserError, match=f"at most {side:,} a side"):
        fitted(count + 1, (64, 64), suffix, columns=count + 1)


def test_small_images_are_enlarged_less_where_they_are_many() -> None:
    assert fitted(64, (16, 16), ".png").scale == 4
    assert fitted(100_000, (16, 16), ".png").scale < 4
    assert fitted(100_000, (16, 16), ".webp").scale == 1
    assert fitted(300, (16, 16), ".webp", columns=300).scale == 3


def test_what_most_programs_would_not_open_is_not_made() -> None:
    with pytest.raises(UserError, match="million") as told:
        fitted(100_000, (64, 64), ".png")
    fits = int(str(told.value).rpartition("fewer: ")[2].split(" ")[0].replace(",", ""))
    assert 10_000 < fits < 100_000
    layout = fitted(fits, (64, 64), ".png")
    rows = -(-fits // layout.columns)
    assert (rows * 66 - 2) * (layout.columns * 66 - 2) <= MOST
    with pytest.raises(UserError):
        fitted(fits + 4000, (64, 64), ".png")


def test_the_layout_is_that_of_the_grid(make_shapes: Callable[..., Any]) -> None:
    images, _ = make_shapes(70)
    layout = fitted(len(images), (16, 16), ".png")
    made = np.asarray(grid(images, layout.columns, scale=layout.scale))
    assert layout.columns == 9 and made.shape == (8 * 66 - 2, 9 * 66 - 2, 3)
    assert np.array_equal(made[66:130:4, 0:64:4], images[9]), "the tenth begins the second row"


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grid.webp", "grid.jpg", "grid.png"])
def test_samples_are_refused_before_they_are_drawn(
    name: str, trained: Path, tmp_path: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aegan.model import Model

    monkeypatch.setattr(Model, "sample", lambda *_, **__: pytest.fail("it has begun"))
    said = aegan_cli("sample", trained, "--n", 1_000_000, "--out", tmp_path / name)
    said.refused("1,000,000 images of 16×16", "fewer", ".npz")
    assert not list(tmp_path.iterdir())


def test_many_samples_in_one_picture(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    """In eight columns they would be 20,000 pixels high, which WebP does not have."""
    said = aegan_cli("sample", trained, "--n", 2500, "--out", tmp_path / "grid.webp")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "grid.webp") as made:
        assert made.size == (50 * 66 - 2, 50 * 66 - 2)


def test_walks(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("interpolate", trained, "--rows", 2, "--steps", 1000, "--out", tmp_path / "w.webp")
    said.refused("WebP has at most 16,383")
    said = aegan_cli("interpolate", trained, "--rows", 1, "--steps", 400, "--out", tmp_path / "w.webp")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "w.webp") as made:
        assert made.size == (20 * 66 - 2, 20 * 66 - 2)
    said = aegan_cli("interpolate", trained, "--rows", 90, "--steps", 2, "--out", tmp_path / "w.gif")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "w.gif") as made:
        assert made.size == (10 * 66 - 2, 9 * 66 - 2)


def test_pairs_stand_above_each_other_in_a_large_picture(
    trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    said = aegan_cli("reconstruct", trained, folder, "--n", 120, "--out", tmp_path / "p.png")
    assert said.code == 0, said.err
    assert aegan_cli("reconstruct", trained, folder, "--n", 120, "--out", tmp_path / "p").code == 0
    made = np.asarray(Image.open(tmp_path / "p.png"))
    row = suits(240, (16, 16))
    assert made.shape[1] == row * 66 - 2
    first = sorted((tmp_path / "p").rglob("*.png"))
    back = made[66:130:4, 0:64:4]
    assert any(np.array_equal(back, np.asarray(Image.open(one))) for one in first), "what came back, below its original"


def test_similar_refuses_before_the_data_are_read(trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    image = next((folder / "disc").iterdir())
    said = aegan_cli("similar", trained, image, folder, "--count", 10**7, "--out", tmp_path / "s.webp")
    said.refused("10,000,001 images")


# --- places -----------------------------------------------------------------------------------------------------------


def test_places_that_cannot_be(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there.png").mkdir()
    for out, words in (("file/s.png", "is a file"), ("there.png", "is a folder"), ("s.tiff", "Cannot write .tiff")):
        aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / out).refused(words)
    aegan_cli("sample", trained, "--n", 2, "--out", "/dev/full/s.png").refused("/dev/full")
    said = aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / "new" / "deep" / "s.jpeg")
    assert said.code == 0 and (tmp_path / "new" / "deep" / "s.jpeg").read_bytes()[:2] == b"\xff\xd8"


def test_a_full_disk_leaves_no_half_a_folder(
    trained: Path, tmp_path: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, count = Image.Image.save, 0

    def save(self: Image.Image, path: Any, *rest: Any, **how: Any) -> None:
        nonlocal count
        count += 1
        if count == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, path, *rest, **how)

    monkeypatch.setattr(Image.Image, "save", save)
    aegan_cli("sample", trained, "--n", 9, "--out", tmp_path / "s").refused("The disk is full")
    assert count == 5 and not list(tmp_path.iterdir())
