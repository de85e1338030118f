"""Logs as the rules read them: a run's own, or tables of other programs."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from aegan.errors import UserError
from aegan.events import KINDS, Event, Step, Tick, parse
from aegan.jsonl import json_objects

MOST = 2**28  # bytes of a log
# columns of other programs; everything else whose name holds "loss" is a term
STEP = ("step", "iteration", "iter", "global_step", "epoch")
WATCH = {"v(g,d)": "V(G,D)", "value": "V(G,D)", "v": "V(G,D)", "margin": "margin"}
DISTANCE = ("fid", "fd", "fd_pixels", "kid")


def read_any(path: Path) -> list[Event]:
    """The lines of RUN, of a `log.jsonl`, or of a table of another program (JSON lines, or CSV with a header).

    Cells of CSV are separated by commas, semicolons or tabs. Of a table, `step` (or iteration, epoch) counts; columns with
    `loss` or `grad` in their name are losses and gradient norms; `margin` is D(x) − D(G(z)), `V(G,D)` the value of the
    game, `fid`, `fd` or `kid` a distance of samples.

    Raises:
        UserError: it is no log, or too large.
    """
    file = path / "log.jsonl" if path.is_dir() else path
    try:
        if file.stat().st_size > MOST:
            raise UserError(f"{file} has over {MOST // 2**20} MB.", "Give a part of it.")
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        raise UserError(f"{file} cannot be read.", "Give a run's folder, or a log in JSON lines or CSV.") from None
    lines = json_objects(text)
    if any("terms" in line or str(line.get("event")) in KINDS for line in lines):
        return [parse(line) for line in lines]
    rows = lines or _table(text)
    out = [line for row in rows for line in _translated(row)]
    if not any(isinstance(x, Step) and x.terms for x in out):
        raise UserError(f"{file} has no losses that we know.", "Columns such as step, loss_d, loss_g are understood.")
    return out


def _table(text: str) -> list[dict[Any, Any]]:
    """Rows of a CSV file; its first line has most of what stands between cells."""
    text = text.lstrip("\r\n")
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    try:
        rows: list[dict[Any, Any]] = list(csv.DictReader(io.StringIO(text), delimiter=mark))
    except csv.Error:  # a cell without an end
        return []
    if mark != ";":
        return rows
    # where numbers have decimal commas, semicolons stand between cells
    return [{k: v.replace(",", ".") if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def _translated(row: dict[Any, Any]) -> list[Event]:
    """A row of another program's table as lines of ours."""
    values = {str(k).strip(): v for k, raw in row.items() if k is not None and (v := _float(raw)) is not None}
    by_name = {k.lower(): v for k, v in values.items()}
    step = next((by_name[k] for k in STEP if k in by_name), 0.0)
    terms = {k: v for k, v in values.items() if "loss" in k.lower()}
    terms |= {f"{k}.|grad|": v for k, v in values.items() if "grad" in k.lower()}
    watch = {name: by_name[k] for k, name in WATCH.items() if k in by_name}
    lines: list[Event] = [Step(step, "", terms=terms, watch=watch)] if terms or watch else []
    far = next((by_name[k] for k in DISTANCE if k in by_name and math.isfinite(by_name[k])), None)
    return lines if far is None else [*lines, Tick("", step, fd_pixels=far)]


def _float(raw: Any) -> float | None:
    try:
        return float(raw)
    except (TypeError, ValueError):
        return None
