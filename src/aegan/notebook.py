"""Training in a notebook: one output that is brought up to date in place, with a progress bar and the newest picture."""

from __future__ import annotations

import sys
import time
from html import escape
from pathlib import Path
from typing import Any

from aegan.cells import WIDEST, picture
from aegan.data.inspection import printable
from aegan.engine.log import Display


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows HTML; IPython in a terminal is none.

    Only a process that has imported IPython already can be one: it is not imported for this.
    """
    ipython: Any = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


class NotebookDisplay(Display):
    """What a notebook shows of a run: the lines it said, how far it is, its newest samples."""

    every = 0.5  # seconds between two pictures of the same output

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None
        self._lines: list[str] = []
        self._stage, self._done, self._text = "", 0.0, ""
        self._picture: Path | None = None

    def say(self, text: str) -> None:
        self._lines.append(text)
        self._show(now=True)

    def start(self, stage: str, note: str = "") -> None:
        self._stage, self._done, self._text = stage, 0.0, note
        self._show(now=True)

    def update(self, stage: str, progress: float, text: str) -> None:
        self._stage, self._done, self._text = stage, progress, text
        self._show(now=progress >= 1)

    def picture(self, path: Path) -> None:
        self._picture = path
        self._show(now=True)

    def close(self) -> None:
        if self._handle is not None:
            self._show(now=True)

    def _show(self, *, now: bool) -> None:
        if not now and time.monotonic() - self._last < self.every:
            return
        self._last = time.monotonic()
        from IPython.display import HTML, display

        content = HTML(self._html())
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def _html(self) -> str:
        out = ""
        if self._lines:
            lines = "\n".join(escape(printable(line)) for line in self._lines)
            out += f'<pre style="max-height:14em;overflow:auto">{lines}</pre>'
        if self._stage:
            out += (
                f'<div><b>{escape(self._stage)}</b> <progress max="1" value="{self._done:.3f}"></progress> '
                f"{escape(self._text)}</div>"
            )
        if self._picture is not None and self._picture.is_file():
            out += f"<div>{picture(self._picture, 'The newest picture of the run', WIDEST)}</div>"
        return out
