"""Images that are not square, and models of them: cropped, padded or stretched, at every place that knows a size."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import aegan
from aegan.bundle import read_bundle, write_bundle
from aegan.data import open_data, open_like
from aegan.data.format import ImageFormat
from aegan.data.loader import Loader
from aegan.errors import UserError
from aegan.networks import build_autoencoder, build_critic
from aegan.runs.folder import Run
from aegan.runs.settings import RunSettings

Cli = Callable[..., Any]
QUICK = {"width": 8, "components": "1,2", "batch_size": 16}
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def thirds(width: int = 96, height: int = 32, seed: int = 0) -> np.ndarray:
    """Red, green and blue thirds side by side; a block in the middle differs by seed, so that no two are equal."""
    image = np.empty((height, width, 3), np.uint8)
    for i, colour in enumerate((RED, GREEN, BLUE)):
        image[:, i * width // 3 : (i + 1) * width // 3] = colour
    middle = (slice(2 * height // 5, 3 * height // 5), slice(9 * width // 20, 11 * width // 20))
    image[middle] = (0, 200, 10 * seed)
    return image


def as_folder(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(root / f"{i:03}.png")
    return root


def as_array(images: list[np.ndarray], root: Path) -> Path:
    root.mkdir(parents=True)
    np.save(root / "images.npy", np.stack(images))
    return root / "images.npy"


def as_shard(images: list[np.ndarray], root: Path) -> Path:
    folder = as_folder(images, root)
    with tarfile.open(root / "images.tar", "w") as tar:
        for path in sorted(folder.glob("*.png")):
            tar.add(path, path.name)
    return root / "images.tar"


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory: pytest.TempPathFactory, make_shapes: Any) -> Path:
    """60 PNGs of 24×16 in two classes."""
    root = tmp_path_factory.mktemp("data") / "wide"
    images, labels = make_shapes(60, 24)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / ("square", "disc")[label] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[4:20]).save(path)
    return root


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory: pytest.TempPathFactory, wide_folder: Path) -> Path:
    """An autoencoder of 24×16, trained on mirrored images for 12 steps."""
    out = tmp_path_factory.mktemp("runs") / "wide"
    aegan.fit(
        wide_folder, strategy="autoencoder", out=out, steps=12, size="24x16", mirror=True, fit="stretch", options=QUICK,
        device="cpu", progress=False, logger="none",
    )  # fmt: skip
    return out


# --- pixels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [as_folder, as_array, as_shard])
@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_another_shape_is_cropped_padded_or_stretched(how: str, store: Any, tmp_path: Path) -> None:
    source = store([thirds(seed=i) for i in range(12)], tmp_path / "data")
    data = open_data(source, size=48, fit=how, background="#ffff00", stream="on" if store is as_shard else "auto")
    seen = data.train.items[0].astype(int)

    def about(row: int, column: int, colour: tuple[int, int, int]) -> bool:
        return bool(np.abs(seen[row, column] - colour).max() <= 2)

    if how == "crop":
        assert all(about(r, c, GREEN) for r in (6, 41) for c in (6, 41))
    elif how == "pad":  # 96×32 becomes 48×16, in the middle of 48 rows
        assert all(about(r, c, (255, 255, 0)) for r in (0, 14, 33, 47) for c in (0, 24, 47))
        assert about(18, 6, RED) and about(18, 24, GREEN) and about(18, 42, BLUE)
    else:
        assert all(about(r, 6, RED) and about(r, 24, GREEN) and about(r, 42, BLUE) for r in (0, 15, 47))
    said = {"crop": "cropped to the central square", "pad": "a margin is added", "stretch": "stretched"}
    assert f"all images are not square: {said[how]}" in data.inspection.notes


def test_the_middle_of_the_right_shape_is_kept(tmp_path: Path) -> None:
    """300×100 to 48×32: the middle 150 columns, so half of the red third is gone, and of the blue."""
    source = as_folder([thirds(300, 100, seed=i) for i in range(12)], tmp_path / "data")
    data = open_data(source, size=(48, 32))
    seen = data.train.items[0].astype(int)
    assert data.spec.shape == (3, 32, 48) and (data.spec.width, data.spec.height) == (48, 32)
    for column, colour in ((3, RED), (24, GREEN), (44, BLUE)):
        assert np.abs(seen[3, column] - colour).max() <= 2
    assert "all images are not 48×32 in shape: cropped to the middle" in data.inspection.notes
    assert data.inspection.size == "48x32" and data.inspection.lines()[0] == "12 images, used as colour 48×32"


def test_only_images_of_another_shape_are_counted(tmp_path: Path) -> None:
    images = [thirds(96, 64, seed=i) for i in range(9)] + [thirds(96, 96, seed=i) for i in range(3)]
    notes = open_data(as_folder(images, tmp_path / "data"), size="96x64", fit="pad").inspection.notes
    assert "3 images are not 96×64 in shape: a margin is added" in notes
    assert "3 images are larger than 96×64: reduced" in notes


@pytest.mark.parametrize("how", ["crop", "pad"])
def test_images_slightly_too_small_arrive_pixel_for_pixel(how: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (22, 30, 3), dtype=np.uint8) for _ in range(10)
    ]  # of 30 columns, a crop to 4:3 keeps 29
    data = open_data(as_folder(images, tmp_path / "data"), size="32x24", fit=how, background="black")
    seen = {bytes(item[1:23, 1:30]) for item in data.train.items}
    wanted = {bytes(image[:, :29]) for image in images}
    assert seen <= wanted
    margin = data.train.items[:, 0]
    assert not margin.any() if how == "pad" else margin.any()


def test_a_photo_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    """Stored 600×900 and turned by its EXIF: upright it is 900×600, of the very shape that is wanted."""
    root = tmp_path / "data"
    root.mkdir()
    for i in range(9):
        upright = Image.fromarray(thirds(900, 600, seed=i))
        exif = Image.Exif()
        exif[0x0112] = 6
        upright.transpose(Image.Transpose.ROTATE_90).save(root / f"{i}.jpg", exif=exif, quality=95)
    data = open_data(root, size="48x32", labels=False)
    assert not any("in shape" in note for note in data.inspection.notes)
    seen = data.train.items[0].astype(int)
    for column, colour in ((5, RED), (24, GREEN), (42, BLUE)):
        assert np.abs(seen[25, column] - colour).max() <= 8


def test_grey_is_luma(tmp_path: Path) -> None:
    data = open_data(
        as_folder([thirds(seed=i) for i in range(9)], tmp_path / "data"), size=32, channels=1, fit="stretch"
    )
    assert data.spec.shape == (1, 32, 32)
    assert abs(int(data.train.items[0, 0, 2, 0]) - round(0.299 * 200)) <= 1


def test_a_grey_image_gets_a_margin_in_colour(tmp_path: Path) -> None:
    images = [np.full((20, 40), 10 * i, np.uint8) for i in range(10)]
    data = open_data(as_folder(images, tmp_path / "data"), size=40, fit="pad", background="red")
    assert data.spec.channels == 3 and (data.train.items[:, 0] == (255, 0, 0)).all()
    assert {int(item[20, 20, 1]) for item in data.train.items} <= {10 * i for i in range(10)}


def test_sizes_are_read_alike_however_they_are_written() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 48, 3), dtype=np.uint8)
    prints = {open_data(images, size=size).fingerprint for size in ("48x32", "48X32", " 48×32 ", (48, 32), [48, 32])}
    assert len(prints) == 1
    assert open_data(images, size="32").spec == open_data(images, size=32).spec


# --- runs ---------------------------------------------------------------------------------------------------------------


def test_all_follows_the_form_of_a_run(wide_run: Path, wide_folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    plain = yaml.safe_load((wide_run / "config.yaml").read_text())["run"]
    assert (plain["size"], plain["fit"], plain["background"], plain["mirror"]) == ("24x16", "stretch", "white", True)
    model = aegan.load(wide_run, device="cpu")
    assert model.spec.shape == (3, 16, 24) and model.spec.fit == "stretch"
    assert model.sample(3).shape == (3, 16, 24, 3)
    assert Run(wide_run).data().spec == model.spec

    big = as_folder([thirds(60, 60, seed=i) for i in range(10)], tmp_path / "big")
    seen = open_like(big, model.spec).train.items[0].astype(int)
    assert seen.shape == (16, 24, 3) and np.abs(seen[3, 2] - RED).max() <= 2, "new data are stretched as the old were"

    assert aegan_cli("sample", wide_run, "--n", 3, "--out", tmp_path / "made", "--device", "cpu").code == 0
    assert {opened(p).size for p in (tmp_path / "made").iterdir()} == {(24, 16)}
    assert aegan_cli("reconstruct", wide_run, wide_folder, "--out", tmp_path / "r.png", "--device", "cpu").code == 0
    assert aegan_cli("encode", wide_run, wide_folder, "--out", tmp_path / "c.npz", "--device", "cpu").code == 0
    assert len(np.load(tmp_path / "c.npz")["codes"]) == 60
    assert aegan_cli("score", wide_run, big, "--device", "cpu", "--out", tmp_path / "s.csv").code == 0


def test_its_evaluation_says_what_was_mirrored(wide_run: Path, tmp_path: Path) -> None:
    found = aegan.evaluate(wide_run, extractor="pixels", count=100, device="cpu", out=tmp_path)
    assert any("mirrored" in remark and "the held-out images are not" in remark for remark in found.remarks)
    assert found.data["shape"] == [3, 16, 24]
    assert opened(tmp_path / "samples.png").width > opened(tmp_path / "samples.png").height
    with pytest.raises(UserError, match="The model makes images of 24×16: 16 is not its size"):
        aegan.evaluate(wide_run, size=16, device="cpu")


def test_images_are_compared_at_a_size_that_is_not_square() -> None:
    one, other = np.random.default_rng(0).integers(0, 256, (2, 300, 20, 40, 3), dtype=np.uint8)
    found = aegan.evaluate(one, other, metrics="kd", extractor="pixels", size="32x16", device="cpu")
    assert found.data["shape"] == [3, 16, 32]


def test_mirrored_images_are_what_the_loader_gives() -> None:
    images = np.zeros((40, 8, 16, 1), np.uint8)
    images[:, :, :8] = np.arange(40, dtype=np.uint8)[:, None, None, None] + 100
    data = open_data(images, size="16x8")
    batch = Loader(data.train, 16, seed=3, flip=True).next()
    left, right = batch.x[:, 0, 0, 0] > -0.5, batch.x[:, 0, 0, -1] > -0.5
    assert bool((left ^ right).all()) and 0 < int(right.sum()) < 16


def test_mirroring_changes_training_and_repeats(wide_folder: Path, tmp_path: Path) -> None:
    def weights(name: str, mirror: bool) -> dict[str, torch.Tensor]:
        run = aegan.fit(
            wide_folder, strategy="autoencoder", out=tmp_path / name, steps=6, size="24x16", mirror=mirror, options=QUICK,
            device="cpu", progress=False, logger="none",
        )  # fmt: skip
        return run.model.networks["E"].state_dict()

    first, again, plain = weights("a", True), weights("b", True), weights("c", False)
    assert all(torch.equal(v, again[k]) for k, v in first.items())
    assert not all(torch.equal(v, plain[k]) for k, v in first.items())
    assert RunSettings.read(tmp_path / "a" / "config.yaml").decisive()["mirror"] is True


def test_a_run_of_an_older_version_still_opens(trained_copy: Path) -> None:
    """Neither its config.yaml nor its model knew of fits and backgrounds."""
    path = trained_copy / "config.yaml"
    content = yaml.safe_load(path.read_text())
    assert content["run"]["size"] == 16
    for key in ("fit", "background", "transparent", "grey", "mirror"):
        del content["run"][key]
    path.write_text(yaml.safe_dump(content))
    tensors, told = read_bundle(trained_copy / "model")
    del told["spec"]["fit"], told["spec"]["background"]
    write_bundle(trained_copy / "model", tensors, told)
    run = Run(trained_copy, "cpu")
    assert run.config.run.size == 16 and run.config.run.mirror is False
    assert run.model.spec.format == ImageFormat((16, 16), 3) and run.data().spec == run.model.spec


def test_a_comparison_trains_all_on_one_form(wide_folder: Path, tmp_path: Path) -> None:
    from aegan.comparison.page import command
    from aegan.comparison.results import Results
    from aegan.comparison.settings import Settings, keep

    asked = Settings(str(wide_folder), ("vae", "gan"), steps=3, size="24x16", fit="pad", transparent=True, mirror=True)
    for name in asked.strategies:
        config = asked.config(name, 0, tmp_path)
        assert (config.size, config.fit, config.transparent, config.mirror) == ("24x16", "pad", True, True)
    assert asked.open_data().spec.shape == (4, 16, 24)
    words = command(Results(asked, (), {}))
    assert "--size 24x16 --fit pad --transparent --mirror" in words

    plain = Settings(str(wide_folder), ("vae",), steps=3, size=16)
    keep(plain, "print", tmp_path / "compared")
    path = tmp_path / "compared" / "comparison.json"
    older = {
        k: v for k, v in json.loads(path.read_text()).items() if k not in ("fit", "background", "transparent", "grey")
    }
    path.write_text(json.dumps(older))
    assert keep(plain, "print", tmp_path / "compared").size == 16, "begun by an older version, and gone on with"
    with pytest.raises(UserError, match="--fit"):
        keep(Settings(str(wide_folder), ("vae",), steps=3, size=16, fit="pad"), "print", tmp_path / "compared")


def test_an_array_that_is_given_again_takes_the_form_of_its_run(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 20, 30, 3), dtype=np.uint8)
    told: dict[str, Any] = {"out": tmp_path / "run", "device": "cpu", "progress": False, "logger": "none"}
    aegan.fit(images, strategy="autoencoder", steps=4, size=(24, 16), grey=True, options=QUICK, **told)
    again = aegan.fit(images, resume=True, **told)
    assert again.model.spec.shape == (1, 16, 24)


def test_a_codec_of_tiles_that_are_not_square(wide_folder: Path, tmp_path: Path) -> None:
    from aegan.codec import compress, decompress

    options = {"width": 8, "blocks": 1, "density_width": 8, "pixel_width": 8, "batch_size": 16, "components": "1,2"}
    run = aegan.fit(
        wide_folder, strategy="codec", out=tmp_path / "run", steps=9, size="24x16", options=options, device="cpu",
        progress=False, logger="none",
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (3, 37, 29, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", images)
    compress(run.model, str(tmp_path / "x.npy"), tmp_path / "x.aeg", lossless=True)
    back = np.stack([picture.pixels for _, picture in decompress(tmp_path / "x.aeg", run.model)[1]])
    assert np.array_equal(back, images)
    compress(run.model, str(tmp_path / "x.npy"), tmp_path / "y.aeg", quality=90)
    assert [p.pixels.shape for _, p in decompress(tmp_path / "y.aeg", run.model)[1]] == [(37, 29, 3)] * 3


def test_features_of_images_that_are_not_square() -> None:
    pytest.importorskip("sklearn")
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 24, 4), dtype=np.uint8)
    encoder = aegan.Encoder(steps=4, code_dim=4, options={"width": 8}, batch_size=16, device="cpu").fit(images)
    assert encoder.model_.spec.shape == (4, 16, 24) and encoder.transform(images[:3]).shape == (3, 4)


@pytest.mark.parametrize("shape", [(3, 8, 64), (3, 64, 8), (4, 16, 128), (1, 8, 256), (3, 24, 16)])
def test_networks_of_long_images(shape: tuple[int, int, int]) -> None:
    x = torch.zeros(2, *shape)
    E, G = build_autoencoder(shape, width=8)
    assert G(E(x)).shape == x.shape
    assert build_critic(shape, width=8)(x).shape == (2,)


def test_a_view_of_a_wide_image_turns_without_shearing() -> None:
    from aegan.objectives.views import view

    y, x = np.mgrid[:32, :96]
    disc = (np.hypot(x - 47.5, y - 15.5) < 12).astype(np.float32)
    torch.manual_seed(0)
    seen = view(torch.from_numpy(disc)[None, None].repeat(8, 1, 1, 1) * 2 - 1, zoom=0, shift=0, turn=0.7, light=0)
    for image in seen[:, 0].numpy():
        weight = (image + 1) / 2
        across, down = ((weight * (v - c) ** 2).sum() / weight.sum() for v, c in ((x, 47.5), (y, 15.5)))
        both = (weight * (x - 47.5) * (y - 15.5)).sum() / weight.sum()
        assert across == pytest.approx(down, rel=0.03) and abs(both) < 0.03 * down


# --- the contact sheet --------------------------------------------------------------------------------------------------


def test_the_sheet_shows_every_class_as_the_model_sees_it(tmp_path: Path, aegan_cli: Cli) -> None:
    root = tmp_path / "data"
    colours = {"red": RED, "green": GREEN, "blue": BLUE}
    for k, (name, colour) in enumerate(colours.items()):
        (root / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((40, 40, 3), colour, np.uint8)
            pixels[0, i] = 10 * k
            Image.fromarray(pixels).save(root / name / f"{'a very long name ' * 6}{i} \u540d\u524d.png")
    done = aegan_cli(
        "check", root, "--size", "32x16", "--fit", "pad", "--background", "#ff00ff", "--sheet", tmp_path / "s.png"
    )
    assert done.code == 0 and "used as colour 32×16" in done.out and "s.png" in done.out
    sheet = np.asarray(opened(tmp_path / "s.png").convert("RGB")).reshape(-1, 3)
    for colour in (*colours.values(), (255, 0, 255)):
        assert (np.abs(sheet.astype(int) - colour).max(1) <= 3).sum() > 300, colour
    aegan_cli("check", root, "--sheet", tmp_path / "s.txt").refused("contact sheet", ".txt")


def test_the_sheet_of_points(tmp_path: Path, points: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("check", points, "--sheet", tmp_path / "s.png").code == 0
    assert opened(tmp_path / "s.png").mode == "RGB"


# --- bad values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "50"], ["50×50", "nearest is 48"]),
        (["--size", "96x"], ["'96x'", "WIDTHxHEIGHT"]),
        (["--size", "0x64"], ["0×64"]),
        (["--size", "96x60"], ["96×60", "nearest is 96x64"]),
        (["--size", "64x64x3"], ["'64x64x3'"]),
        (["--size", "-64x64"], ["-64×64"]),
        (["--size", "64,32"], ["'64,32'"]),
        (["--size", "8192"], ["nearest is 4096"]),
        (["--fit", "zoom"], ["zoom", "crop, pad, stretch"]),
        (["--background", "nosuch"], ["'nosuch'", "#rrggbb"]),
        (["--background", "1,2,300"], ["'1,2,300'"]),
        (["--background", ""], ["''"]),
        (["--grey", "--transparent"], ["--transparent and --grey"]),
    ],
)
@pytest.mark.parametrize("command", ["check", "train"])
def test_bad_values_are_told_in_one_line(
    command: str, options: list[str], words: list[str], folder: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    out = ["--out", tmp_path / "run", "--steps", 3] if command == "train" else ["--sheet", tmp_path / "sheet.png"]
    aegan_cli(command, folder, *options, *out).refused(*words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options", [["--size", 32], ["--transparent"], ["--grey"], ["--fit", "pad"], ["--background", "red"]]
)
def test_points_have_none_of_it(options: list[Any], points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    aegan_cli("train", points, *options, "--steps", 3, "--out", tmp_path / "run").refused("vectors", "Leave size")
    assert not (tmp_path / "run").exists()
