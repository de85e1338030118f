"""aegan benchmark"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aegan.cli._names import offer_strategies
from aegan.cli._output import AsJson
from aegan.cli._shared import Device, Trials, TrialsFolder, answer_trials

EXAMPLE = "Example: aegan benchmark ring --strategies latent,gan --seeds 5 --steps 50000"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ring, grid or stacked.", show_default=False)],
    strategies: Annotated[
        str, typer.Option(help="Names, comma-separated.", autocompletion=offer_strategies)
    ] = "latent,gan",
    seeds: Trials = 5,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each trial; default 50,000, stacked 20,000.")] = None,
    out: TrialsFolder = None,
    published: Annotated[bool, typer.Option(help="Toys: also the control with the paper's own networks.")] = True,
    jobs: Annotated[int | None, typer.Option(min=1, help="Trials at once.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Run a published protocol of mode coverage, and put our rows beside the papers'.

    Writes results.json and table.md.
    """
    from aegan.benchmarks import benchmark

    folder = out or Path("benchmarks") / name
    names = [n.strip() for n in strategies.split(",") if n.strip()]

    def run() -> Any:
        return benchmark(
            name, names, out=folder, seeds=seeds, steps=steps, published=published, jobs=jobs, device=device
        )

    answer_trials(run, as_json, results=folder / "results.json", table=folder / "table.md")
