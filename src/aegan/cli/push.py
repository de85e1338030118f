"""aegan push"""

from __future__ import annotations

from typing import Annotated

import typer

from aegan.cli._shared import RunPath

EXAMPLE = "Example: aegan push runs/photos me/photos --private"


def command(
    run: RunPath,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its name on the Hub.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Seen by its owner alone, if it is new.")] = False,
) -> None:
    """Put a model with its card on the Hugging Face Hub."""
    from aegan.hub.remote import push

    typer.echo(f"pushed to {push(run, name, private=private)}")
