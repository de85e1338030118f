"""A run folder while it is written: its state, new lines of its log, its pictures. Imports no torch."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from aegan.events import Done, Stage, Start
from aegan.jsonl import json_objects, number
from aegan.names import printable
from aegan.runs.reading import RunFolder

PIECE = 2**20  # bytes of the log in one answer
QUIET = 90.0  # seconds without a line after which a run counts as stopped


class Following:
    """Reads a run folder that another process writes; never writes."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        self._lock = threading.Lock()
        self._after = ""
        self._seen: dict[str, Any] = {}

    def lines(self, after: str = "") -> tuple[list[dict[str, Any]], str, bool, bool]:
        """Lines of the log behind a mark.

        Args:
            after: the mark of an earlier answer; empty: from the start.

        Returns:
            the lines; the mark behind them; whether they begin at the log's start again (a resumed run rewrites its
            log), so that what was known before must be forgotten; whether there are more already.
        """
        known, _, start = after.partition(":")
        try:
            with open(self.folder.path / "log.jsonl", "rb") as file:
                stat = os.fstat(file.fileno())
                at = int(start or 0)
                fresh = known != str(stat.st_ino) or at > stat.st_size
                file.seek(0 if fresh else at)
                piece = file.read(PIECE)
        except OSError:
            return [], "", bool(after), False
        whole = piece[: piece.rfind(b"\n") + 1]
        if not whole and len(piece) == PIECE:  # a line longer than an answer: no log of ours
            whole = piece
        behind = (0 if fresh else at) + len(whole)
        return _shown(json_objects(whole)), f"{stat.st_ino}:{behind}", fresh, behind < stat.st_size and bool(whole)

    def state(self) -> dict[str, Any]:
        """Where the run stands: stage, step, seconds and the seconds that are left, as far as its log goes."""
        asked = self.folder.asked
        with self._lock:
            more = True
            while more:
                lines, self._after, fresh, more = self.lines(self._after)
                if fresh:
                    self._seen = {}
                for line in lines:
                    _take(self._seen, line)
            seen = dict(self._seen)
        try:
            silent = max(0.0, time.time() - (self.folder.path / "log.jsonl").stat().st_mtime)
        except OSError:
            silent = 0.0
        done, seconds = seen.get("done", False), seen.get("seconds", 0.0)
        left = 0.0 if done else _left(asked, seen)
        return {
            "name": printable(self.folder.path.resolve().name),
            "strategy": str(asked.get("strategy", "unknown")),
            "data": printable(Path(str(asked.get("data", "unknown"))).name),
            "state": "done" if done else "stopped" if silent > QUIET else "training" if seen else "starting",
            "stage": seen.get("stage"),
            "step": seen.get("step", 0),
            "images": seen.get("images", 0),
            "images_per_second": seen.get("images_per_second"),
            "seconds": seconds,
            "seconds_left": left,
            "progress": 1.0 if done else None if left is None else seconds / max(seconds + left, 1e-9),
            "silent": round(silent, 1),
            "pictures": [{"step": step, "stage": printable(stage)} for step, stage, _ in self.folder.previews()],
        }

    def picture(self, step: int | None = None) -> bytes | None:
        """A picture as PNG, the newest or that of a step; None if there is none."""
        found = [path for at, _, path in self.folder.previews() if step is None or at == step]
        try:
            return found[-1].read_bytes() if found else None
        except OSError:
            return None


def _shown(value: Any) -> Any:
    """Values of a log with stray bytes of names spelled out: an answer is UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_shown(k): _shown(v) for k, v in value.items()}
    return [_shown(v) for v in value] if isinstance(value, list) else value


def _take(seen: dict[str, Any], line: dict[str, Any]) -> None:
    """Keeps of a log line what shows where the run stands."""
    for key in ("step", "seconds", "images", "images_per_second"):
        if number(line.get(key)) is not None:
            seen[key] = line[key]
    if (event := line.get("event")) in (Start.kind, Stage.kind, Done.kind):
        seen["done"] = event == Done.kind
    if isinstance(line.get("stage"), str):
        seen["stage"] = line["stage"]


def _left(asked: dict[str, Any], seen: dict[str, Any]) -> float | None:
    """Seconds of training that are left: of the budget in minutes, or of the steps at the pace so far.

    None where neither is known: before the first steps, or where a run was extended in the other unit.
    """
    parts = [asked, *asked.get("extended", ())]
    minutes, steps = ([number(part.get(unit)) for part in parts] for unit in ("minutes", "steps"))
    seconds, step = seen.get("seconds", 0.0), seen.get("step", 0)
    if None not in minutes:
        return max(0.0, 60.0 * sum(minutes) - seconds)  # type: ignore[arg-type]
    if None not in steps and step:
        return max(0.0, (sum(steps) - step) * seconds / step)  # type: ignore[arg-type]
    return None
