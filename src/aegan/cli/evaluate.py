"""aegan evaluate"""

from __future__ import annotations

from typing import Annotated

import typer

from aegan.cli._shared import Device, RunPath

EXAMPLE = "Example: aegan evaluate runs/photos"


def command(
    run: RunPath,
    extractor: Annotated[str, typer.Option(help="Features to compare by.")] = "lite0",
    count: Annotated[int, typer.Option(min=2, help="Generated examples, and held-out ones for the floor.")] = 2000,
    reference: Annotated[int, typer.Option(min=2, help="Training examples to compare with.")] = 10000,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    device: Device = "auto",
) -> None:
    """Score a run against its data, and write evaluation.json and report.html."""
    from aegan.evaluation import evaluate_run
    from aegan.report import write_report
    from aegan.run import Run

    opened = Run(run, device)
    result = evaluate_run(
        opened, extractor=extractor, count=count, reference=reference, seed=seed, device=device, progress=True
    )
    typer.echo(str(result))
    typer.echo(f"report  {write_report(opened.path)}")
