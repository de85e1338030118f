"""Pages for people, from Jinja2 templates: self-contained HTML, all text escaped, with charts as inline SVG; Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aegan import cells
from aegan.pages.charts import line_chart
from aegan.text import duration, plural
from aegan.version import __version__

__all__ = ["Column", "columns", "line_chart", "picture", "render"]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    number: bool = False  # numbers stand to the right
    label: str = ""  # what a narrow screen shows before its cells, where it has no heads
    kind: str = ""  # a class of the style sheet


def columns(*titles: str) -> list[Column]:
    """Columns by title; those that begin with "#" hold numbers.

    >>> [(c.title, c.number) for c in columns("stage", "#step")]
    [('stage', False), ('step', True)]
    """
    return [Column(title.removeprefix("#"), title.startswith("#")) for title in titles]


def picture(path: Path, alt: str, widest: int) -> Markup:
    """An embedded picture; see `aegan.cells.picture`, which escapes."""
    return Markup(cells.picture(path, alt, widest))


def render(name: str, /, **context: Any) -> str:
    """A page.

    Args:
        name: a file of `aegan/pages/templates`.
        context: what the template names; a name that is missing is an error.
    """
    return _environment().get_template(name).render(version=__version__, **context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aegan.pages"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "plural": plural}
    environment.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")  # of a table in Markdown
    return environment
