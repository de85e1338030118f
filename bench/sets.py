"""Makes sets of colour pictures from Debian packages, to train and measure on; nothing of them is in this repository.

    python bench/sets.py units textures stamps --out sets      PNGs of 64×64 in sets/units, sets/textures, sets/stamps
    python bench/sets.py textures --side 128 --out sets        of 128×128 in sets/textures-128

    set        package                   what
    units      wesnoth-1.16-data         sprites of 72×72 with transparency, the middle 64×64; no other size
    textures   openarena-081-textures    tiles of 64×64, at most 16 a texture, evenly spread (larger ones: at most 4)
    stamps     tuxpaint-stamps-default   photographs and drawings cut out, with transparency, reduced to 64×64
    icons      (several, below)          emoji, and icons of two desktops, with transparency, reduced to 64×64
    photos     (several, below)          wallpapers, photographs and patterns: 20 crops of each at each of three scales

The packages say under which licences their pictures are (GPL and others); see /usr/share/doc/PACKAGE/copyright.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 64  # unless asked otherwise
TILES = 16  # of this side of one texture, lest a few large ones be most of the set
UNITS = Path("/usr/share/games/wesnoth/1.16")
TEXTURES = Path("/usr/share/games/openarena/baseoa/pak4-textures.pk3")
STAMPS = Path("/usr/share/tuxpaint/stamps")
EMOJI = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
EMOJI_SIZE, EMOJI_BOX = 109, (136, 128)  # the one size that the font holds, and a picture of it
SYMBOLS = [range(0x2190, 0x2C00), range(0x1F000, 0x1FB00)]  # the blocks of Unicode that have emoji
ICONS = [Path("/usr/share/icons") / name for name in ("oxygen", "Faenza")]
WALLPAPERS = Path("/usr/share/wallpapers")  # a folder for each, with the same picture in several sizes
BACKGROUNDS = Path("/usr/share/backgrounds")
SCALES, CROPS = (2.5, 4.0, 6.0), 20  # shorter sides, in sides of a crop; crops at each
Named = Iterator[tuple[str, Image.Image]]


def units(side: int) -> Named:
    """The unit sprites of 72×72, of all campaigns; animation frames are among them."""
    if side != SIDE:
        raise SystemExit(f"The sprites of units are made in {SIDE} pixels only.")
    for path in sorted(UNITS.rglob("*.png")):
        if "units" not in path.parts:
            continue
        with Image.open(path) as image:
            if image.size == (72, 72):
                margin = (72 - SIDE) // 2
                yield path.stem, image.convert("RGBA").crop((margin, margin, margin + SIDE, margin + SIDE))


def textures(side: int) -> Named:
    """Tiles of every texture that is large enough; those of one colour are left out."""
    most = max(TILES * SIDE**2 // side**2, 4)
    with zipfile.ZipFile(TEXTURES) as archive:
        for name in sorted(archive.namelist()):
            if not name.lower().endswith((".jpg", ".tga")):
                continue
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            places = [
                (x, y) for y in range(0, image.height - side + 1, side) for x in range(0, image.width - side + 1, side)
            ]
            for i in range(min(most, len(places))):
                x, y = places[i * len(places) // min(most, len(places))]
                tile = image.crop((x, y, x + side, y + side))
                if np.asarray(tile).std(axis=(0, 1)).max() > 2:
                    yield f"{Path(name).stem}-{x}-{y}", tile


def stamps(side: int) -> Named:
    """The stamps, on a transparent square."""
    for path in sorted(STAMPS.rglob("*.png")):
        with Image.open(path) as image:
            yield path.stem, squared(image, side)


def squared(image: Image.Image, side: int) -> Image.Image:
    """The whole of it in the middle of a transparent square."""
    small = image.convert("RGBA")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return square


def icons(side: int) -> Named:
    """Emoji in colour, then the icons of each desktop, of every size from `side` on: each by its largest."""
    font = ImageFont.truetype(EMOJI, EMOJI_SIZE)
    for code in chain(*SYMBOLS):
        image = Image.new("RGBA", EMOJI_BOX, (255, 255, 255, 0))
        ImageDraw.Draw(image).text((0, 0), chr(code), font=font, embedded_color=True)
        if len(image.getcolors(maxcolors=image.width * image.height) or []) > 2:  # else a character that it lacks
            yield f"{code:x}", squared(image, side)
    for folder in ICONS:
        largest: dict[str, tuple[int, Path]] = {}
        for path in sorted(folder.rglob("*.png")):
            with Image.open(path) as image:
                if not path.is_symlink() and image.width >= max(side, largest.get(path.stem, (0,))[0] + 1):
                    largest[path.stem] = (image.width, path)
        for name, (_, path) in sorted(largest.items()):
            with Image.open(path) as image:
                yield name, squared(image, side)


def wallpapers() -> Iterator[tuple[str, Path]]:
    """Of each wallpaper the least size that is at least 1,024 pixels wide."""

    def width(path: Path) -> int:
        return int(path.stem.partition("x")[0])

    for folder in sorted(WALLPAPERS.iterdir()):
        wide = [path for path in folder.glob("contents/images/*") if width(path) >= 1024]
        if wide:
            yield folder.name, min(wide, key=width)
    for path in sorted(BACKGROUNDS.rglob("*")):
        if path.suffix in (".jpg", ".png", ".webp"):
            yield path.stem, path


def photos(side: int) -> Named:
    """Crops at random places; those of nearly one colour are left out."""
    for name, path in wallpapers():
        rng = np.random.default_rng(0)
        with Image.open(path) as image:
            whole = image.convert("RGB")
        for scale in SCALES:
            by = scale * side / min(whole.size)
            size = (round(whole.width * by), round(whole.height * by))
            small = whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
            for i in range(CROPS):
                x, y = (int(rng.integers(length - side + 1)) for length in small.size)
                crop = small.crop((x, y, x + side, y + side))
                if np.asarray(crop).std(axis=(0, 1)).max() > 20:
                    yield f"{name}-{scale}-{i}", crop


SETS = {"units": units, "textures": textures, "stamps": stamps, "icons": icons, "photos": photos}
PACKAGES = [
    "plasma-workspace-wallpapers", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "ukui-wallpapers",
    "mate-backgrounds", "gnome-backgrounds",
]  # fmt: skip
SOURCES = {"units": (UNITS, "wesnoth-1.16-data"), "textures": (TEXTURES, "openarena-081-textures"),
           "stamps": (STAMPS, "tuxpaint-stamps-default"),
           "icons": (EMOJI, "fonts-noto-color-emoji oxygen-icon-theme faenza-icon-theme"),
           "photos": (WALLPAPERS, " ".join(PACKAGES))}  # fmt: skip


def make(name: str, side: int, folder: Path) -> int:
    """Writes a set, each picture once; returns how many there are."""
    source, package = SOURCES[name]
    if not source.exists():
        raise SystemExit(f"{source} is not there. On Debian: apt-get install {package}")
    seen = set()
    folder.mkdir(parents=True, exist_ok=True)
    for stem, image in SETS[name](side):
        digest = hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
        if digest not in seen:
            image.save(folder / f"{len(seen):05d}-{stem}.png")
            seen.add(digest)
    return len(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=sorted(SETS))
    parser.add_argument("--out", type=Path, default=Path("sets"))
    parser.add_argument("--side", type=int, default=SIDE, help="of the pictures, in pixels")
    given = parser.parse_args()
    for name in given.sets:
        folder = given.out / (name if given.side == SIDE else f"{name}-{given.side}")
        print(f"{name}: {make(name, given.side, folder):,} pictures in {folder}")


if __name__ == "__main__":
    main()
