"""aegan check"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._shared import Background, DataPath, Fitted, Grey, Size, Transparent, write_picture
from aegan.config import channels_of
from aegan.errors import UserError

EXAMPLE = "Example: aegan check photos/ --sheet seen.png"
SHEETS = (".png", ".jpg", ".webp")


def command(
    data: DataPath,
    size: Size = None,
    fit: Fitted = "crop",
    background: Background = "white",
    transparent: Transparent = False,
    grey: Grey = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw some images as the model will see them.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the files of a built-in name lie.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what would be trained on, and what is wrong with it."""
    from aegan.data import open_data

    if sheet is not None and sheet.suffix.lower() not in SHEETS:
        raise UserError(f"A contact sheet is a picture, not {sheet.suffix or 'a folder'}.", "Example: --sheet seen.png")
    opened = open_data(
        data, size=size, channels=channels_of(transparent, grey), fit=fit, background=background, data_dir=data_dir,
        progress=True,
    )  # fmt: skip
    found = opened.inspection
    if sheet is not None:
        from aegan.report.sheet import contact_sheet

        write_picture(sheet, contact_sheet(opened))
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(found.lines()))
    if sheet is not None:
        typer.echo(f"sheet   {sheet}", err=as_json)
