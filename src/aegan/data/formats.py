"""What stored bytes are, by their beginning: formats that need a further package, and what are no pictures to train on."""

from __future__ import annotations

import importlib
import io
from contextlib import suppress
from pathlib import Path, PurePosixPath

from PIL import Image, features

from aegan.data.inspection import printable
from aegan.errors import UserError

POINTER = b"version https://git-lfs"
HEAD = 1_024  # bytes by which a format is recognised
HEVC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
STILL = {b"mif1", b"msf1"}  # of either kind
AVIF = {b"avif", b"avis"}
FURTHER = ("HEIC", "JPEG XL")  # that a further package opens
RAW = frozenset(
    (".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f",
     ".3fr", ".iiq", ".mrw", ".rwl", ".kdc", ".erf")
)  # fmt: skip
FRAMES = "a video: take pictures from it, as with ffmpeg -i FILE -vf fps=1 %05d.png"
DEVELOP = "camera RAW: export it as JPEG, or as TIFF"
EXPORT = "export it as PNG"
SIGNATURES: tuple[tuple[int, bytes | tuple[bytes, ...], str], ...] = (  # (at which byte, what stands there, what it is)
    (0, b"8BPS", f"PSD: {EXPORT}"),
    (0, b"gimp xcf", f"XCF of GIMP: {EXPORT}"),
    (0, b"%PDF", "PDF: turn its pages into pictures, as with pdftoppm -png FILE page"),
    (0, (b"%!PS", b"\xc5\xd0\xd3\xc6"), f"PostScript: {EXPORT}"),
    (128, b"DICM", "DICOM: save its pixels as 16-bit PNG or .npy, as with pydicom"),
    (0, b"v/1\x01", "OpenEXR: save it as a float TIFF or .npy"),
    (0, b"#?RADIANCE", "Radiance HDR: save it as a float TIFF or .npy"),
    (0, b"SIMPLE  =", "FITS: save its pixels as a float TIFF or .npy, as with astropy"),
    (0, b"\x89HDF", "HDF5: save the images in it as .npy"),
    (0, (b"FUJIFILM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb"), DEVELOP),
    (8, b"CR\x02", DEVELOP),
    (0, (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba"), FRAMES),
    (8, b"AVI ", FRAMES),
    (0, POINTER, "a Git LFS pointer: fetch the files it stands for with git lfs pull"),
)


def foreign(head: bytes, name: str = "") -> str:
    """What bytes are of which these are the first `HEAD`, and what to do about it, where Pillow alone can't read them.

    >>> foreign(b"8BPS" + bytes(40)), foreign(b"GIF89a")
    ('PSD: export it as PNG', '')
    """
    for at, marks, what in SIGNATURES:
        if head.startswith(marks, at):
            return what
    if (kind := special(head)) == "HEIC" and not readable("pillow-heif"):
        return "HEIC: pip install pillow-heif"
    if kind == "JPEG XL" and not readable("pillow-jxl-plugin"):
        return "JPEG XL: pip install pillow-jxl-plugin"
    if kind == "AVIF" and not readable("pillow"):
        return "AVIF: pip install --upgrade pillow"
    if head[4:8] == b"ftyp" and not kind:
        return DEVELOP if head[8:11] == b"crx" else FRAMES
    start = head[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image: fetch it again"
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in start:
        return f"SVG, a drawing: {EXPORT}"
    # a RAW file is mostly a TIFF whose first image is a thumbnail
    if PurePosixPath(printable(name)).suffix.lower() in RAW and head[:2] in (b"II", b"MM"):
        return DEVELOP
    return ""


def refuse_pointer(path: Path) -> None:
    """Raises a `UserError` where a file is what Git LFS leaves in the place of one that it has not fetched."""
    with open(path, "rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise UserError(f"{path} is a Git LFS pointer, not the file it stands for.", "Fetch that: git lfs pull.")


def special(head: bytes) -> str:
    """Which of HEIC, JPEG XL and AVIF these bytes begin; "" none."""
    if head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return "JPEG XL"
    if head[4:8] != b"ftyp":
        return ""
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4], "big"), 64), 4)}
    if brands & AVIF and not brands & HEVC:
        return "AVIF"
    return "HEIC" if brands & (HEVC | STILL) else ""


def opened(raw: bytes, kind: str) -> Image.Image:
    """A HEIC or JPEG XL image, its header read; by what `foreign` found to be installed.

    The opener is used directly: registered with Pillow, it would be there for all else that this process opens.
    """
    if kind == "HEIC":
        from pillow_heif import HeifImageFile

        return HeifImageFile(io.BytesIO(raw))
    width, height = jxl_size(raw)  # this plugin decodes while it opens
    if width * height > (Image.MAX_IMAGE_PIXELS or 2**30):
        raise Image.DecompressionBombError(f"{width}×{height}")
    return Image.open(io.BytesIO(raw), formats=("JXL",))


def jxl_size(raw: bytes) -> tuple[int, int]:
    """(width, height) that a JPEG XL file claims, before orientation; ISO 18181-1, section 9.2 ("SizeHeader")."""
    if raw[:2] != b"\xff\x0a":
        raw = _codestream(raw)
    bits, at = int.from_bytes(raw[2:18], "little"), 0
    if len(raw) < 12:
        raise ValueError("cut short")

    def read(n: int) -> int:
        nonlocal at
        at += n
        return (bits >> (at - n)) & ((1 << n) - 1)

    small = read(1)

    def side() -> int:
        return 8 * (read(5) + 1) if small else read((9, 13, 18, 30)[read(2)]) + 1

    height = side()
    up, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[read(3)]
    return (height * up // down if down else side()), height


def _codestream(raw: bytes) -> bytes:
    """The beginning of the pixels' part of a JPEG XL container."""
    at = 0
    while at + 8 <= len(raw):
        length, kind = int.from_bytes(raw[at : at + 4], "big"), raw[at + 4 : at + 8]
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(raw[at + 8 : at + 16], "big"), at + 16
        if kind in (b"jxlc", b"jxlp"):
            return raw[start + (4 if kind == b"jxlp" else 0) :][:64]
        if length < 8:
            break
        at += length
    raise ValueError("no pixels")


def readable(package: str) -> bool:
    """Whether the images for which a package was asked for, as pip names it, are read now."""
    if package == "pillow":
        return bool(features.check("avif"))
    if package == "pillow-jxl-plugin":  # both packages of JPEG XL register themselves
        return _installed("pillow_jxl", "jxlpy.JXLImagePlugin") and "JXL" in Image.OPEN
    return _installed(package.replace("-", "_"))


def _installed(*modules: str) -> bool:
    """Whether one of them can be imported."""
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)
            return True
    return False
