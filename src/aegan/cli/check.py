"""aegan check"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aegan.cli._output import AsJson, answer, say
from aegan.cli._shared import PICTURES, Background, DataDir, DataPath, Fitted, Grey, Size, Transparent, write_picture
from aegan.config import channels_of
from aegan.files import need_suffix
from aegan.names import printable

EXAMPLE = "Example: aegan check photos/ --sheet seen.png"


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
    stream: Annotated[
        Literal["auto", "on", "off"], typer.Option(help="Keep no decoded images, as `train --stream` does.")
    ] = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what would be trained on, and what is wrong with it."""
    from aegan.data import open_data

    need_suffix(sheet, PICTURES, "A contact sheet is a picture", "Example: --sheet seen.png")
    opened = open_data(
        data, size=size, channels=channels_of(transparent, grey), fit=fit, background=background, data_dir=data_dir,
        progress=True, stream=stream,
    )  # fmt: skip
    found = opened.inspection
    if sheet is not None:
        from aegan.report.sheet import contact_sheet

        write_picture(sheet, contact_sheet(opened))
    answer(found.as_dict(), found.lines(), as_json)
    if sheet is not None:
        say(f"sheet   {printable(str(sheet))}", aside=as_json)
