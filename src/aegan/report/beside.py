"""One page of several results side by side: figures that were measured alike, samples, costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegan.figures import real_items
from aegan.files import write_text
from aegan.pages import Column, columns, picture, render
from aegan.runs.reading import RunFolder, RunHistory
from aegan.text import duration, show

if TYPE_CHECKING:
    from aegan.evaluation.compare import Comparison

WIDEST = 560  # pixels of each picture: two fit beside each other
BETTER = {"lower": "lower", "higher": "higher", "near": "near baseline"}


def write_beside(found: Comparison, path: Path) -> Path:
    """Writes the page; those of the names, which are paths, that are run folders bring pictures and costs."""
    runs = {name: RunFolder(name) for name in found.names if Path(name).is_dir()}
    first = found.results[0]
    real = f"{first.counts['reference']:,} {real_items(first.data)} of {first.data.get('name')}"
    page = render(
        "beside.html",
        title="Side by side",
        source=", ".join(found.names),
        lead=f"{first.counts['samples']:,} samples of each against {real}, measured alike.",
        samples=_pictures(runs, "samples", "Samples"),
        figures=_figures(found),
        costs=_costs(runs),
        reconstructions=_pictures(runs, "reconstructions", "Reconstructions"),
    )
    write_text(path, page)
    return path


def _pictures(runs: dict[str, RunFolder], which: str, title: str) -> list[tuple[str, Any]]:
    return [
        (name, picture(path, f"{title} of {name}", WIDEST))
        for name, run in runs.items()
        if (path := run.picture(which)) is not None
    ]


def _figures(found: Comparison) -> dict[str, Any]:
    rows = []
    for row in found.figures:
        known = next(f for f in row if f is not None)
        baseline = "–" if known.baseline is None else show(known.baseline, known.unit)
        rows.append((known.title, *("–" if f is None else f.text for f in row), baseline, BETTER[known.better]))
    heads = [
        Column("figure"), *(Column(name, True, f"{name}:") for name in found.names), Column("baseline", True, "baseline:"),
        Column(""),
    ]  # fmt: skip
    return {"columns": heads, "rows": rows}


def _costs(runs: dict[str, RunFolder]) -> dict[str, Any]:
    rows = []
    for name, run in runs.items():
        history = RunHistory(run.log)
        seconds = history.last("seconds")
        time = "–" if seconds is None else duration(seconds)
        rows.append((name, run.asked.get("strategy", ""), time, f"{history.step:,.0f}"))
    return {"columns": columns("run", "strategy", "#training", "#steps"), "rows": rows}
