"""Draws docs/results/sensitivity.json, and prints its table in Markdown.

    python bench/sensitivity_figure.py [--json docs/results/sensitivity.json] [--out docs/images/sensitivity.png]

A cell is one measure under one fault of growing strength, in units of what the measure moves by chance (the standard
deviation over five clean draws), on an asinh axis: the grey band is ±3. Pillow draws it: no plotting library is needed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # pixels of the file per unit of layout
LEFT, TOP, WIDE, HIGH = 172, 66, 104, 46
REACH = math.asinh(2000 / 3)  # clean-draw sd at a cell's edge, over the band
SEEN, UNSEEN, MIXED, BAND, RULE, INK, FAINT = (
    "#1f5fd0",
    "#9a9a9a",
    "#c4620a",
    "#e9e9e6",
    "#d6d6d2",
    "#222222",
    "#666666",
)


def verdict(scores: list[float], clean: dict[str, float] | None) -> dict[str, Any]:
    """How scores of growing strength move: in clean-draw sd, up or down, monotone, and from which strength on seen.

    Pairs have no clean draws: an unspoilt pair scores exactly, and a change of one part in a hundred counts as one sd.
    Seen: beyond 3 sd at this strength and all greater ones. Monotone: no step back by more than 2 sd.
    """
    sd = clean["sd"] if clean else abs(scores[0]) / 100
    sd = max(sd, 1e-9)
    moved = [(s - scores[0]) / sd for s in scores]
    known = [m for m in moved if m == m]
    sign = 1 if known[-1] > 0 else -1
    monotone = all(sign * (b - a) > -2 for a, b in itertools.pairwise(known))
    seen = [i for i in range(1, len(moved)) if all(sign * m > 3 for m in moved[i:])]
    largest = max(abs(m) for m in known)
    return {"moved": moved, "sign": sign, "monotone": monotone, "seen": seen[0] if seen else None, "largest": largest}


def symbol(found: dict[str, Any], strengths: list[float]) -> str:
    """A cell of the table: the direction and the least strength that is seen; ~ if it turns on the way."""
    if found["seen"] is None:
        return "(turns)" if found["largest"] > 3 else "·"
    return f"{'↑' if found['sign'] > 0 else '↓'} {strengths[found['seen']]:g}" + ("" if found["monotone"] else " ~")


def verdicts(result: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """measure -> fault -> verdict, measures in the order of the file."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for fault, each in result["faults"].items():
        clean = result["clean"]["tinted" if fault == "channels" else "grey"]
        for name, scores in each["scores"].items():
            out.setdefault(name, {})[fault] = verdict(scores, clean.get(name))
    return out


def markdown(result: dict[str, Any]) -> str:
    faults = result["faults"]
    lines = ["| | " + " | ".join(faults) + " |", "|---" * (len(faults) + 1) + "|"]
    for name, row in verdicts(result).items():
        cells = [symbol(row[f], faults[f]["strengths"]) if f in row else "" for f in faults]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(result: dict[str, Any]) -> Image.Image:
    found, faults = verdicts(result), result["faults"]
    width, height = LEFT + WIDE * len(faults) + 12, TOP + HIGH * len(found) + 64
    picture = Image.new("RGB", (width * SCALE, height * SCALE), "white")
    pen = ImageDraw.Draw(picture)

    def text(x: float, y: float, words: str, size: int = 12, colour: str = INK, anchor: str = "lm") -> None:
        words = words.replace("é", "e").replace("−", "-")  # Pillow's own font has neither
        pen.text((x * SCALE, y * SCALE), words, colour, ImageFont.load_default(size * SCALE), anchor)

    for column, (fault, each) in enumerate(faults.items()):
        middle = LEFT + WIDE * (column + 0.5)
        first, _, second = fault.partition(", ")
        text(middle, 14 if second else 20, first + ("," if second else ""), 13, anchor="mm")
        if second:
            text(middle, 29, second, 13, anchor="mm")
        low, high = each["strengths"][0], each["strengths"][-1]
        text(middle, 43, f"{low:g} to {high:g}", 10, FAINT, "mm")
        text(middle, 55, each["unit"].split(", sd")[0], 10, FAINT, "mm")
    for line, (name, row) in enumerate(found.items()):
        top = TOP + HIGH * line
        pen.line([(8 * SCALE, top * SCALE), ((width - 8) * SCALE, top * SCALE)], RULE, 1)
        text(10, top + HIGH / 2, name)
        for column, fault in enumerate(faults):
            left = LEFT + WIDE * column
            if fault in row:
                _cell(pen, left, top, row[fault])
            else:
                text(left + WIDE / 2, top + HIGH / 2, "not measured", 10, RULE, "mm")
    foot = TOP + HIGH * len(found)
    pen.line([(8 * SCALE, foot * SCALE), ((width - 8) * SCALE, foot * SCALE)], RULE, 1)
    x = 10
    notes = ((SEEN, "seen, one direction"), (MIXED, "moves, but turns back"), (UNSEEN, "not seen at full strength"))
    for colour, words in notes:
        pen.line([(x * SCALE, (foot + 22) * SCALE), ((x + 22) * SCALE, (foot + 22) * SCALE)], colour, 3 * SCALE)
        text(x + 30, foot + 22, words, 11, FAINT)
        x += 60 + 6 * len(words)
    note = "grey band: ±3 sd of five clean draws; number: shift at full strength in those sd; the axis is asinh"
    text(10, foot + 42, note, 11, FAINT)
    return picture


def _cell(pen: ImageDraw.ImageDraw, left: float, top: float, found: dict[str, Any]) -> None:
    middle, half = top + HIGH / 2, HIGH / 2 - 6

    def at(i: int, value: float) -> tuple[float, float]:
        x = left + 10 + i * (WIDE - 58) / (len(found["moved"]) - 1)
        y = middle - half * max(-1.0, min(1.0, math.asinh(value / 3) / REACH))
        return x * SCALE, y * SCALE

    pen.rectangle([at(0, 3), at(len(found["moved"]) - 1, -3)], BAND)
    colour = UNSEEN if found["largest"] <= 3 else SEEN if found["seen"] is not None and found["monotone"] else MIXED
    points = [at(i, value) for i, value in enumerate(found["moved"]) if value == value]
    pen.line(points, colour, 2 * SCALE, joint="curve")
    for x, y in points:
        pen.ellipse([x - 2 * SCALE, y - 2 * SCALE, x + 2 * SCALE, y + 2 * SCALE], colour)
    last = found["moved"][-1]
    words = "–" if last != last else f"{last:+,.0f}" if abs(last) < 10_000 else f"{last / 1000:+,.0f}k"
    pen.text(((left + WIDE - 4) * SCALE, middle * SCALE), words, colour, ImageFont.load_default(11 * SCALE), "rm")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("docs/results/sensitivity.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/sensitivity.png"))
    arguments = parser.parse_args()
    read = json.loads(arguments.json.read_text(encoding="utf-8"))
    draw(read).save(arguments.out, optimize=True)
    print(markdown(read))
