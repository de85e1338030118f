"""aegan score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from aegan.cli._output import AsJson, answer, say
from aegan.cli._shared import PICTURES, DataPath, Device, RunPath, check_out, open_for, whole, write_items, wrote
from aegan.errors import UserError
from aegan.names import printable

EXAMPLE = "Example: aegan score runs/photos new_photos/ --out scores.csv --grid unusual.png"
SHOWN = 10  # lines printed


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path | None, typer.Option(help="The .csv, .json or .parquet to write, most unusual first.")] = None,
    by: Annotated[
        Literal["combined", "reconstruction", "density"], typer.Option(help="The score to sort by.")
    ] = "combined",
    reference: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Usual examples, which set the scale of `combined`; default: DATA itself."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Write only the so many most unusual.")] = None,
    grid: Annotated[Path | None, typer.Option(help="Also draw the 64 most unusual (.png), most unusual first.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the images that a model takes for unusual: by reconstruction error, by code density, or both."""
    import numpy as np

    import aegan
    from aegan.features.scores import unusual
    from aegan.features.tables import write_rows

    if out is not None and out.suffix.lower() not in {".csv", ".json", ".parquet"}:
        raise UserError(
            f"Scores are written as .csv, .json or .parquet, not {out.suffix or 'a folder'}.", "Use --out scores.csv"
        )
    if grid is not None and grid.suffix.lower() not in PICTURES:
        raise UserError(f"A grid is a picture, not {grid.suffix or 'a folder'}.", "Use --grid unusual.png")
    model = aegan.load(run, device)
    if grid is not None:
        check_out(grid, 64, model.spec)
    opened = open_for(model, data)
    items, labels, names = whole(opened)
    usual = None if reference is None else whole(open_for(model, reference))[0]
    scores = unusual(model, items, usual)
    if by not in scores:
        raise UserError(
            f"Strategy '{model.strategy.name}' has no density of codes to score by.", "Use --by reconstruction"
        )
    order = np.argsort(-scores[by], kind="stable")[:count]
    columns: dict[str, Any] = {"name": [names[i] for i in order]}
    if labels is not None:
        columns["label"] = [opened.spec.classes[labels[i]] if opened.spec.classes else int(labels[i]) for i in order]
    columns |= {key: values[order] for key, values in scores.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    lines = ["  ".join([*(f"{key} {row[key]:.4g}" for key in scores), printable(row["name"])]) for row in rows[:SHOWN]]
    answer({"by": by, "scores": rows, "wrote": out, "grid": grid}, lines, as_json)
    if out is not None:
        write_rows(out, columns)
        say(f"wrote {len(order)} scores to {printable(str(out))}", aside=as_json)
    if grid is not None:
        say(wrote(write_items(grid, items[order[:64]], background=model.spec.background)), aside=as_json)
