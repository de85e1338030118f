"""aegan compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: aegan compare runs/latent runs/gan theirs.json"


def command(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Evaluated runs, or files of `aegan evaluate --json`.")
    ],
) -> None:
    """Put results side by side, if they were made under the same conditions."""
    from aegan.evaluation import Evaluation
    from aegan.evaluation.compare import compare

    files = {str(path): path / "evaluation.json" if path.is_dir() else path for path in results}
    typer.echo(str(compare({name: Evaluation.read(file) for name, file in files.items()})))
