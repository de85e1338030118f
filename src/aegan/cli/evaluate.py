"""aegan evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from aegan.cli._output import PRINT, answer, say
from aegan.cli._shared import Device, MovedData, Size, note_built_in
from aegan.errors import UserError

EXAMPLE = "Example: aegan evaluate runs/photos, or of any origin: aegan evaluate their_samples/ --against photos/"

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A run, a model's folder, or images made by any program: a folder, .zip, .npy/.npz, parquet.",
        show_default=False,
    ),
]
Against = Annotated[
    str | None, typer.Option(metavar="DATA", help="Real images to compare with; default: those of the run.")
]
Metrics = Annotated[
    str | None, typer.Option(help="Of modes, fd, reconstruction, kd, prdc, memorisation, is, representation; or all.")
]
Extractor = Annotated[
    str | None,
    typer.Option(
        help="Features to compare by; default: lite0, or own for a model whose critics used a network of the same family.",
        show_default=False,
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        min=2, max=10_000_000, help="Samples; default: all images that are given, 2000 of a model or against a run."
    ),
]
Reference = Annotated[
    int | None,
    typer.Option(min=2, help="Real examples to compare with; default: all, 10000 of those a run was trained on."),
]
AtCheckpoint = Annotated[
    Literal["last", "best", "both"], typer.Option(help="Of a run: last, best while it trained, or both.")
]
JsonFile = Annotated[
    Path | None, typer.Option(metavar="[FILE]", help="Print the result as JSON, or also write it to FILE.json.")
]


def command(
    what: What,
    against: Against = None,
    data: MovedData = None,
    metrics: Metrics = None,
    extractor: Extractor = None,
    count: Count = None,
    reference: Reference = None,
    size: Size = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    checkpoint: AtCheckpoint = "last",
    json: JsonFile = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also draw here; the best checkpoint in `best`."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Score a run, a model, or images made by any program, against real images.

    Of a run, this also writes evaluation.json and report.html.
    """
    from aegan.evaluation import evaluate, evaluate_run
    from aegan.report import write_report
    from aegan.runs.folder import Run

    as_json = json is not None and str(json) == PRINT
    own = (Path(what) / "config.yaml").is_file() and against is None
    if data is not None and not own:
        raise UserError(
            "--data says where the data of a run is now.",
            "To compare with other data, or images with data: --against DATA.",
        )
    if checkpoint == "both" and not own:
        raise UserError(
            "Both checkpoints can be scored of a run only, against its own data.", "Leave out --checkpoint."
        )
    if checkpoint == "best" and not (Path(what) / "config.yaml").is_file():
        raise UserError("Only a run has a best checkpoint.", "Leave out --checkpoint.")
    chosen: dict[str, Any] = {
        "metrics": metrics, "extractor": extractor, "count": count, "reference": reference, "size": size, "seed": seed,
        "device": device, "out": out, "progress": True,
    }  # fmt: skip
    note_built_in(what, against, data)
    if own:
        run = Run(what, device)
        if data is not None:
            run.data(data)  # kept
        for at in ("best", "last") if checkpoint == "both" else (checkpoint,):
            result = evaluate_run(run, checkpoint=at, **chosen)
            say(str(result), aside=as_json)
        if data is not None:
            run.moved(data)
        say(f"report  {write_report(run.path)}", aside=as_json)
    else:
        result = evaluate(what, against, checkpoint="best" if checkpoint == "best" else "last", **chosen)
        say(str(result), aside=as_json)
    if as_json:
        answer(result.as_dict(), "", as_json)
    elif json is not None:
        result.write(json)
        say(f"result  {json}")
