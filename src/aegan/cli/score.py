"""aegan score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aegan.cli._output import AsJson, answer, say
from aegan.cli._shared import PICTURES, DataPath, Device, RunPath, check_out, open_for, write_items, wrote
from aegan.errors import UserError
from aegan.files import need_suffix
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
    count: Annotated[int | None, typer.Option(min=1, help="Write only the N most unusual.")] = None,
    grid: Annotated[Path | None, typer.Option(help="Also draw the 64 most unusual (.png), most unusual first.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the images that a model takes for unusual: by reconstruction error, by code density, or both."""
    import numpy as np

    import aegan
    from aegan.features.scores import unusual
    from aegan.features.tables import rows_of, write_rows

    kinds = (".csv", ".json", ".parquet")
    need_suffix(out, kinds, "Scores are written as .csv, .json or .parquet", "Use --out scores.csv")
    need_suffix(grid, PICTURES, "A grid is a picture", "Use --grid unusual.png")
    model = aegan.load(run, device)
    if grid is not None:
        check_out(grid, 64, model.spec)
    opened = open_for(model, data)
    usual = None if reference is None else open_for(model, reference).items
    scores = unusual(model, opened.items, usual)
    if by not in scores:
        raise UserError(
            f"Strategy '{model.strategy.name}' has no density of codes to score by.", "Use --by reconstruction"
        )
    order = np.argsort(-scores[by], kind="stable")[:count]
    columns = {**opened.columns(order), **{key: values[order] for key, values in scores.items()}}
    rows = rows_of(columns)
    lines = ["  ".join([*(f"{key} {row[key]:.4g}" for key in scores), printable(row["name"])]) for row in rows[:SHOWN]]
    if out is not None:
        write_rows(out, columns)
    facts = None
    if grid is not None:
        facts = write_items(grid, opened.items[order[:64]], background=model.spec.background)
    answer({"by": by, "scores": rows, "wrote": out, "grid": grid}, lines, as_json)
    if out is not None:
        say(f"wrote {len(order)} scores to {printable(str(out))}", aside=as_json)
    if facts is not None:
        say(wrote(facts), aside=as_json)
