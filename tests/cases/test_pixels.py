"""What stored values mean: colour profiles, depths, floats, orientation, transparency, formats of other programs."""

import html
import io
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from aegan.data import open_data
from aegan.data.decode import read_image
from aegan.data.format import ImageFormat
from aegan.data.formats import jxl_size, special
from aegan.errors import UserError

Said = Any
ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def noise(seed: int, side: int = 16, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def by_name(source: Any, **options: Any) -> dict[str, np.ndarray]:
    data = open_data(source, **options)
    return {
        name: item for split in (data.train, data.held_out) for name, item in zip(split.names, split.items, strict=True)
    }


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png16(values: np.ndarray, kind: int, *more: bytes) -> bytes:
    """A PNG of 16 bits a channel. kind: 0 grey, 2 colour, 4 grey and alpha, 6 colour and alpha."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of curves and primaries, by hand."""
    at, body, table = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">iii", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


TEXTS = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 79, b"cprt": b"text\0\0\0\0x\0"}
WHITE = {b"wtpt": xyz(0.9642, 1, 0.8249)}
WIDE = profile(  # ProPhoto's primaries, gamma 1.8
    b"RGB ",
    {
        **TEXTS, **WHITE, b"rXYZ": xyz(0.79767, 0.28804, 0), b"gXYZ": xyz(0.13519, 0.71188, 0),
        b"bXYZ": xyz(0.03134, 0.00009, 0.82491), b"rTRC": curve(1.8), b"gTRC": curve(1.8), b"bTRC": curve(1.8),
    },
)  # fmt: skip
LINEAR_GREY = profile(b"GRAY", {**TEXTS, **WHITE, b"kTRC": curve(1.0)})


# --- texts and profiles in PNG ----------------------------------------------------------------------------------------


def test_megabytes_of_text_or_profile_in_a_png_leave_its_pixels_alone(root: Path) -> None:
    expected = {}
    for i in range(12):
        info = PngInfo()
        if i % 3 == 0:
            info.add_text("workflow", "node " * 400_000, zip=True)
        if i % 3 == 1:
            info.add_itxt("prompt", "é" * 1_500_000, zip=True)
        icc = b"\0" * 3_000_000 if i % 3 == 2 else None
        Image.fromarray(noise(i)).save(root / f"{i}.png", pnginfo=info, icc_profile=icc)
        expected[f"{i}.png"] = noise(i)
    items = by_name(root)
    assert all((items[name] == pixels).all() for name, pixels in expected.items()) and len(items) == 12
    found = open_data(root).inspection
    assert not found.skipped
    assert "4 images are of a colour profile that can't be used: their colours are taken as sRGB" in found.notes


def test_an_orientation_told_in_a_text_is_followed_still(root: Path) -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>')
    info.add_text("much", "x" * 3_000_000, zip=True)
    Image.fromarray(noise(1)).save(root / "x.png", pnginfo=info)
    assert (read_image(root / "x.png", ImageFormat.of(16, 3)) == noise(1)[::-1, ::-1]).all()


# --- damaged Exif -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\0" * 9, b"Exif\0\0II*\0\x08\0\0\0"]
)
def test_damaged_exif_costs_no_pixels(root: Path, kind: str, exif: bytes) -> None:
    plain, damaged = io.BytesIO(), io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(noise(1)).save(plain, kind, **options)
    Image.fromarray(noise(1)).save(damaged, kind, exif=exif, **options)
    (root / "a.bin").write_bytes(plain.getvalue())
    (root / "b.bin").write_bytes(damaged.getvalue())
    assert (
        read_image(root / "a.bin", ImageFormat.of(16, 3)) == read_image(root / "b.bin", ImageFormat.of(16, 3))
    ).all()


def test_an_orientation_that_says_nothing_is_counted(root: Path) -> None:
    for i in range(10):
        exif = Image.Exif()
        exif[ORIENTATION] = 99 if i < 3 else 1
        Image.fromarray(noise(i)).save(root / f"{i}.png", exif=exif)
    assert "3 images are of a damaged Exif orientation: used as they lie" in open_data(root).inspection.notes
    assert (by_name(root)["0.png"] == noise(0)).all()


def test_a_tiff_whose_links_lead_nowhere_is_used(root: Path) -> None:
    Image.fromarray(noise(1)).save(root / "x.tif", tiffinfo={0xA005: 2**31, 0x8769: 10**8, 0x8825: 10**9})
    assert (read_image(root / "x.tif", ImageFormat.of(16, 3)) == noise(1)).all()


# --- colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_of_another_profile_become_srgb(root: Path, mode: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 60, 60))
    managed = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(WIDE)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert managed is not None
    stored = image.quantize(4) if mode == "P" else image.convert(mode)
    stored.save(root / "x.png", icc_profile=WIDE)
    assert (read_image(root / "x.png", ImageFormat.of(16, 3)) == np.asarray(managed)).all()
    assert np.abs(np.asarray(managed).astype(int) - (200, 60, 60)).max() > 30  # a dull red is not what was meant


def test_converted_images_are_counted_and_srgb_ones_untouched(root: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for i in range(20):
        Image.fromarray(noise(i)).save(root / f"{i}.png", icc_profile=WIDE if i < 12 else srgb)
    assert "12 images are converted from another colour profile to sRGB" in open_data(root).inspection.notes
    items = by_name(root)
    assert all((items[f"{i}.png"] == noise(i)).all() for i in range(12, 20))
    assert not (items["0.png"] == noise(0)).all()


def test_a_grey_curve_is_followed_and_grey_stays_grey(root: Path) -> None:
    Image.new("L", (16, 16), 64).save(root / "x.png", icc_profile=LINEAR_GREY)
    pixel = int(read_image(root / "x.png", ImageFormat.of(16, 1))[0, 0, 0])
    linear = 64 / 255
    assert abs(pixel - 255 * (1.055 * linear ** (1 / 2.4) - 0.055)) < 3  # sRGB's own curve, IEC 61966-2-1


def test_a_profile_of_another_kind_of_image_is_not_used(root: Path) -> None:
    for i in range(9):
        Image.fromarray(noise(i)).save(root / f"{i}.png", icc_profile=LINEAR_GREY if i else b"no profile")
    assert "all images are of a colour profile that can't be used" in " ".join(open_data(root).inspection.notes)
    assert (by_name(root)["3.png"] == noise(3)).all()


def test_cmyk_and_lab_become_the_colours_they_mean(root: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(root / "a.tif")
    red = read_image(root / "a.tif", ImageFormat.of(16, 3))[0, 0]
    assert red[0] > 200 and red[1:].max() < 60
    Image.new("LAB", (16, 16), (255, 128, 128)).save(root / "b.tif")  # a and b of 0: white
    assert read_image(root / "b.tif", ImageFormat.of(16, 3)).min() > 250
    for i in range(9):
        Image.fromarray(noise(i)).convert("CMYK").save(root / f"{i}.jpg", quality=95)
    assert any("CMYK or Lab without a colour profile" in note for note in open_data(root).inspection.notes)


# --- depths -----------------------------------------------------------------------------------------------------------


def ramp(seed: int, top: int) -> np.ndarray:
    """Values 0 to top, another order for each seed, uint16 (16, 16)."""
    values = np.linspace(0, top, 256).round().astype(np.uint16)
    return np.random.default_rng(seed).permutation(values).reshape(16, 16)


def eighth(values: np.ndarray, top: float) -> np.ndarray:
    return np.rint(values.astype(float) * 255 / top).astype(np.uint8)


@pytest.mark.parametrize(("top", "range_"), [(900, 1_023), (4_000, 4_095), (16_000, 16_383), (60_000, 65_535)])
@pytest.mark.parametrize("suffix", ["png", "tif", "npy", "zip", "tar"])
def test_a_set_of_deep_images_has_one_scale_which_is_told(
    tmp_path: Path, root: Path, top: int, range_: int, suffix: str
) -> None:
    arrays = [ramp(i, top if i == 7 else top // 8) for i in range(12)]  # most are darker: relative brightness is kept
    if suffix == "npy":
        np.save(root / "x.npy", np.stack(arrays))
        source, names = root / "x.npy", [str(i) for i in range(12)]
    else:
        names = [f"{i:02}.tif" if suffix in ("tif", "tar") else f"{i:02}.png" for i in range(12)]
        for name, array in zip(names, arrays, strict=True):
            Image.fromarray(array).save(root / name)
        source = root
        if suffix == "zip":
            source = tmp_path / "x.zip"
            with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in names:
                    archive.write(root / name, name)
        elif suffix == "tar":
            import tarfile

            source = tmp_path / "x.tar"
            with tarfile.open(source, "w") as tar:
                for name in names:
                    tar.add(root / name, name)
            names = [f"x.tar/{name}" for name in names]
    for stream in ("off", "on"):
        items = by_name(source, stream=stream)
        for name, array in zip(names, arrays, strict=True):
            assert (items[name][..., 0] == eighth(array, range_)).all(), name
        found = open_data(source, stream=stream).inspection
        assert found.depth == {"integers": [0, range_]}
        assert any(f"[0, {range_:,}]" in note for note in found.notes)


def test_deep_and_plain_images_keep_their_places_labels_and_names(root: Path) -> None:
    expected = {}
    for i in range(24):
        folder = root / ("deep", "plain")[i % 2]
        folder.mkdir(exist_ok=True)
        array = noise(i, channels=1) if i % 2 else ramp(i, 4_095)
        Image.fromarray(array).save(folder / f"{i}.png")
        expected[f"{folder.name}/{i}.png"] = array if i % 2 else eighth(array, 4_095)
    data = open_data(root)
    for split in (data.train, data.held_out):
        for name, item, label in zip(split.names, split.items, split.labels, strict=True):
            assert (item[..., 0] == expected[name]).all() and name.startswith(data.spec.classes[label])
    assert data.inspection.count == 24 and data.inspection.modes == {"L": 12, "I;16": 12}


@pytest.mark.parametrize("kind", [2, 6])
@pytest.mark.parametrize("top", [4_095, 65_535])
def test_sixteen_bits_in_colour_lose_nothing(root: Path, kind: int, top: int) -> None:
    rng, expected = np.random.default_rng(0), {}
    for i in range(10):
        values = rng.integers(0, top + 1, (16, 16, 3 + (kind == 6))).astype(np.uint16)
        values[0, 0] = top
        values[..., 3:] = 65_535
        (root / f"{i}.png").write_bytes(png16(values, kind))
        expected[f"{i}.png"] = eighth(values[..., :3], top)
    items = by_name(root)
    assert all((items[name] == pixels).all() for name, pixels in expected.items())


def test_grey_with_alpha_of_sixteen_bits(root: Path) -> None:
    values = np.zeros((16, 16, 2), np.uint16)
    values[..., 0], values[8:, :, 1] = ramp(0, 4_095), 65_535
    (root / "x.png").write_bytes(png16(values, 4))
    pixels = read_image(root / "x.png", ImageFormat.of(16, 3))
    assert (pixels[:8] == 255).all() and (
        pixels[8:, :, 0] == eighth(values[8:, :, 0], values[8:, :, 0].max() and 4_095)
    ).all()


def test_the_colour_that_means_see_through_is_composited_on_the_background(root: Path) -> None:
    grey = np.full((16, 16), 40_000, np.uint16)
    grey[:8] = 7
    (root / "grey.png").write_bytes(png16(grey, 0, chunk(b"tRNS", struct.pack(">H", 7))))
    pixels = read_image(root / "grey.png", ImageFormat.of(16, 3))
    assert (pixels[:8] == 255).all() and (pixels[8:] == round(40_000 / 257)).all()
    colour = np.full((16, 16, 3), (60_000, 1_000, 300), np.uint16)
    colour[:8] = (60_000, 1_000, 301)  # of equal high bytes
    (root / "colour.png").write_bytes(png16(colour, 2, chunk(b"tRNS", struct.pack(">HHH", 60_000, 1_000, 301))))
    pixels = read_image(root / "colour.png", ImageFormat.of(16, 3))
    assert (pixels[:8] == 255).all() and (pixels[8:] == (round(60_000 / 257), 4, 1)).all()


@pytest.mark.parametrize(
    ("low", "high", "taken"),
    [
        (0.0, 1.0, [0, 1]), (-1.0, 1.0, [-1, 1]), (0.0, 255.0, [0, 255]), (270.0, 310.0, [270, 310]),
        (0.0, 300.0, [0, 300]), (0.0, 1.003, [0, 1]),
    ],
)  # fmt: skip
def test_floats_have_one_scale_for_the_set(root: Path, low: float, high: float, taken: list[float]) -> None:
    tops = np.linspace(0.1, 1, 10)
    for i, top in enumerate(tops):
        values = low + (high - low) * top * np.random.default_rng(i).random((16, 16))
        values[0, 0], values[0, 1] = (low, high) if i == 9 else values[1, :2]
        Image.fromarray(values.astype(np.float32)).save(root / f"{i}.tif")
    found = open_data(root).inspection
    assert found.depth["floats"] == pytest.approx(taken, rel=1e-6)
    items = by_name(root)
    means = [float(items[f"{i}.tif"].mean()) for i in range(10)]
    assert means == sorted(means)  # brighter files stay brighter
    expected = 127.5 * tops[:9] * (high - low) / (taken[1] - taken[0]) + 255 * (low - taken[0]) / (taken[1] - taken[0])
    assert np.abs(np.array(means[:9]) - expected).max() < 12


def test_a_single_float_image_is_never_darker_for_larger_values(root: Path) -> None:
    seen = []
    for top in (0.2, 0.9, 1.1, 255, 256, 300, 5_000):
        Image.fromarray(np.full((16, 16), top, np.float32)).save(root / "x.tif")
        seen.append(int(read_image(root / "x.tif", ImageFormat.of(16, 1))[0, 0, 0]))
    assert seen[0] == 51 and min(seen[2:]) == 255 and 220 < seen[1] < 235


def test_what_has_no_value_is_see_through_and_counted(root: Path) -> None:
    for i in range(10):
        values = np.random.default_rng(i).random((16, 16)).astype(np.float32)
        values[0, :2] = (0, 1)
        if i < 3:
            values[8:] = np.nan
        tags = {42_113: "-9999"} if i == 3 else {}
        if i == 3:
            values[8:] = -9_999
        Image.fromarray(values).save(root / f"{i}.tif", tiffinfo=tags)
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(root / "none.tif")
    found, items = open_data(root).inspection, by_name(root)
    assert found.depth == {"floats": [0, 1]}
    assert all((items[f"{i}.tif"][8:] == 255).all() and items[f"{i}.tif"][:8].min() < 50 for i in range(4))
    assert any(note.startswith("4 images are without a value in some pixels") for note in found.notes)
    assert found.skipped["no pixel has a value: all are NaN or marked as no data"].names == ("none.tif",)


def test_signed_and_wide_integers_use_their_own_range(root: Path) -> None:
    for i in range(10):
        values = np.random.default_rng(i).integers(-1_000, 3_001, (16, 16)).astype(np.int32)
        values[0, :2] = (-1_000, 3_000)
        Image.fromarray(values).save(root / f"{i}.tif")
    assert open_data(root).inspection.depth == {"integers": [-1_000, 3_000]}
    assert tuple(by_name(root)["3.tif"][0, :2, 0]) == (0, 255)


def tiff(path: Path, values: np.ndarray) -> None:
    """A plain TIFF (H, W, bands) of uint8, uint16 or float32, one strip, bands together."""
    height, width, bands = values.shape
    bits, raw = values.dtype.itemsize * 8, values.tobytes()
    lists = {258: [bits] * bands, 339: [3 if values.dtype.kind == "f" else 1] * bands, 338: [0] * max(1, bands - 3)}
    plain = {
        256: width,
        257: height,
        259: 1,
        262: 2 if bands == 3 else 1,
        277: bands,
        278: height,
        279: len(raw),
        284: 1,
    }
    lists = lists if bands > 3 else {k: v for k, v in lists.items() if k != 338}
    if bands == 5:
        lists[338] = [0] * 4
    numbers = sorted([*plain, *lists, 273])
    at = 8 + 2 + 12 * len(numbers) + 4
    table, blob = struct.pack("<H", len(numbers)), b""
    starts = {}
    for number, content in lists.items():
        if len(content) > 2:
            starts[number] = at + len(blob)
            blob += struct.pack(f"<{len(content)}H", *content)
    for number in numbers:
        if number in lists:
            content = lists[number]
            value = (
                struct.pack("<I", starts[number]) if number in starts else struct.pack(f"<{len(content)}H", *content)
            )
            table += struct.pack("<HHI", number, 3, len(content)) + value.ljust(4, b"\0")
        else:
            table += struct.pack("<HHII", number, 4, 1, plain.get(number, at + len(blob)))
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table + b"\0" * 4 + blob + raw)


def wide_set(root: Path) -> None:
    for i in range(10):
        tiff(root / f"float{i}.tif", noise(i).astype(np.float32) / 255)
        tiff(root / f"five{i}.tif", np.concatenate([noise(100 + i)] * 2, -1)[..., :5].copy())


def test_floats_in_colour_and_many_bands_are_used(root: Path) -> None:
    pytest.importorskip("tifffile", reason="tifffile is not installed: pip install tifffile")
    wide_set(root)
    found, items = open_data(root).inspection, by_name(root)
    assert found.count == 20 and not found.skipped
    assert (items["five3.tif"] == noise(103)).all() and (items["float4.tif"] == noise(4)).all()
    assert "10 images are of more bands than colours: the first, or the first three, are used" in found.notes


@pytest.mark.parametrize("kind", ["planes", "four bands", "white is zero", "doubles", "halves", "seven bands"])
def test_tiffs_that_are_easily_misread(root: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed: pip install tifffile")
    pixels = noise(1)
    pixels[0, :2] = (0,), (255,)
    deep, grey = pixels.astype(np.uint16) * 257, pixels[..., 0]
    more = np.concatenate([pixels, pixels[..., :1]], -1)
    values, options = {
        "planes": (deep.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        "four bands": (more.astype(np.uint16) * 257, {"photometric": "rgb", "extrasamples": ["unspecified"]}),
        "white is zero": (65_535 - deep[..., 0], {"photometric": "miniswhite"}),
        "doubles": (grey / 255, {}),
        "halves": ((grey / 255).astype(np.float16), {}),
        "seven bands": (np.concatenate([pixels, more], -1), {"photometric": "rgb"}),
    }[kind]
    tifffile.imwrite(root / "x.tif", values, **options)
    seen = read_image(root / "x.tif", ImageFormat.of(16, 3))
    assert (seen == (pixels if seen.std(axis=2).any() else grey[..., None])).all() and not caplog.records


def test_without_tifffile_the_true_reason_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    wide_set(root)
    for i in range(10):
        Image.fromarray(noise(i)).save(root / f"{i}.png")
    why = {reason: each.count for reason, each in open_data(root).inspection.skipped.items()}
    assert why == {
        "a TIFF of 3 bands of 32-bit floats: pip install tifffile": 10,
        "a TIFF of 5 bands of 8-bit whole numbers: pip install tifffile": 10,
    }


def test_a_model_keeps_the_scale_of_its_data(tmp_path: Path, root: Path) -> None:
    import aegan

    for i in range(16):
        Image.fromarray(ramp(i, 4_000)).save(root / f"{i}.png")
    run = aegan.fit(root, strategy="autoencoder", steps=2, out=tmp_path / "run", progress=False, device="cpu")
    spec = aegan.load(tmp_path / "run", "cpu").spec
    assert spec.depth is not None and spec.depth.integers == (0, 4_095) and run.data().inspection.depth
    dark = tmp_path / "dark.png"
    Image.fromarray(ramp(3, 400)).save(dark)  # alone it would be taken as of 10 bits, and be four times as bright
    assert (read_image(dark, spec.format)[..., 0] == eighth(ramp(3, 400), 4_095)).all()
    alone = replace(spec.format, depth=None)
    assert (read_image(dark, alone)[..., 0] == eighth(ramp(3, 400), 1_023)[..., None][..., 0]).all()


# --- formats of other programs ----------------------------------------------------------------------------------------

FOREIGN = {
    "a.psd": b"8BPS\0\1", "a.svg": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a.pdf": b"%PDF-1.4\n", "a.cr2": b"II*\0\x10\0\0\0CR\2\0", "a.nef": b"MM\0*\0\0\0\x08",
    "a.mp4": b"\0\0\0\x18ftypisom", "a.dcm": b"\0" * 128 + b"DICM", "a.exr": b"v/1\x01",
    "a.jpg": b"<!DOCTYPE html><html>404</html>", "b.jpg": b"version https://git-lfs.github.com/spec/v1\n",
}  # fmt: skip
TOLD = {
    "a.psd": "PSD", "a.svg": "SVG", "a.pdf": "PDF", "a.cr2": "RAW", "a.nef": "RAW", "a.mp4": "video", "a.dcm": "DICOM",
    "a.exr": "OpenEXR", "a.jpg": "web page", "b.jpg": "git lfs pull",
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_foreign_formats_are_named_by_their_content(tmp_path: Path, root: Path, packed: bool) -> None:
    for i in range(10):
        Image.fromarray(noise(i)).save(root / f"{i}.png")
    for name, raw in FOREIGN.items():
        (root / name).write_bytes(raw.ljust(600, b" "))
    source = root
    if packed:
        source = tmp_path / "x.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in root.iterdir():
                archive.write(path, path.name)
    why = {name: reason for reason, each in open_data(source).inspection.skipped.items() for name in each.names}
    assert set(why) == set(TOLD) and all(TOLD[name] in reason for name, reason in why.items()), why


@pytest.mark.parametrize(
    ("raw", "package", "line"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow_heif", "HEIC: pip install pillow-heif"),
        (b"\xff\x0a" + b"\0" * 30, "pillow_jxl", "JPEG XL: pip install pillow-jxl-plugin"),
    ],
)
def test_a_missing_package_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, package: str, line: str, aegan_cli: Callable[..., Said]
) -> None:
    for name in (package, "jxlpy"):
        monkeypatch.setitem(sys.modules, name, None)
    for i in range(10):
        Image.fromarray(noise(i)).save(root / f"{i}.png")
        (root / f"phone{i}.jpg").write_bytes(raw.ljust(400, b"\0"))  # whatever its name says
    assert open_data(root).inspection.skipped[line].count == 10
    for i in range(10):
        (root / f"{i}.png").unlink()
    aegan_cli("check", root).refused(line.partition(": ")[2])


def test_heic_is_read_where_its_package_is_installed(root: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install pillow-heif")
    before = dict(Image.OPEN)
    smooth = Image.fromarray(noise(1)[:4, :4]).resize((64, 64), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    heif.from_pillow(smooth).save(file, quality=95, chroma=444)
    (root / "x.heic").write_bytes(file.getvalue())
    pixels = read_image(root / "x.heic", ImageFormat.of(64, 3))
    assert np.abs(pixels.astype(int) - np.asarray(smooth)).mean() < 6
    assert "HEIF" not in Image.OPEN or "HEIF" in before  # nothing is registered for the rest of the process
    (root / "cut.heic").write_bytes(file.getvalue()[:200])
    with pytest.raises(UserError, match="damaged HEIC"):
        read_image(root / "cut.heic", ImageFormat.of(64, 3))


def test_jpeg_xl_is_read_where_its_package_is_installed(root: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed: pip install pillow-jxl-plugin")
    Image.fromarray(noise(1, 24)).save(root / "x.jxl", lossless=True)
    assert (read_image(root / "x.jxl", ImageFormat.of(24, 3)) == noise(1, 24)).all()
    assert jxl_size((root / "x.jxl").read_bytes()) == (24, 24)
    Image.fromarray(noise(1, 300)[:, :123]).save(root / "y.jxl", lossless=True)
    assert jxl_size((root / "y.jxl").read_bytes()) == (123, 300)


def test_avif_by_its_content(root: Path) -> None:
    assert special(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert special(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf") == "HEIC" and special(b"\0\0\0\x1cftypisom") == ""


# --- what a run says of its data --------------------------------------------------------------------------------------


def test_a_run_tells_what_it_learned_from(tmp_path: Path, root: Path, aegan_cli: Callable[..., Said]) -> None:
    for i in range(20):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(ramp(i, 4_000)).save(folder / f"{i}.png")
    (root / "a" / "drawing.psd").write_bytes(b"8BPS" + b" " * 300)
    Image.fromarray(noise(1)).save(root / "b" / "wide.png", icc_profile=WIDE)
    out = tmp_path / "run"
    said = aegan_cli(
        "train", root, "--strategy", "autoencoder", "--steps", "2", "--out", out, "--size", "16", "--device", "cpu",
        "--no-evaluate",
    )  # fmt: skip
    assert said.code == 0
    checked = aegan_cli("check", root, "--size", "16").out.strip().splitlines()
    shown = [line.strip() for line in said.err.splitlines()]
    assert f"set: {checked[0]}" in shown and all(line in shown for line in checked[1:])
    known = json.loads((out / "data.json").read_bytes())
    data = open_data(root, size=16)
    assert known["fingerprint"] == data.fingerprint and known["path"] == str(root)
    assert known["depth"] == {"integers": [0, 4_095]} and known["classes"] == {"a": 10, "b": 11}
    assert known["shape"] == list(data.spec.shape) and known["train"] == len(data.train)
    assert known["train"] + known["held_out"] == known["count"] == 21 and known["size"] == 16
    assert known["skipped"] == {"PSD: export it as PNG": {"count": 1, "names": ["a/drawing.psd"]}}
    assert known["notes"] == list(data.inspection.notes)
    assert any("another colour profile" in note for note in known["notes"])
    assert aegan_cli("report", out).code == 0
    page = (out / "report.html").read_text()
    assert all(html.escape(line) in page for line in checked)
    (out / "data.json").write_text("{")  # a damaged one is an absence
    assert aegan_cli("report", out).code == 0 and checked[-1] not in (out / "report.html").read_text()
