"""Files of images: sizes, modes and names come back; damage costs what it hits; nothing asks for all memory."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import aegan
from aegan.codec import Folder, blocks, compress, decompress, fingerprint, step_of
from aegan.codec.blocks import U32, Blocks
from aegan.codec.coding import Damaged
from aegan.codec.container import BLOCK, HEAD, MAGIC, NAMES, PREFIX, TAIL, packed, records
from aegan.codec.files import safe, stacked
from aegan.codec.images import FILE, ImageSource, Picture, cut, extents, is_palette, joined, margins
from aegan.data.format import ImageFormat
from aegan.errors import UserError
from aegan.model import Model


def through(model: Model, source: str | Path, path: Path, **how: Any) -> dict[str, Picture]:
    compress(model, str(source), path, **how)
    result, images = decompress(path, model)
    back = dict(images)
    assert result.whole and result.images == result.expected == len(back)
    return back


# --- lossless ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_lossless_gives_every_pixel_and_mode(
    kind: str, request: pytest.FixtureRequest, photos: Path, tmp_path: Path
) -> None:
    deep = Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20) * 300)
    deep.save(photos / "deep.png")
    frames = [Image.new("RGB", (8, 8), (90 * i, 0, 0)) for i in range(3)]
    frames[0].save(photos / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (6, 9), (10, 200, 30, 40)).save(photos / "print.tif")
    clear = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 4).convert("P")
    clear.save(photos / "clear.png", transparency=2)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(photos / "clear-grey.png", transparency=7)
    four = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)
    Image.frombytes("RGBX", (5, 6), four.tobytes()).save(photos / "infrared.tif")
    upright = Image.fromarray(np.arange(80, dtype=np.uint8).reshape(8, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(photos / "turned.png", exif=exif)
    back = through(request.getfixturevalue(kind), photos, tmp_path / "a.aeg", lossless=True)
    assert len(back) == 13
    folder = Folder(tmp_path / "back")
    for name, picture in back.items():
        path = folder.add(name, picture)
        if picture.mode == FILE:
            assert path.read_bytes() == (photos / name).read_bytes() and path.suffix == Path(name).suffix
            continue
        with Image.open(path) as got, Image.open(photos / name) as was:
            if name == "turned.png":
                assert got.size == (8, 10) and np.array_equal(np.asarray(got), np.rot90(np.asarray(was), -1))
                continue
            assert (got.mode, got.size) == (was.mode, was.size), name
            assert np.array_equal(np.asarray(got), np.asarray(was)), name
            assert np.array_equal(np.asarray(got.convert("RGBA")), np.asarray(was.convert("RGBA"))), name
    assert {name for name, picture in back.items() if picture.mode == FILE} == {
        "deep.png", "moving.gif", "clear-grey.png", "infrared.tif"
    }  # fmt: skip


def test_lossless_of_an_array(grey: Model, tmp_path: Path, make_shapes: Any) -> None:
    images, _ = make_shapes(64, 8, 1)
    np.save(tmp_path / "a.npy", images)
    back = through(grey, tmp_path / "a.npy", tmp_path / "a.aeg", lossless=True)
    assert np.array_equal(stacked(list(back.values())), images)


@pytest.mark.parametrize("shape", [(6, 9, 10), (6, 9, 10, 1), (6, 9, 10, 2), (6, 9, 10, 3), (6, 4, 9, 10)], ids=str)
def test_lossless_keeps_the_channels_of_an_array(
    shape: tuple[int, ...], codec_run: Callable[[int], Path], tmp_path: Path
) -> None:
    """A codec of transparent images, too, adds none."""
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", images)
    back = through(aegan.load(codec_run(4)), tmp_path / "a.npy", tmp_path / "a.aeg", lossless=True)
    wanted = images.transpose(0, 2, 3, 1) if shape[1] == 4 else images.reshape(*images.shape[:3], -1)
    assert np.array_equal(stacked(list(back.values())), wanted)


def test_lossless_refuses_floats(grey: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((4, 16, 16)))
    with pytest.raises(UserError, match="lossless means 8-bit"):
        compress(grey, str(tmp_path / "a.npy"), tmp_path / "a.aeg", lossless=True)


# --- lossy ------------------------------------------------------------------------------------------------------------


def test_quality_trades_bytes_for_error(grey: Model, tmp_path: Path, make_shapes: Any) -> None:
    images, _ = make_shapes(64, 8, 1)
    np.save(tmp_path / "a.npy", images)
    sizes, errors = [], []
    for quality in (1, 50, 100):
        back = through(grey, tmp_path / "a.npy", tmp_path / "a.aeg", quality=quality)
        sizes.append((tmp_path / "a.aeg").stat().st_size)
        errors.append(float(np.mean((stacked(list(back.values())).astype(float) - images) ** 2)))
    assert sizes[0] < sizes[1] < sizes[2] < images.size and errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.2 * images.var()


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_lossy_keeps_sizes_and_colours(kind: str, request: pytest.FixtureRequest, photos: Path, tmp_path: Path) -> None:
    back = through(request.getfixturevalue(kind), photos, tmp_path / "a.aeg", quality=100)
    for name, picture in back.items():
        with Image.open(photos / name) as was:
            assert picture.size == was.size[::-1]
            assert picture.mode == ("L" if was.mode in ("1", "L") else "RGB"), name
    with Image.open(photos / "b.png") as was:
        wanted = np.asarray(was).astype(float)
    error = np.abs(back["b.png"].pixels - wanted).mean()
    assert error < 0.7 * np.abs(wanted - wanted.mean((0, 1))).mean(), "it is that picture, not any"


def test_a_built_in_set(grey: Model, tmp_path: Path) -> None:
    back = through(grey, "digits", tmp_path / "a.aeg", quality=1)
    assert {p.size for p in back.values()} == {(8, 8)} and "train-0" in back


@pytest.mark.parametrize("quality", [0, 101])
def test_no_such_quality(grey: Model, quality: int) -> None:
    with pytest.raises(UserError, match="from 1 to 100"):
        step_of(grey, quality)


def test_qualities_span_what_was_learned(grey: Model) -> None:
    fine, coarse = grey.strategy.steps  # type: ignore[attr-defined]
    assert [step_of(grey, q) for q in (1, 100)] == [256 * coarse, 256 * fine]


# --- what cannot be compressed ----------------------------------------------------------------------------------------


def test_a_model_that_is_no_codec(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not trained for a codec") as why:
        compress(aegan.load(trained), "digits", tmp_path / "a.aeg")
    assert "--strategy codec" in str(why.value) and not list(tmp_path.iterdir())


def test_vectors_and_nothing(grey: Model, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds vectors"):
        compress(grey, "ring", tmp_path / "a.aeg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        compress(grey, str(tmp_path / "empty"), tmp_path / "a.aeg")
    (tmp_path / "empty" / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="name of the data is empty"):
        compress(grey, "", tmp_path / "a.aeg")
    with pytest.raises(UserError, match="None of the images"):
        compress(grey, str(tmp_path / "empty"), tmp_path / "a.aeg")
    assert [p.name for p in tmp_path.iterdir()] == ["empty"], "nothing half-written stays"


def test_images_that_cannot_be_read_are_named(grey: Model, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes((photos / "b.png").read_bytes()[:100])
    done = compress(grey, str(photos), tmp_path / "a.aeg")
    assert done.images == 6 and list(done.skipped) == ["broken.png"]
    result, images = decompress(tmp_path / "a.aeg", grey)
    assert "broken.png" not in dict(images) and result.whole, "later names are not shifted"


def test_constriction_missing(grey: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "constriction", None)
    with pytest.raises(UserError, match=r"aegan\[codec\]"):
        compress(grey, "digits", tmp_path / "a.aeg")


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(
    grey: Model, tmp_path: Path, make_shapes: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Picture]]:
    """A file of four blocks of two images with names, and what it holds."""
    monkeypatch.setattr("aegan.codec.files.IMAGES", 2)
    images, _ = make_shapes(8, 8, 1)
    (tmp_path / "in").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image[:, :, 0]).save(tmp_path / "in" / f"name-{i}.png")
    path = tmp_path / "small.aeg"
    return path, through(grey, tmp_path / "in", path, lossless=True)


def check(model: Model, path: Path, wanted: dict[str, Picture]) -> int:
    """What comes back is right, and what does not is told; gives how many images came back."""
    result, images = decompress(path, model)
    back = dict(images)
    assert not result.whole
    if names_known := all(name.startswith("name") for name in back):
        assert all(np.array_equal(picture.pixels, wanted[name].pixels) for name, picture in back.items())
        if result.expected == 8:
            assert sorted([*result.lost, *back]) == sorted(wanted)
    else:
        pixels = [w.pixels for w in wanted.values()]
        assert not names_known and all(any(np.array_equal(p.pixels, w) for w in pixels) for p in back.values())
    return len(back)


def test_flipped_bits(grey: Model, small: tuple[Path, dict[str, Picture]]) -> None:
    path, wanted = small
    raw = bytearray(path.read_bytes())
    counts = []
    for at in range(len(MAGIC), len(raw), 31):
        raw[at] ^= 1 << at % 8
        path.write_bytes(raw)
        counts.append(check(grey, path, wanted))
        raw[at] ^= 1 << at % 8
    assert set(counts) == {6, 8}


@pytest.mark.slow
def test_every_position_flipped(grey: Model, small: tuple[Path, dict[str, Picture]]) -> None:
    path, wanted = small
    raw = bytearray(path.read_bytes())
    for at in range(len(MAGIC), len(raw)):
        raw[at] ^= 1 << at % 8
        path.write_bytes(raw)
        assert check(grey, path, wanted) in (6, 8)
        raw[at] ^= 1 << at % 8


def test_cut_short(grey: Model, small: tuple[Path, dict[str, Picture]]) -> None:
    path, wanted = small
    raw = path.read_bytes()
    counts = []
    for length in range(len(raw) - 1, 300, -19):
        path.write_bytes(raw[:length])
        counts.append(check(grey, path, wanted))
    assert counts == sorted(counts, reverse=True) and {2, 4, 6, 8} <= set(counts)


def test_another_model(grey: Model, colour: Model, small: tuple[Path, dict[str, Picture]]) -> None:
    with pytest.raises(UserError, match="written by another model"):
        decompress(small[0], colour)
    assert fingerprint(grey) != fingerprint(colour)


def content_of(path: Path) -> bytes:
    return next(records(path, BLOCK))[1]


def table(rows: list[Any], first: Any = 0) -> bytes:
    head = zlib.compress(json.dumps({"first": first, "images": rows}).encode())
    return U32.pack(len(head)) + head


HOSTILE = {
    "huge": table([[1, 2**19, 2**19, "L", ""]]) + bytes(8),
    "many": table([[1, 4_000, 4_000, "L", ""]] * 50) + bytes(8),
    "no words": table([[1, 16, 16, "L", ""]]),
    "words beyond": table([[1, 16, 16, "L", ""]]) + U32.pack(2**30),
    "empty words": table([[1, 16, 16, "L", ""]]) + bytes(8),
    "mode": table([[1, 16, 16, "HSV", ""]]) + bytes(8),
    "negative": table([[1, -16, 16, "L", ""]]) + bytes(8),
    "row": table([[1, 16]]) + bytes(8),
    "rows": table([3]) + bytes(8),
    "first": table([[1, 16, 16, "L", ""]], "a") + bytes(8),
    "file": table([[1, 2**30, 1, "file", ".png"]]) + bytes(8) + b"x",
    "deep": U32.pack(len(zlib.compress(b"[" * 200_000))) + zlib.compress(b"[" * 200_000),
    "bomb": U32.pack(len(zlib.compress(bytes(2**26)))) + zlib.compress(bytes(2**26)),
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("step", [0, 512])
def test_hostile_blocks(grey: Model, name: str, step: int) -> None:
    """Under a sound checksum: refused, or random pixels of the size that was asked for."""
    try:
        made = Blocks(grey, step).unpacked(HOSTILE[name])
    except Damaged:
        return
    assert name == "empty words" and len(made) == 1 and made[0][1].size == (16, 16)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_changed_blocks_under_a_sound_checksum(
    grey: Model, small: tuple[Path, dict[str, Picture]], data: st.DataObject
) -> None:
    content = bytearray(content_of(small[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        for _, picture in Blocks(grey, 0).unpacked(bytes(content)):
            assert max(picture.size) < 2**20
    except Damaged:
        pass


def test_a_bomb_of_names(grey: Model, small: tuple[Path, dict[str, Picture]]) -> None:
    path, _ = small
    raw = {kind: b"".join(packed(kind, n, c) for n, c in records(path, kind)) for kind in (HEAD, BLOCK, TAIL)}
    bomb = zlib.compress(b"a" * 2**28, 9)
    path.write_bytes(MAGIC + raw[HEAD] + packed(NAMES, 0, bomb) + packed(NAMES, 0, b"junk") + raw[BLOCK] + raw[TAIL])
    _, images = decompress(path, grey)
    assert len(dict(images)) == 8


# --- names ------------------------------------------------------------------------------------------------------------

NASTY = [
    "../../a.png",
    "/etc/passwd",
    "C:\\x\\y.png",
    "..",
    "a/../../b",
    "",
    "\0",
    "con\x1fa.jpg",
    "~/.ssh/id",
    "a\udcff.png",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_lead_nowhere(name: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    path = folder.add(name, Picture("L", np.zeros((4, 4, 1), np.uint8)))
    assert path.resolve().is_relative_to((tmp_path / "out").resolve()) and path.is_file()


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_name_is_safe(name: str) -> None:
    parts = safe(name).split("/")
    assert all(part and part not in (".", "..") and not part.startswith("/") for part in parts)
    assert not set("".join(parts)) & set('<>:"|?*\\\0')


def test_names_that_meet(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    made = [folder.add(name, Picture("L", np.zeros((4, 4, 1), np.uint8))) for name in ("a.png", "a.jpg", "A.png")]
    assert len({p.name.lower() for p in made}) == 3
    with pytest.raises(UserError, match="not an empty folder"):
        Folder(tmp_path / "out")
    suffix = folder.add("b.exe", Picture(FILE, np.zeros((4, 1, 1), np.uint8), "/../x")).suffix
    assert suffix == ".bin"


@pytest.mark.parametrize("names", [("a.jpg", "a.png/b.jpg", "a.png/c.jpg"), ("A.png/b.jpg", "a.jpg")], ids=str)
def test_a_file_and_a_folder_that_meet(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    made = [folder.add(name, Picture("L", np.zeros((4, 4, 1), np.uint8))) for name in names]
    assert all(path.is_file() for path in made) and len(set(made)) == len(names)
    assert len({path.parent for path in made}) == 2, "images of one folder stay together"


# --- tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [(16, 16), (8, 24)])
@pytest.mark.parametrize("size", [(16, 16), (1, 1), (17, 5), (33, 48)])
def test_tiles_join_again(size: tuple[int, int], tile: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    tiles = cut(pixels, tile)
    assert np.array_equal(joined(tiles, *size), pixels)
    assert len(extents(*size, tile)) == len(tiles) and extents(*size, tile).prod(1).sum() == size[0] * size[1]
    (top, bottom), (left, right) = margins(*size, tile)
    assert (size[0] + top + bottom) % tile[0] == (size[1] + left + right) % tile[1] == 0 and abs(top - bottom) < 2


def test_a_zip_and_memory(colour: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks hold so many values each, whatever the number of images."""
    monkeypatch.setattr(blocks, "VALUES", 1)
    monkeypatch.setattr("aegan.codec.files.VALUES", 16 * 16 * 3 * 2)
    np.save(tmp_path / "a.npy", np.zeros((7, 16, 16, 3), np.uint8))
    compress(colour, str(tmp_path / "a.npy"), tmp_path / "a.aeg")
    assert len(list(records(tmp_path / "a.aeg", BLOCK))) == 4
    assert isinstance(ImageSource(str(tmp_path / "a.npy"), exact=False, wanted=ImageFormat()).names[0], str)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_commands(codec_run: Callable[[int], Path], photos: Path, tmp_path: Path, cli: Any) -> None:
    path, run = tmp_path / "a.aeg", codec_run(3)
    said = cli("compress", str(run), str(photos), "--out", str(path), "--lossless")
    assert "wrote 6 images" in said and "bits a pixel" in said
    assert "wrote 6 images" in cli("decompress", str(path), "--out", str(tmp_path / "back"))
    with Image.open(tmp_path / "back" / "more" / "a.png") as got, Image.open(photos / "more" / "a.png") as was:
        assert got.mode == "P" and np.array_equal(np.asarray(got.convert("RGB")), np.asarray(was.convert("RGB")))
    raw = path.read_bytes()
    path.write_bytes(raw[:-10])
    said = cli("decompress", str(path), "--out", str(tmp_path / "again"), fails=True)
    assert "is damaged" in said and len(list((tmp_path / "again").rglob("*.png"))) == 6


def test_commands_that_refuse(codec_run: Callable[[int], Path], tmp_path: Path, cli: Any) -> None:
    run = str(codec_run(1))
    assert "written as .aeg" in cli("compress", run, "digits", "--out", str(tmp_path / "a.zip"), fails=True)
    assert "There is no file" in cli("decompress", str(tmp_path / "a.aeg"), "--out", str(tmp_path / "b"), fails=True)
    cli("compress", run, "digits", "--out", str(tmp_path / "a.aeg"), "--quality", "1")
    assert "not as .jpg" in cli("decompress", str(tmp_path / "a.aeg"), "--out", str(tmp_path / "b.jpg"), fails=True)
    cli("decompress", str(tmp_path / "a.aeg"), "--out", str(tmp_path / "photos.2024"))
    assert (tmp_path / "photos.2024").is_dir()
    cli("decompress", str(tmp_path / "a.aeg"), "--out", str(tmp_path / "b.npz"), "--run", run)
    with np.load(tmp_path / "b.npz") as stored:
        assert stored["images"].shape[1:] == (8, 8, 1) and stored["names"][0] == "train-0"
    moved = tmp_path / "moved.aeg"
    raw = (tmp_path / "a.aeg").read_bytes()
    content = json.loads(next(records(tmp_path / "a.aeg", HEAD))[1])
    content["run"] = "nowhere"
    moved.write_bytes(MAGIC + packed(HEAD, 0, json.dumps(content).encode()) + raw[len(MAGIC) :])
    assert "names its model 'nowhere'" in cli("decompress", str(moved), "--out", str(tmp_path / "c"), fails=True)


def test_rates(codec_run: Callable[[int], Path], tmp_path: Path, make_shapes: Any, cli: Any) -> None:
    images, _ = make_shapes(40, 8, 1)
    np.save(tmp_path / "a.npy", images)
    said = cli(
        "rate-distortion",
        str(codec_run(1)),
        str(tmp_path / "a.npy"),
        "--out",
        str(tmp_path / "rates"),
        "--extractor",
        "none",
    )
    assert "as a share of theirs" in said
    stored = json.loads((tmp_path / "rates" / "rates.json").read_text())
    by = {(p["codec"], p["packing"], p["setting"]): p for p in stored["points"]}
    for name in ("aegan", "PNG", "WebP"):
        assert any(k[0] == name and k[2] == "lossless" and p["psnr"] is None for k, p in by.items())
    assert by["JPEG", "mosaic", "50"]["bytes"] < by["JPEG", "files", "50"]["bytes"]
    assert by["aegan", "container", "100"]["psnr"] > by["aegan", "container", "1"]["psnr"]
    page = (tmp_path / "rates" / "index.html").read_text()
    assert (
        "<svg" in page
        and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        and "Bytes at equal PSNR" in page
    )


def test_it_loads_again_and_samples(codec_run: Callable[[int], Path]) -> None:
    model = aegan.load(codec_run(3))
    images = model.sample(3)
    assert images.shape == (3, 8, 8, 3) and model.reconstruct(images).shape == images.shape


def test_what_was_left_out_is_not_called_lost(grey: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file lists places of files that are no images; in older files they are known from the blocks around them."""
    source = tmp_path / "photos"
    source.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (9, 24, 24), np.uint8)
    monkeypatch.setattr("aegan.codec.files.VALUES", 2_000)  # three images a block
    for i, image in enumerate(noise):
        Image.fromarray(image).save(source / f"{i}.png")
        (source / f"{i}-note.txt").write_text("no image")
    compress(grey, str(source), tmp_path / "a.aeg", lossless=True)
    found = list(records(tmp_path / "a.aeg", BLOCK))
    assert len(found) > 2
    raw = (tmp_path / "a.aeg").read_bytes()
    at = raw.index(found[1][1])
    (tmp_path / "b.aeg").write_bytes(raw[:at] + bytes(64) + raw[at + 64 :])
    result, images = decompress(tmp_path / "b.aeg", grey)
    here = {name for name, _ in images}
    assert set(result.lost) == {f"{i}.png" for i in range(9)} - here and result.lost
    old = bytearray((tmp_path / "b.aeg").read_bytes())
    ((_, tail),) = records(tmp_path / "b.aeg", TAIL)
    counts = {key: value for key, value in json.loads(tail).items() if key != "skipped"}
    (tmp_path / "b.aeg").write_bytes(old[: -PREFIX.size - len(tail)] + packed(TAIL, 0, json.dumps(counts).encode()))
    result, images = decompress(tmp_path / "b.aeg", grey)
    here = {name for name, _ in images}
    assert set(result.lost) - {f"{i}-note.txt" for i in range(9)} == {f"{i}.png" for i in range(9)} - here
    assert "0-note.txt" not in result.lost, "it stands between two images that are there"


@pytest.mark.parametrize("skipped", [3, ["a"], [float("inf")], [[]]], ids=str)
def test_a_tail_that_lists_nonsense(grey: Model, small: tuple[Path, dict[str, Picture]], skipped: Any) -> None:
    path, wanted = small
    ((_, tail),) = records(path, TAIL)
    raw = path.read_bytes()[: -PREFIX.size - len(tail)]
    path.write_bytes(raw + packed(TAIL, 0, json.dumps({**json.loads(tail), "skipped": skipped}).encode()))
    _, images = decompress(path, grey)
    assert len(dict(images)) == len(wanted)


def test_nothing_whole_is_said(cli: Callable[..., str], codec_run: Callable[[int], Path], tmp_path: Path) -> None:
    images = np.zeros((20, 8, 8, 1), np.uint8)
    np.save(tmp_path / "a.npy", images)
    compress(aegan.load(codec_run(1)), str(tmp_path / "a.npy"), tmp_path / "a.aeg", run=str(codec_run(1)))
    ((_, block),) = records(tmp_path / "a.aeg", BLOCK)
    raw = (tmp_path / "a.aeg").read_bytes()
    (tmp_path / "b.aeg").write_bytes(raw[: raw.index(block)])
    out = str(tmp_path / "b.npz")
    assert "no image of it is whole" in cli("decompress", str(tmp_path / "b.aeg"), "--out", out, fails=True)


def test_a_model_with_another_head_is_no_codec(tmp_path: Path, make_shapes: Any) -> None:
    """`contrastive` calls its projection H, as the codec its density."""
    images, _ = make_shapes(60, 8, 1)
    run = aegan.fit(
        images, strategy="contrastive", steps=2, out=tmp_path / "run", size=8, progress=False, options={"width": 8}
    )
    with pytest.raises(UserError, match="not trained for a codec"):
        compress(run.model, "digits", tmp_path / "a.aeg")


@pytest.mark.parametrize(
    ("extra", "good"),
    [
        ("AAAA", True),
        ("AAAA|2", True),
        ("AAAA|AAAA", True),
        ("", True),
        ("!", False),
        ("A" * 1032, False),
        ("AAA=", False),
    ],
)
def test_palettes_that_are_believed(extra: str, good: bool) -> None:
    assert is_palette(extra) is good


def test_a_file_that_asks_for_its_size_squared(tmp_path: Path) -> None:
    """False marks, each with a length that fits, are not all summed up."""
    one = PREFIX.pack(b"\xf5aeg", BLOCK, 0, 2_000_000, 0)
    (tmp_path / "a.aeg").write_bytes(MAGIC + one * 200_000)
    began = time.monotonic()
    assert list(records(tmp_path / "a.aeg", BLOCK)) == []
    assert time.monotonic() - began < 20
