"""Transparent images: composited on a background, or learned and made as such."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan
from aegan.data import open_data
from aegan.data.decode import decode, read_image
from aegan.data.fit import with_channels
from aegan.data.format import ImageFormat
from aegan.evaluation.features import OnBackground
from aegan.metrics import extractor
from aegan.pictures import CHECKS, grid

Cli = Callable[..., Any]
QUICK = {"width": 8, "components": "1,2", "batch_size": 16}
CLEAR = ImageFormat((16, 16), 4)


def stored(pixels: np.ndarray | Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, "PNG", **options)
    return file.getvalue()


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def disc(size: int, ink: tuple[int, int, int], hidden: tuple[int, int, int], radius: float = 0.3) -> np.ndarray:
    """A disc on nothing: RGBA; where it is transparent the stored colour is `hidden`."""
    y, x = np.mgrid[:size, :size]
    inside = (np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) < radius * size)[..., None]
    return np.where(inside, (*ink, 255), (*hidden, 0)).astype(np.uint8)


@pytest.fixture(scope="module")
def icons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 RGBA icons of 16×16 on nothing."""
    root = tmp_path_factory.mktemp("data") / "icons"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        ink = tuple(int(v) for v in rng.integers(0, 256, 3))
        Image.fromarray(disc(16, ink, (0, 0, 0), rng.uniform(0.15, 0.45))).save(root / f"{i:02}.png")  # type: ignore[arg-type]
    return root


@pytest.fixture(scope="module")
def clear_run(tmp_path_factory: pytest.TempPathFactory, icons: Path) -> Path:
    """An autoencoder of transparent icons, trained for 30 steps; its background is black."""
    out = tmp_path_factory.mktemp("runs") / "icons"
    aegan.fit(
        icons, strategy="autoencoder", out=out, steps=30, size=16, transparent=True, background="black", options=QUICK,
        device="cpu", progress=False, logger="none",
    )  # fmt: skip
    return out


# --- pixels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 40])
def test_the_hidden_colour_does_not_matter(size: int) -> None:
    """Nor as the image is reduced: no fringe of it shows."""
    one, other = (decode(stored(disc(size, (220, 30, 30), hidden)), CLEAR) for hidden in ((0, 255, 0), (7, 0, 255)))
    assert np.array_equal(one.pixels, other.pixels) and one.digest == other.digest and one.transparent
    colour, alpha = one.pixels[..., :3].astype(int), one.pixels[..., 3]
    assert alpha[8, 8] == 255 and alpha[0, 0] == 0
    seen = colour[alpha > 32]
    assert (seen[:, 0] > 200).all() and (seen[:, 1:] < 40).all(), "red, but for what rounding does to faint pixels"
    assert (colour[alpha == 0] == 255).all(), "the colour of the background, white"


def test_what_is_opaque_has_full_alpha() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for image in (rgb, rgb[..., 0]):
        one = decode(stored(image), CLEAR)
        assert (one.pixels[..., 3] == 255).all() and not one.transparent
        assert np.array_equal(one.pixels[..., :3], image if image.ndim == 3 else np.repeat(image[..., None], 3, 2))


def test_every_form_of_alpha_is_kept() -> None:
    grey = np.full((16, 16, 2), (90, 128), np.uint8)
    assert (decode(stored(grey), CLEAR).pixels == (90, 90, 90, 128)).all()
    palette = Image.fromarray((np.arange(256).reshape(16, 16) % 4).astype(np.uint8)).convert("P")
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    seen = decode(stored(palette, transparency=2), CLEAR).pixels
    assert tuple(seen[0, 0]) == (200, 0, 0, 255) and seen[0, 2, 3] == 0 and tuple(seen[0, 3]) == (9, 9, 9, 255)
    rgb = np.full((16, 16, 3), (5, 6, 7), np.uint8)
    rgb[:8] = (50, 60, 70)
    seen = decode(stored(rgb, transparency=(5, 6, 7)), CLEAR).pixels
    assert (seen[:8] == (50, 60, 70, 255)).all() and (seen[8:, :, 3] == 0).all()


@pytest.mark.parametrize(
    ("colour", "rgb"),
    [
        ("white", (255, 255, 255)),
        ("black", (0, 0, 0)),
        ("#102030", (16, 32, 48)),
        ("#f00", (255, 0, 0)),
        ("1,2,3", (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("kind", ["files", "array"])
def test_without_alpha_it_lies_on_the_background(
    colour: str, rgb: tuple[int, int, int], kind: str, tmp_path: Path
) -> None:
    images = [disc(16, (10 * i, 90, 90), (255, 0, 255)) for i in range(10)]
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    data = open_data(np.stack(images) if kind == "array" else tmp_path, size=16, background=colour)
    assert data.spec.shape == (3, 16, 16) and data.spec.background == rgb
    assert (data.train.items[:, 0, 0] == rgb).all() and (data.train.items[:, 8, 8, 1:] == 90).all()
    on = "white" if colour == "white" else "black" if colour == "black" else "#" + bytes(rgb).hex()
    assert f"all images are partly transparent: composited on {on}" in data.inspection.notes
    assert any(note.endswith("--transparent") for note in data.inspection.notes)


def test_a_margin_is_see_through(tmp_path: Path) -> None:
    for i in range(9):
        Image.fromarray(np.full((8, 16, 3), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
    items = open_data(tmp_path, size=16, channels=4, fit="pad").train.items
    assert (items[:, :4, :, 3] == 0).all() and (items[:, 4:12, :, 3] == 255).all() and (items[:, 12:, :, 3] == 0).all()
    assert (items[:, 0, 0, :3] == 255).all()


def test_arrays_of_four_channels() -> None:
    images = np.stack([disc(16, (10 * i, 90, 90), (1, 2, 3)) for i in range(10)])
    data = open_data(images, size=16, channels=4)
    assert data.spec.shape == (4, 16, 16)
    clear = data.train.items[..., 3] == 0
    assert np.array_equal(clear, np.stack([images[int(n)] for n in data.train.names])[..., 3] == 0)
    assert (data.train.items[..., :3][clear] == 255).all()
    grey = np.stack([images[..., 0], images[..., 3]], -1)
    assert open_data(grey, size=16, channels=4).train.items.shape[-1] == 4


def test_what_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(40):
        rgb = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(rgb if i else disc(16, (9, 9, 9), (0, 0, 0))).save(tmp_path / f"{i}.png")
    notes = open_data(tmp_path, size=16).inspection.notes
    assert "1 image is partly transparent: composited on white" in notes
    assert not any("--transparent" in note for note in notes), "one of forty is no hint"
    assert "1 image is partly transparent: alpha is kept" in open_data(tmp_path, size=16, channels=4).inspection.notes
    (tmp_path / "0.png").unlink()
    assert any("no image is transparent" in note for note in open_data(tmp_path, size=16, channels=4).inspection.notes)


def test_alpha_that_hides_nothing_moves_no_image_to_another_split() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    plain, full = open_data(rgb, size=16), open_data(with_channels(rgb, 4), size=16, channels=4)
    assert list(plain.held_out.names) == list(full.held_out.names)


# --- models -------------------------------------------------------------------------------------------------------------


def test_samples_are_see_through(clear_run: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    model = aegan.load(clear_run, device="cpu")
    made = model.sample(4)
    assert made.shape == (4, 16, 16, 4) and made.dtype == np.uint8
    assert model.spec.channels == 4 and model.spec.background == (0, 0, 0)

    sample = ("sample", clear_run, "--n", 4, "--device", "cpu", "--out")
    assert aegan_cli(*sample, tmp_path / "many").code == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [np.array_equal(np.asarray(opened(f)), x) for f, x in zip(files, made, strict=True)] == [True] * 4
    assert aegan_cli(*sample, tmp_path / "grid.png").code == 0
    assert opened(tmp_path / "grid.png").mode == "RGBA"
    assert aegan_cli(*sample, tmp_path / "made.npz").code == 0
    assert np.array_equal(np.load(tmp_path / "made.npz")["images"], made)
    said = aegan_cli(*sample, tmp_path / "grid.jpg")
    assert "composited on black: JPEG has no alpha" in said.out and opened(tmp_path / "grid.jpg").mode == "RGB"


def test_images_go_in_as_they_were_trained_on(clear_run: Path, icons: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    model = aegan.load(clear_run, device="cpu")
    path = sorted(icons.iterdir())[0]
    seen = read_image(path, model.spec.format)
    assert seen.shape == (16, 16, 4) and seen[0, 0, 3] == 0 and (seen[0, 0, :3] == 0).all(), "black, its background"
    assert model.reconstruct(seen[None]).shape == (1, 16, 16, 4)
    device = ("--device", "cpu")
    assert aegan_cli("reconstruct", clear_run, icons, "--out", tmp_path / "back.png", *device).code == 0
    assert aegan_cli("score", clear_run, icons, "--out", tmp_path / "s.csv", *device).code == 0
    assert aegan_cli("similar", clear_run, path, icons, "--out", tmp_path / "near.png", *device).code == 0
    walk = ("interpolate", clear_run, "--rows", 2, "--steps", 3, *device, "--out")
    assert aegan_cli(*walk, tmp_path / "walk.gif").code == 0 and aegan_cli(*walk, tmp_path / "walk.png").code == 0
    assert opened(tmp_path / "walk.png").mode == "RGBA"


def test_it_is_judged_on_its_background(clear_run: Path) -> None:
    found = aegan.evaluate(clear_run, extractor="pixels", count=64, device="cpu")
    assert found.extractor["alpha"] == "composited on black" and found.data["shape"] == [4, 16, 16]
    images = np.stack([disc(16, (200, 10, 10), (9, 9, 9))])
    on_black = OnBackground(extractor("pixels"), (0, 0, 0))(images)
    assert np.array_equal(on_black.numpy(), extractor("pixels")(with_channels(images, 3, (0, 0, 0))).numpy())


def test_the_report_and_the_page_show_it(clear_run: Path) -> None:
    from aegan.pictures import as_image, encoded
    from aegan.report import write_report
    from aegan.serve.play import Play

    assert "16×16, colour with alpha" in write_report(clear_run).read_text()
    play = Play(aegan.load(clear_run, device="cpu"), None)
    seen = play.read(stored(disc(40, (250, 0, 0), (0, 255, 0))))
    assert seen.shape == (1, 16, 16, 4) and play.about()["shape"] == [4, 16, 16]
    assert Image.open(io.BytesIO(encoded(as_image(seen[0])))).mode == "RGBA"


def test_an_export_says_what_its_channels_are(clear_run: Path) -> None:
    from aegan.hub.export import contract

    told = contract(aegan.load(clear_run, device="cpu"), [], "onnx")["data"]
    assert told["channels"] == "RGBA" and told["shape"] == [4, 16, 16]


def test_a_codec_keeps_alpha(icons: Path, tmp_path: Path) -> None:
    from aegan.codec import compress, decompress

    options = {"width": 8, "blocks": 1, "density_width": 8, "pixel_width": 8, "batch_size": 16, "components": "1,2"}
    run = aegan.fit(
        icons, strategy="codec", out=tmp_path / "run", steps=9, size=16, transparent=True, options=options, device="cpu",
        progress=False, logger="none",
    )  # fmt: skip
    for name, lossless in (("exact.aeg", True), ("near.aeg", False)):
        compress(run.model, str(icons), tmp_path / name, lossless=lossless)
        back = [picture for _, picture in decompress(tmp_path / name, run.model)[1]]
        assert {(p.mode, p.pixels.shape) for p in back} == {("RGBA", (16, 16, 4))}
    compress(run.model, str(icons), tmp_path / "exact.aeg", lossless=True)
    back = [picture.pixels for _, picture in decompress(tmp_path / "exact.aeg", run.model)[1]]
    assert all(np.array_equal(x, np.asarray(opened(p))) for x, p in zip(back, sorted(icons.iterdir()), strict=True))


# --- pictures of them ---------------------------------------------------------------------------------------------------


def test_grids_of_see_through_images() -> None:
    images = np.zeros((1, 32, 32, 4), np.uint8)
    images[:, :16] = (200, 0, 0, 255)
    shown = np.asarray(grid(images, scale=1))
    assert (shown[:16] == (200, 0, 0)).all()
    assert {tuple(p) for p in shown[16:].reshape(-1, 3)} == {(grey,) * 3 for grey in CHECKS}
    kept = grid(images, scale=1, alpha="kept")
    assert kept.mode == "RGBA" and np.asarray(kept)[20, 20, 3] == 0
    assert tuple(np.asarray(grid(images, scale=1, alpha=(0, 0, 255)))[20, 20]) == (0, 0, 255)


def test_the_sheet_is_a_checkerboard_where_they_are_clear(icons: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    done = aegan_cli("check", icons, "--transparent", "--size", 16, "--sheet", tmp_path / "s.png")
    assert done.code == 0 and "used as colour with alpha 16×16" in done.out
    sheet = np.asarray(opened(tmp_path / "s.png")).reshape(-1, 3)
    assert (sheet == CHECKS[1]).all(1).sum() > 1000


def test_a_background_of_three_numbers_is_kept_by_the_run(icons: Path, tmp_path: Path) -> None:
    run = aegan.fit(
        icons, strategy="autoencoder", out=tmp_path / "run", steps=2, size=16, background=(1, 2, 3), options=QUICK,
        device="cpu", progress=False, logger="none",
    )  # fmt: skip
    assert run.config.run.background == "#010203"
    assert aegan.Run(run.path).data().spec.background == (1, 2, 3)
