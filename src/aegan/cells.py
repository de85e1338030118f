"""What notebooks and pages show of a result: small tables and pictures, all text escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from aegan.names import printable
from aegan.pictures import encoded

WIDEST = 480  # pixels of a picture in a notebook
LONGEST = 1_000  # characters of a cell: the names of thousands of classes would fill the page


def table(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> str:
    """Cells of text as an HTML table, the first column left and bold.

    >>> table([("size", "<16>")])
    '<table><tr><th style="text-align:left">size</th><td style="text-align:left">&lt;16&gt;</td></tr></table>'
    """
    top = "".join(f'<th style="text-align:left">{_text(cell)}</th>' for cell in head)
    body = ""
    for first, *rest in rows:
        cells = "".join(f'<td style="text-align:left">{_text(cell)}</td>' for cell in rest)
        body += f'<tr><th style="text-align:left">{_text(first)}</th>{cells}</tr>'
    return f"<table>{f'<tr>{top}</tr>' if head else ''}{body}</table>"


def _text(cell: Any) -> str:
    text = printable(str(cell))
    return escape(text if len(text) <= LONGEST else f"{text[:LONGEST]} …")


def lines(texts: Iterable[str]) -> str:
    """Lines of text below each other."""
    return "".join(f"<div>{escape(printable(text))}</div>" for text in texts)


def picture(path: Path, alt: str, widest: int) -> str:
    """An embedded PNG, reduced as by `embedded`; a damaged file is said to be damaged."""
    try:
        with Image.open(path) as stored:
            stored.load()
            return embedded(stored, alt, widest)
    except (OSError, SyntaxError, ValueError):
        return f"<p>The picture {escape(path.name)} is damaged.</p>"


def embedded(image: Image.Image, alt: str, widest: int) -> str:
    """An image as an embedded PNG, reduced if it is wider than `widest`, or four times as high."""
    share = min(widest / image.width, 4 * widest / image.height)
    if share < 1:
        sides = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(sides, Image.Resampling.LANCZOS)
    data = base64.b64encode(encoded(image)).decode()
    return (
        f'<img alt="{escape(alt, quote=True)}" width="{image.width}" height="{image.height}" '
        f'src="data:image/png;base64,{data}">'
    )
