"""Results as text, wherever there is no terminal."""

from __future__ import annotations

from rich.console import Console, RenderableType


def plain(content: RenderableType, width: int) -> str:
    """What rich would print, without colours, so many characters wide; no blanks at the ends of lines.

    Nothing is taken for markup: names may hold brackets.

    >>> from rich.table import Table
    >>> print(plain(Table("fd", box=None), 20))
     fd
    """
    console = Console(width=width, no_color=True, force_terminal=False, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())
