"""Logs: a JSON object a line. Whoever follows a run reads them, without PyTorch."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any


def json_objects(text: str | bytes) -> list[dict[str, Any]]:
    """Lines that are JSON objects; one cut short by a crash is left out.

    >>> json_objects('{"step": 1}\\n[2]\\n{"ste')
    [{'step': 1}]
    """
    out: list[dict[str, Any]] = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(line)
            if isinstance(content, dict):
                out.append(content)
    return out


def read_log(path: Path) -> list[dict[str, Any]]:
    """All lines of a log; what a crash cut short or damage made unreadable is left out. Empty where there is none."""
    try:
        return json_objects(path.read_bytes())
    except OSError:
        return []


def finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become words, so that every parser reads it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def number(value: Any) -> float | None:
    """A finite number of a log, or None: NaN and infinity are words there."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None
