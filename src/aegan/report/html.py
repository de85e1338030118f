"""Pieces of a self-contained page: the document, a section, an embedded picture."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib.resources import files
from pathlib import Path

from PIL import Image

from aegan.version import __version__


def document(title: str, body: str, style: str = "", source: str = "") -> str:
    """A page in the look of all pages: `body` is HTML, `style` is added to the style sheet, `source` is what it shows."""
    sheet = files("aegan.report").joinpath("style.css").read_text(encoding="utf-8") + style
    footer = (
        f"<footer>Written by aegan {escape(__version__)} from {escape(source)}; nothing on this page was chosen by hand."
        "</footer>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{sheet}</style></head><body><main>{body}{footer}</main></body></html>\n"
    )


def section(title: str, what: str, content: str = "") -> str:
    """A heading, a sentence (text) and content (HTML)."""
    return f"<h2>{escape(title)}</h2>{f'<p>{escape(what)}</p>' if what else ''}{content}"


def picture(path: Path, alt: str, widest: int) -> str:
    """An embedded PNG, reduced if it is wider than `widest`; a damaged file is said to be damaged."""
    try:
        with Image.open(path) as stored:
            stored.load()
            image: Image.Image = stored
            if image.width > widest:
                height = max(1, round(image.height * widest / image.width))
                image = image.resize((widest, height), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "PNG", optimize=True)
            size = image.size
    except (OSError, SyntaxError, ValueError):
        return f"<p>The picture {escape(path.name)} is damaged.</p>"
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{escape(alt, quote=True)}" width="{size[0]}" height="{size[1]}" src="data:image/png;base64,{data}">'
    )
