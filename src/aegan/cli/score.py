"""aegan score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aegan.cli._shared import DataPath, Device, RunPath, open_for, whole, write_items
from aegan.errors import UserError

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
    if grid is not None and grid.suffix.lower() not in {".png", ".jpg", ".webp"}:
        raise UserError(f"A grid is a picture, not {grid.suffix or 'a folder'}.", "Use --grid unusual.png")
    model = aegan.load(run, device)
    opened = open_for(model, data)
    items, labels, names = whole(opened)
    usual = None if reference is None else whole(open_for(model, reference))[0]
    scores = unusual(model, items, usual)
    if by not in scores:
        raise UserError(
            f"Strategy '{model.strategy.name}' has no density of codes to score by.", "Use --by reconstruction"
        )
    order = np.argsort(-scores[by], kind="stable")[:count]
    columns: dict[str, object] = {"name": [names[i] for i in order]}
    if labels is not None:
        columns["label"] = [opened.spec.classes[labels[i]] if opened.spec.classes else int(labels[i]) for i in order]
    columns |= {key: values[order] for key, values in scores.items()}
    for i in order[:SHOWN]:
        typer.echo("  ".join([*(f"{key} {values[i]:.4g}" for key, values in scores.items()), names[i]]))
    if out is not None:
        write_rows(out, columns)
        typer.echo(f"wrote {len(order)} scores to {out}")
    if grid is not None:
        write_items(grid, items[order[:64]], background=model.spec.background)
