"""A contact sheet: some images as a model will see them, each with its name. NumPy and Pillow only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aegan.data import Data
from aegan.data.inspection import printable
from aegan.evenly import evenly
from aegan.hints import Array
from aegan.pictures import on_checks, scatter

SHOWN = 48  # images, where there are not more classes
MOST_CLASSES = 240  # images, one of each class
COLUMNS = 8
CELL = (112, 256)  # least and greatest side of an image on the sheet, pixels
GAP, LINE = 10, 14  # pixels between images; height of a line of text
PAPER, INK, PALE = (255, 255, 255), (30, 30, 30), (110, 110, 110)


def contact_sheet(data: Data) -> Image.Image:
    """Images spread evenly over the data, or over each class, as they are after cropping, scaling and all else.

    Small ones are enlarged by a whole number, so that their pixels show; large ones are reduced. Transparent ones lie on
    a checkerboard. Vectors are drawn as points.
    """
    split, spec = data.train, data.spec
    if spec.is_vector:
        return scatter(np.asarray(split.items[:5000]))
    index = _spread(len(split), split.labels, len(spec.classes))
    items = np.asarray(split.items[index])
    items = on_checks(items) if spec.channels == 4 else items
    tiles = [_sized(Image.fromarray(item[:, :, 0] if item.shape[2] == 1 else item).convert("RGB")) for item in items]
    font = ImageFont.load_default(size=11)
    width, height = tiles[0].size
    cell = max(width, CELL[0]) + GAP
    lines = 2 if split.labels is not None and spec.classes else 1
    row = height + lines * LINE + GAP
    columns = min(COLUMNS, len(tiles))
    head = f"{data.inspection.lines()[0]}; {len(tiles):,} shown"
    sheet = Image.new("RGB", (columns * cell + GAP, 2 * GAP + LINE + math.ceil(len(tiles) / columns) * row), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), _short(head, sheet.width - 2 * GAP, font), INK, font)
    for k, (i, tile) in enumerate(zip(index, tiles, strict=True)):
        left, top = GAP + k % columns * cell, 2 * GAP + LINE + k // columns * row
        sheet.paste(tile, (left, top))
        draw.rectangle((left - 1, top - 1, left + width, top + height), outline=(200, 200, 200))
        name = split.names[int(i)]
        said = [(name, INK)]
        if lines == 2 and split.labels is not None:  # the class is written below, so the name need not hold its folder
            said = [(name.rpartition("/")[2], INK), (spec.classes[int(split.labels[i])], PALE)]
        for n, (text, colour) in enumerate(said):
            at = (left, top + height + 2 + n * LINE)
            draw.text(at, _short(text, cell - GAP, font), colour, font)
    return sheet


def _spread(count: int, labels: Array | None, classes: int) -> Array:
    """Which of so many items are shown: evenly spread ones, or as many of each class, class by class."""
    if labels is None or not classes:
        return evenly(count, SHOWN)
    each = max(1, SHOWN // classes)
    shown = evenly(classes, MOST_CLASSES)
    places = (np.flatnonzero(labels == k) for k in shown)
    return np.concatenate([p[evenly(len(p), each)] for p in places if len(p)])


def _sized(image: Image.Image) -> Image.Image:
    """At a size that shows single pixels of a small image, and all of a large one."""
    least, most = CELL
    side = max(image.size)
    if side > most:
        width, height = (max(1, round(n * most / side)) for n in image.size)
        return image.resize((width, height), Image.Resampling.LANCZOS)
    k = max(1, round(least / side))
    return image.resize((k * image.width, k * image.height), Image.Resampling.NEAREST)


def _short(text: str, width: float, font: Any) -> str:
    """Text in one line of so many pixels, its middle left out if need be; what the font lacks is written as a code."""
    text = printable(text).replace("×", "x").encode("ascii", "backslashreplace").decode("ascii")
    if font.getlength(text) <= width:
        return text
    for kept in range(min(len(text), 400), 1, -1):  # no line holds more
        short = f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"
        if font.getlength(short) <= width:
            return short
    return "..."
