"""aegan check"""

from __future__ import annotations

from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import DataPath

EXAMPLE = "Example: aegan check photos/"


def command(
    data: DataPath,
    size: Annotated[int | None, typer.Option(help="Side of the training images in pixels.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the files of a built-in name lie.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print what would be trained on, and what is wrong with it."""
    from aegan.data import inspect_data

    found = inspect_data(data, size=size, data_dir=data_dir, progress=True)
    answer(found.as_dict(), found.lines(), as_json)
