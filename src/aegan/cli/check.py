"""aegan check"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from aegan.cli._shared import DataPath

EXAMPLE = "Example: aegan check photos/"


def command(
    data: DataPath,
    size: Annotated[int | None, typer.Option(help="Side of the training images in pixels.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the files of a built-in name lie.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what would be trained on, and what is wrong with it."""
    from aegan.data import inspect_data

    found = inspect_data(data, size=size, data_dir=data_dir, progress=True)
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(found.lines()))
