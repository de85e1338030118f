"""What a notebook shows of a result that ends a cell: small tables and pictures, all text escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from aegan.data.inspection import printable
from aegan.errors import UserError
from aegan.report.html import picture
from aegan.report.words import measured, show

if TYPE_CHECKING:
    from aegan.data import Data, Inspection
    from aegan.evaluation import Evaluation
    from aegan.model import Model
    from aegan.run import Run

WIDEST = 480  # pixels of a picture
SHOWN = 16  # images of a data set


def table(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> str:
    """Cells of text as an HTML table, the first column left and bold.

    >>> table([("size", "<16>")])
    '<table><tr><th style="text-align:left">size</th><td style="text-align:left">&lt;16&gt;</td></tr></table>'
    """
    top = "".join(f'<th style="text-align:left">{escape(printable(str(cell)))}</th>' for cell in head)
    body = ""
    for first, *rest in rows:
        cells = "".join(f'<td style="text-align:left">{escape(printable(str(cell)))}</td>' for cell in rest)
        body += f'<tr><th style="text-align:left">{escape(str(first))}</th>{cells}</tr>'
    return f"<table>{f'<tr>{top}</tr>' if head else ''}{body}</table>"


def lines(texts: Iterable[str]) -> str:
    """Lines of text below each other."""
    return "".join(f"<div>{escape(printable(text))}</div>" for text in texts)


def evaluation_cell(found: Evaluation) -> str:
    """The figures, their intervals and perfect values, and the remarks."""
    from aegan.evaluation.result import real_items

    c = found.counts
    title = (
        f"{found.subject['name']}: {c['samples']:,} samples against {c['reference']:,} {real_items(found.data)} of "
        f"{found.data.get('name', 'data')}"
    )
    rows = [
        (f.title, f"none: {f.why}" if f.value is None else f.text, _perfect(f.floor, f.unit), f.better)
        for f in found.figures
    ]
    figures = table(rows, ("figure", "value [95 %]", "perfect", "better"))
    return f"<b>{escape(printable(title))}</b>{figures}{lines(found.remarks)}"


def run_cell(run: Run) -> str:
    """Its settings, its newest picture, and its figures where it has been evaluated."""
    try:
        settings = run.config
        found = run.evaluation
    except UserError as error:
        return lines(str(error).splitlines())
    r = settings.run
    budget = f"{r.steps:,} steps" if r.minutes is None and r.steps is not None else f"{r.minutes or 0:g} minutes"
    rows = [
        ("run", run.path), ("data", r.data), ("strategy", r.strategy), ("preset", r.preset), ("budget", budget),
        ("seed", r.seed), ("batch size", settings.options.get("batch_size", "")),
    ]  # fmt: skip
    out = table(rows)
    pictures = sorted((run.path / "samples").glob("*.png"))
    if pictures:
        out += picture(pictures[-1], f"The newest picture, {pictures[-1].stem}", WIDEST)
    if found is not None:
        out += table(_figures(found.get("figures") or {}), ("figure", "value [95 %]", "perfect"))
    return out


def model_cell(model: Model) -> str:
    """What it is and what it can do."""
    spec = model.spec
    weights = {name: sum(p.numel() for p in net.parameters()) for name, net in model.networks.items()}
    makes = f"images {spec.size}×{spec.size}, {spec.channels} channels" if spec.is_image else f"vectors {spec.shape}"
    return table(
        [
            ("model", f"{model.strategy.name}: {model.strategy.summary}"),
            ("makes", makes),
            ("trained on", f"{spec.count:,} examples"),
            ("classes", ", ".join(spec.classes) or "none"),
            ("can", ", ".join(sorted(model.capabilities))),
            ("weights", ", ".join(f"{name} {n:,}" for name, n in weights.items() if n)),
            ("device", model.device),
        ]
    )


def inspection_cell(inspection: Inspection) -> str:
    """What `aegan check` prints."""
    return lines(inspection.lines())


def data_cell(data: Data) -> str:
    """What was found, and the first images as a model sees them."""
    out = f"<b>{escape(data.name)}</b>{inspection_cell(data.inspection)}"
    if data.spec.is_image and len(data.train):
        from aegan.report.grids import grid

        buffer = io.BytesIO()
        grid(np.asarray(data.train.items[:SHOWN]), columns=8).save(buffer, "PNG")
        uri = base64.b64encode(buffer.getvalue()).decode()
        out += f'<img alt="The first images" style="max-width:{WIDEST}px" src="data:image/png;base64,{uri}">'
    return out


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str, str]]:
    """Rows of evaluation.json's figures that have a value."""
    for name, f in figures.items():
        if f.get("value") is not None:
            unit = str(f.get("unit", ""))
            value = measured(f["value"], f.get("low"), f.get("high"), unit)
            yield str(f.get("title", name)), value, _perfect(f.get("floor"), unit)


def _perfect(floor: float | None, unit: str) -> str:
    return "" if floor is None else show(floor, unit)
