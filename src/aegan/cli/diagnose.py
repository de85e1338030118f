"""aegan diagnose"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer

EXAMPLE = "Example: aegan diagnose runs/photos"


def command(
    log: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run, or a log of any program: JSON lines or CSV with losses by step."),
    ],
    as_json: AsJson = False,
) -> None:
    """Say in words what went wrong in a training, from its log: evidence, and what to change first."""
    from aegan.doctor import diagnose, read_any

    found = diagnose(read_any(log))
    nothing = "Nothing in the log looks wrong. What the samples are worth, `aegan evaluate` says."
    answer({"findings": found}, [str(finding) for finding in found] or nothing, as_json)
