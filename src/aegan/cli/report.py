"""aegan report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: aegan report runs/photos, or side by side: aegan report runs/latent runs/gan theirs.json"


def command(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="A run; or several runs and files of `aegan evaluate --json`."),
    ],
) -> None:
    """Write RUN/report.html; with several, put their figures side by side, if they were measured alike."""
    from aegan.evaluation import Evaluation
    from aegan.evaluation.compare import compare
    from aegan.report import write_report

    if len(results) == 1:
        typer.echo(str(write_report(results[0])))
        return
    files = {str(path): path / "evaluation.json" if path.is_dir() else path for path in results}
    typer.echo(str(compare({name: Evaluation.read(file) for name, file in files.items()})))
