"""aegan report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import MovedData
from aegan.errors import UserError

EXAMPLE = (
    "Example: aegan report runs/photos, or side by side: aegan report runs/latent runs/gan theirs.json --out page.html"
)


def command(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="A run; or several runs and files of `aegan evaluate --json`."),
    ],
    data: MovedData = None,
    out: Annotated[Path | None, typer.Option(help="With several: also a page, with samples and costs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write RUN/report.html; with several, put their figures side by side, if they were measured alike."""
    from aegan.evaluation import Evaluation
    from aegan.evaluation.compare import compare
    from aegan.report import write_report
    from aegan.report.beside import write_beside

    if len(results) == 1:
        if out is not None:
            raise UserError("--out is for several runs.", "The page of one lies in it: RUN/report.html.")
        if data is not None:
            from aegan.runs.folder import Run

            run = Run(results[0])
            run.data(data)
            run.moved(data)
        page = write_report(results[0])
        answer({"report": page}, str(page), as_json)
        return
    if data is not None:
        raise UserError("--data is for one run.", "Give it with that run alone.")
    files = {str(path): path / "evaluation.json" if path.is_dir() else path for path in results}
    found = compare({name: Evaluation.read(file) for name, file in files.items()})
    written = None if out is None else write_beside(found, out)
    facts = {"results": {n: e.as_dict() for n, e in zip(found.names, found.results, strict=True)}, "page": written}
    answer(facts, [str(found), *([] if written is None else [str(written)])], as_json)
