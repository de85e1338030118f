"""Images of every kind that folders hold become the right pixels, or are skipped for a reason."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.data.decode import Decoded, Skip, quiet, read_image
from aegan.data.decode import decode as decode_to
from aegan.data.depth import Depth
from aegan.data.format import ImageFormat
from aegan.errors import UserError

from .conftest import picture


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(raw: bytes, size: int, channels: int | None = None, name: str = "") -> Decoded:
    return decode_to(raw, ImageFormat.of(size, channels), name)


RGB = picture(1, 32)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_colour_arrives_unchanged(kind: str) -> None:
    one = decode(stored(Image.fromarray(RGB), kind), 32)
    assert (one.pixels == RGB).all() and (one.width, one.height, one.mode) == (32, 32, "RGB")
    assert not (one.grey or one.transparent or one.animated or one.flat)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_colour_arrives_about_unchanged(kind: str) -> None:
    smooth = np.asarray(Image.fromarray(RGB[:4, :4]).resize((32, 32), Image.Resampling.BICUBIC))
    one = decode(stored(Image.fromarray(smooth), kind), 32)
    assert np.abs(one.pixels.astype(int) - smooth).mean() < 12


def test_grey_is_grey_in_both_channel_counts() -> None:
    raw = stored(Image.fromarray(picture(1, 32, channels=1)), "PNG")
    one, three = decode(raw, 32, 1), decode(raw, 32)
    assert one.pixels.shape == (32, 32, 1) and three.pixels.shape == (32, 32, 3)
    assert one.grey and three.grey and one.digest == three.digest


def test_colour_as_grey_is_luma() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert (decode(stored(Image.fromarray(red), "PNG"), 8, 1).pixels == 76).all()


def test_black_and_white_palette_and_cmyk() -> None:
    bits = np.indices((16, 16)).sum(0) % 2 * 255
    one = decode(stored(Image.fromarray(bits.astype(np.uint8)).convert("1"), "PNG"), 16)
    assert (one.pixels[..., 0] == bits).all()
    palette = Image.fromarray(RGB).quantize(16)
    assert (decode(stored(palette, "PNG"), 32).pixels == np.asarray(palette.convert("RGB"))).all()
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    pixels = decode(stored(cmyk, "TIFF"), 16).pixels
    assert pixels[..., 0].min() > 200 and pixels[..., 1:].max() < 60


def test_sixteen_bits_keep_their_range() -> None:
    deep = np.linspace(0, 65_535, 256).round().astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        assert (decode(stored(Image.fromarray(deep), kind), 16).pixels[..., 0].ravel() == np.arange(256)).all()
    whole = ImageFormat((16, 16), depth=Depth(integers=(0, 65_535)))  # under 128 of 65,535: black
    assert decode_to(stored(Image.fromarray(deep // 512), "PNG"), whole).pixels.max() == 0


def test_float_images_are_scaled_by_their_range() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    for factor, shift in ((1, 0), (255, 0), (2, -1), (40, 260)):
        one = decode(stored(Image.fromarray(ramp * factor + shift), "TIFF"), 16)
        assert (one.pixels[..., 0].ravel() == np.arange(256)).all()
    ramp[:] = np.nan
    with pytest.raises(Skip, match="no pixel has a value"):
        decode(stored(Image.fromarray(ramp), "TIFF"), 16)


def test_transparency_is_composited_on_white() -> None:
    clear = np.zeros((16, 16, 4), np.uint8)  # black, and invisible
    clear[:8] = (10, 20, 30, 255)
    one = decode(stored(Image.fromarray(clear), "PNG"), 16)
    assert one.transparent and (one.pixels[8:] == 255).all() and (one.pixels[:8] == (10, 20, 30)).all()
    half = decode(stored(Image.fromarray(np.full((8, 8, 2), (0, 128), np.uint8)), "PNG"), 8)
    assert half.transparent and abs(int(half.pixels[0, 0, 0]) - 127) <= 1
    opaque = np.full((8, 8, 4), 255, np.uint8)
    assert not decode(stored(Image.fromarray(opaque), "PNG"), 8).transparent
    palette = Image.fromarray(RGB).quantize(4)
    assert decode(stored(palette, "PNG", transparency=0), 32).transparent
    assert decode(stored(Image.fromarray(RGB), "PNG", transparency=tuple(int(v) for v in RGB[0, 0])), 32).transparent


LAID = {  # how an upright picture lies in a file whose Exif orientation is the key
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", LAID)
def test_rotated_photos_stand_upright(orientation: int) -> None:
    upright = Image.fromarray(RGB[:2, :3]).resize((48, 32), Image.Resampling.NEAREST)
    how = LAID[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    one = decode(stored(upright if how is None else upright.transpose(how), "PNG", exif=exif), 32)
    assert (one.width, one.height) == (48, 32)
    assert (one.pixels == np.asarray(upright.crop((8, 0, 40, 32)))).all()


def test_of_animations_the_first_frame_is_used() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        one = decode(stored(frames[0], kind, save_all=True, append_images=frames[1:], **options), 16)
        assert one.animated and one.flat and tuple(one.pixels[0, 0]) == (255, 0, 0), kind


def test_large_photos_are_cropped_and_antialiased() -> None:
    wide = np.zeros((300, 500, 3), np.uint8)
    wide[:, 100:400] = np.indices((300, 300)).sum(0)[..., None] % 2 * 255  # a checkerboard between black margins
    for kind, slack in (("PNG", 8), ("JPEG", 25)):
        one = decode(stored(Image.fromarray(wide), kind), 32)
        assert (one.width, one.height) == (500, 300)
        assert abs(one.pixels.mean() - 127.5) < slack and one.pixels[2:-2, 2:-2].std() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_truncated_files_are_skipped_wherever_they_end(kind: str) -> None:
    raw = stored(Image.fromarray(RGB), kind)
    for keep in (1, 10, len(raw) // 4, len(raw) // 2):
        with pytest.raises(Skip), quiet():
            decode(raw[:keep], 32, name=f"x.{kind.lower()}")


def test_random_damage_never_crashes() -> None:
    rng = np.random.default_rng(0)
    with quiet():
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "PCX", "SGI", "DDS", "TGA"):
            whole = np.frombuffer(stored(Image.fromarray(RGB), kind), np.uint8)
            for _ in range(30):
                raw = whole.copy()
                raw[rng.integers(0, min(len(raw), 200), 4)] = rng.integers(0, 256, 4)
                with suppress(Skip):  # anything else fails the test
                    assert decode(raw.tobytes(), 32, name=f"x.{kind.lower()}").pixels.shape == (32, 32, 3)


def test_decompression_bombs_are_refused_before_they_are_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(Skip, match="million pixels"), quiet():
        decode(bomb, 32)


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG, a drawing: export it as PNG"),
        ("README", b"words", "not an image (no known suffix)"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "PostScript: export it as PNG"),
        ("a.png", b"<html>not found</html>", "a web page, not an image: fetch it again"),
        ("a.png", b"words", "damaged, or not the image its name says"),
    ],
)
def test_what_is_no_image_is_named(name: str, raw: bytes, why: str) -> None:
    with pytest.raises(Skip) as caught:
        decode(raw, 32, name=name)
    assert str(caught.value) == why


def test_a_wrong_suffix_does_no_harm() -> None:
    assert (decode(stored(Image.fromarray(RGB), "PNG"), 32, name="x.jpg").pixels == RGB).all()


def test_small_images_are_enlarged_and_nearly_fitting_ones_padded(tmp_path: Path) -> None:
    one = decode(stored(Image.fromarray(RGB[:28, :30]), "PNG"), 32)
    assert (one.pixels[2:30, 2:30] == RGB[:28, 1:29]).all() and (one.pixels[0, 2:30] == RGB[0, 1:29]).all()
    assert decode(stored(Image.fromarray(RGB[:5, :5]), "PNG"), 32).pixels.shape == (32, 32, 3)
    assert decode(stored(Image.fromarray(RGB[:1, :1]), "PNG"), 8).flat


def test_one_file_for_a_model(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "x.png")
    small = read_image(tmp_path / "x.png", ImageFormat.of(16, 1))
    assert (read_image(tmp_path / "x.png", ImageFormat.of(32, 3)) == RGB).all() and small.shape == (16, 16, 1)
    (tmp_path / "y.png").write_text("words")
    with pytest.raises(UserError, match=r"y\.png can't be used: damaged"):
        read_image(tmp_path / "y.png", ImageFormat.of(32, 3))
    with pytest.raises(UserError, match=r"z\.png can't be read"):
        read_image(tmp_path / "z.png", ImageFormat.of(32, 3))


def smooth(width: int = 80, height: int = 48) -> Image.Image:
    """A picture as JPEG likes them."""
    few = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_a_jpeg_without_its_end_is_used_if_all_pixels_are_there(mode: str, options: dict[str, Any]) -> None:
    raw = stored(smooth().convert(mode), "JPEG", quality=90, **options)
    assert raw.endswith(b"\xff\xd9")
    for cut in (1, 2):
        assert (decode(raw[:-cut], 24).pixels == decode(raw, 24).pixels).all()
    for cut in (*range(4, 30), 100, 200):
        with pytest.raises(Skip, match="cut short"):
            decode(raw[:-cut], 24)


def test_a_progressive_jpeg_without_its_end_is_refused() -> None:
    with pytest.raises(Skip, match="cut short"):  # the last scans may be missing, too
        decode(stored(smooth(), "JPEG", progressive=True)[:-2], 24)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_of_another_kind_that_is_named_tga(kind: str) -> None:
    raw = stored(smooth(), kind)
    assert (decode_to(raw, ImageFormat((48, 80)), "x.tga").pixels == decode_to(raw, ImageFormat((48, 80))).pixels).all()
    tga = decode_to(stored(smooth(), "TGA"), ImageFormat((48, 80)), "x.tga")
    assert (tga.pixels == np.asarray(smooth())).all()


def tiff(values: np.ndarray, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def test_bytes_with_a_sign_are_numbers() -> None:
    values = np.arange(-128, 128).reshape(16, 16).astype(np.int8)
    assert (decode(tiff(values, photometric="minisblack"), 16).pixels[..., 0].ravel() == np.arange(256)).all()


def test_complex_numbers_are_no_pixels() -> None:
    with pytest.raises(Skip, match="1 band of 64-bit complex numbers"):
        decode(tiff(np.ones((16, 16), np.complex64)), 16)


def test_the_second_of_two_bands_is_said_to_be_left_out() -> None:
    bands = np.dstack([np.full((16, 16), 9, np.uint8), np.full((16, 16), 200, np.uint8)])
    one = decode(tiff(bands, photometric="minisblack", planarconfig="contig", extrasamples=[0]), 16)
    assert "bands" in one.remarks and (one.pixels == 9).all()


def test_a_whole_tiff_that_is_not_read_is_not_called_cut_short() -> None:
    with pytest.raises(Skip, match="YCbCr"):
        decode(stored(smooth().convert("YCbCr"), "TIFF"), 16)


@pytest.mark.parametrize(("codes", "said"), [((12, 13), True), ((9, 16), True), ((1, 13), False)], ids=str)
def test_colours_that_a_png_names_by_numbers(codes: tuple[int, int], said: bool) -> None:
    raw, body = stored(smooth(), "PNG"), b"cICP" + bytes([*codes, 0, 1])
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    assert ("unusable" in decode(raw[:33] + chunk + raw[33:], 16).remarks) == said


@pytest.mark.parametrize("kind", ["grey", "planar", "floats", "associated"])
def test_alpha_of_deep_tiffs_is_heeded(kind: str) -> None:
    colours = 1 if kind == "grey" else 3
    bands = np.full((16, 16, colours + 1), 65_535, np.uint16)
    bands[..., :-1] = np.arange(256).reshape(16, 16, 1) * 257
    bands[:8, :, -1] = 0  # hidden
    bands[8, :, -1] = 32_768
    options: dict[str, Any] = {"extrasamples": ["unassalpha"], "photometric": "minisblack" if colours == 1 else "rgb"}
    options["planarconfig"] = "separate" if kind == "planar" else "contig"
    stored_as: np.ndarray = bands
    if kind == "planar":
        stored_as = bands.transpose(2, 0, 1).copy()
    elif kind == "floats":
        stored_as = (bands / 65_535).astype(np.float32)
    elif kind == "associated":
        options["extrasamples"] = ["assocalpha"]
        share = bands[..., -1:] / 65_535
        stored_as = np.concatenate([np.rint(bands[..., :-1] * share), bands[..., -1:]], -1).astype(np.uint16)
    one = decode(tiff(stored_as, **options), 16)
    assert one.transparent and (one.pixels[:8] == 255).all()
    assert (one.pixels[9:, :, 0].ravel() == np.arange(256).reshape(16, 16)[9:].ravel()).all()
    half = np.arange(256).reshape(16, 16)[8] / 2 + 127.5
    assert np.abs(one.pixels[8, :, 0] - half).max() <= 2
