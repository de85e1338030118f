"""aegan push"""

from __future__ import annotations

from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import RunPath

EXAMPLE = "Example: aegan push runs/photos me/photos --private"


def command(
    run: RunPath,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its name on the Hub.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Seen by its owner alone, if it is new.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a model with its card on the Hugging Face Hub."""
    from aegan.hub.card import push

    where = str(push(run, name, private=private))
    answer({"pushed": where}, f"pushed to {where}", as_json)
