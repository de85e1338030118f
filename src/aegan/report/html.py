"""Pieces of a self-contained page: the document, a section, an embedded picture."""

from __future__ import annotations

from html import escape
from importlib.resources import files

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
