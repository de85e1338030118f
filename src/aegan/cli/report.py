"""aegan report"""

from __future__ import annotations

import typer

from aegan.cli._shared import RunPath

EXAMPLE = "Example: aegan report runs/photos"


def command(run: RunPath) -> None:
    """Write RUN/report.html from what lies in the run folder."""
    from aegan.report import write_report

    typer.echo(str(write_report(run)))
