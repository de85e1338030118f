"""What a run says: `log.jsonl` for programs, a progress display for people, and loggers beside them."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from torch import Tensor

from aegan.engine.loggers import Loggers
from aegan.events import Event
from aegan.files import explained, write_text
from aegan.jsonl import finite, read_log
from aegan.names import printable


class RunLog:
    """Appends JSON objects to RUN/log.jsonl, and tells the loggers of numbers and pictures.

    Lines behind `step` are dropped, since those steps will be taken again, but for those in `ahead`.
    """

    def __init__(
        self, path: Path, step: int = 0, loggers: Loggers | None = None, ahead: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.path = path
        self.loggers = loggers or Loggers((), path.parent, print)
        if path.is_file():
            steps = ((line, line.get("step", 0)) for line in read_log(path))
            kept = [line for line, at in steps if (isinstance(at, int) and at <= step) or line in ahead]
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115  closed by `close`

    def write(self, event: Event) -> None:
        """One line. Terms, watched values and rates also go to the loggers."""
        line = event.line()
        with explained(self.path):
            self._file.write(json.dumps(finite(line)) + "\n")
        groups = {group: line[group] for group in ("terms", "watch", "rates") if group in line}
        values = {f"{line['stage']}/{group}/{k}": v for group, found in groups.items() for k, v in found.items()}
        measured = ("images_per_second", "fd_pixels", "diversity", "coverage", "kernel", "novelty", "r2", "sharpness")
        values |= {key: line[key] for key in measured if key in line}
        if values:
            self.loggers.scalars(line["step"], values)

    def close(self) -> None:
        """Ends the loggers too."""
        with contextlib.suppress(OSError):  # a full disk, which `write` has reported
            self._file.close()
        self.loggers.end()


class Display:
    """Shows a run's progress: a live bar on a terminal, a line now and then elsewhere, nothing when `quiet`.

    A terminal may be closed while a run goes on: what cannot be shown any more is no reason to lose a checkpoint.
    """

    every = 10.0  # seconds between lines where there is no terminal

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, quiet=quiet, emoji=False)
        self._live = self.console.is_terminal and not quiet
        self._progress: Progress | None = None
        self._task: Any = None
        self._last = -math.inf

    def say(self, text: str) -> None:
        """One line of its own."""
        lines = "\n".join(map(printable, text.split("\n")))
        with contextlib.suppress(OSError):
            self.console.print(lines, markup=False, highlight=False, soft_wrap=True)

    def start(self, stage: str, note: str = "") -> None:
        """A stage begins."""
        self.close()
        self._last = -math.inf
        if self._live:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[text]}", markup=False),
                console=self.console,
            )
            with contextlib.suppress(OSError):
                self._progress.start()
            self._task = self._progress.add_task(stage, total=1.0, text=note)
        else:
            self.say(f"{stage}: {note or 'started'}")

    def update(self, stage: str, progress: float, text: str) -> None:
        """Progress in [0, 1] and what to say beside it."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.update(self._task, completed=progress, text=text)
        elif time.monotonic() - self._last > self.every:
            self._last = time.monotonic()
            self.say(f"{stage} {progress:4.0%}  {text}")

    def picture(self, path: Path) -> None:
        """The newest picture of the run; shown where pictures can be."""

    def close(self) -> None:
        """A stage has ended."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.stop()
            self._progress = None


class Means:
    """Means of `terms/NAME` and `watch/NAME` between two lines of the log, kept on the device until the line is due."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            total, count = self._sums.get(name, (torch.zeros_like(value), 0))
            self._sums[name] = (total + value, count + 1)

    def tensors(self) -> dict[str, Tensor]:
        """Sums and counts by name, for checkpoints: a resumed run writes the lines of one that was not stopped."""
        return {name: torch.stack([total, torch.full_like(total, n)]) for name, (total, n) in self._sums.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self._sums = {name: (total.clone(), int(count)) for name, (total, count) in tensors.items()}

    def flush(self) -> dict[str, dict[str, float]]:
        """The means, by group and name; empty where nothing was added."""
        out: dict[str, dict[str, float]] = {"terms": {}, "watch": {}} if self._sums else {}
        for name, (total, count) in self._sums.items():
            group, _, key = name.partition("/")
            out[group][key] = round(float(total) / count, 6)
        self._sums = {}
        return out


def short(value: Any) -> str:
    """A value in a line for people."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
