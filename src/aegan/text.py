"""Numbers, times and tables as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def plain(content: RenderableType, width: int) -> str:
    """What rich would print, without colours, so many characters wide; no blanks at the ends of lines.

    Nothing is taken for markup: names may hold brackets.

    >>> from rich.table import Table
    >>> print(plain(Table("fd", box=None), 20))
     fd
    """
    from rich.console import Console  # data, which counts things too, does without it

    console = Console(width=width, no_color=True, force_terminal=False, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def show(value: float, unit: str = "") -> str:
    """A figure as people read it.

    >>> show(318.26), show(0.9889, "%"), show(0.0123), show(24.04, "dB"), show(8, "modes")
    ('318', '98.9 %', '0.0123', '24.0 dB', '8 modes')
    """
    if unit == "%":
        return f"{100 * value:.1f} %"
    if value == int(value) and abs(value) < 1e6:
        text = f"{int(value):,}"
    elif abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return f"{text} {unit}".rstrip()


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(59), clock(61), clock(3700)
    ('0:59', '1:01', '1:01:40')
    """
    s = int(seconds)
    return f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" if s >= 3600 else f"{s // 60}:{s % 60:02d}"


def measured(value: float, low: float | None, high: float | None, unit: str = "") -> str:
    """A figure with its 95 % interval, where one is known.

    >>> measured(215.2, 209.4, 221.0), measured(0.981, 0.97, 0.99, "%"), measured(3.0, None, None)
    ('215 [209, 221]', '98.1 % [97.0, 99.0]', '3')
    """
    if low is None or high is None:
        return show(value, unit)
    ends = [show(end, unit).removesuffix(unit).rstrip() for end in (low, high)]
    return f"{show(value, unit)} [{ends[0]}, {ends[1]}]"


def plural(n: float, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "image"), plural(2000, "image")
    ('1 image', '2,000 images')
    """
    return f"{n:,.0f} {noun}{'' if n == 1 else 's'}"


def sentence(text: str) -> str:
    """The same with a capital first; the rest stays as it is.

    >>> sentence("the median of Adam")
    'The median of Adam'
    """
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(1), duration(40), duration(186), duration(7200)
    ('1 second', '40 seconds', '3.1 minutes', '2.0 hours')
    """
    if seconds < 90:
        return plural(max(round(seconds), 1), "second")
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
