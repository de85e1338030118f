"""aegan compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aegan.cli import _shared
from aegan.cli._names import offer_set_of_many, offer_strategies
from aegan.cli._output import AsJson
from aegan.config import Fit, coerce

EXAMPLE = "Example: aegan compare fashion --strategies latent,vae,gan --seeds 3 --minutes 3 --out comparison"


Strategies = Annotated[
    str,
    typer.Option(
        help="Names, comma-separated; with gan among them the claims are answered. Or all that can.",
        autocompletion=offer_strategies,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Trials at once; default: one on all cores (or on each GPU), to compare seconds."),
]
SetOfMany = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[STRATEGY.]KEY=VALUE",
        help="An option of one, or of all that have it.",
        autocompletion=offer_set_of_many,
    ),
]


def command(
    data: _shared.DataPath,
    strategies: Strategies = "latent,autoencoder,vae,gan",
    seeds: _shared.Trials = 3,
    minutes: Annotated[float | None, typer.Option(help="Budget of each trial in minutes of training.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Budget of each trial in steps instead, with one batch size.")
    ] = None,
    out: _shared.TrialsFolder = None,
    jobs: Jobs = None,
    classes: Annotated[
        bool, typer.Option(help="Train with class labels; by default none does, as some cannot.")
    ] = False,
    set: SetOfMany = None,
    tune: Annotated[int, typer.Option(min=0, help="Trials of a search for better rates first, for each strategy.")] = 0,
    size: _shared.Size = None,
    fit: _shared.Fitted = "crop",
    background: _shared.Background = "white",
    transparent: _shared.Transparent = False,
    grey: _shared.Grey = False,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Show each training image mirrored half of the time.")
    ] = False,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A trained autoencoder: strategies that can, work in its codes; the others train their own.",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step, for all.")] = None,
    extractor: Annotated[str, typer.Option(help="Features to compare by.")] = "lite0",
    count: Annotated[int | None, typer.Option(min=2, max=1_000_000, help="Samples of the evaluation.")] = None,
    device: _shared.Device = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16, fp16, or auto.")] = "auto",
    data_dir: _shared.DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare strategies on equal terms: same data, split, sizes, budget, seeds, evaluation.

    Writes results.json and index.html. Stopped, the same command goes on; trials that fail are recorded, not dropped.
    """
    from aegan.comparison import compare
    from aegan.comparison.settings import parse_options
    from aegan.names import stem_of

    names = strategies if strategies == "all" else [n.strip() for n in strategies.split(",") if n.strip()]
    folder = out or Path("comparisons") / stem_of(data)

    def run() -> Any:
        return compare(
            data, names, out=folder, seeds=seeds, minutes=minutes, steps=steps, size=size, fit=coerce(Fit, fit, "fit"),
            background=background, transparent=transparent, grey=grey, mirror=mirror, space=space,
            classes=classes, batch_size=batch_size, options=parse_options(set or []), tune=tune, jobs=jobs,
            extractor=extractor, count=count, device=device, precision=precision, data_dir=data_dir,
        )  # fmt: skip

    _shared.answer_trials(run, as_json, results=folder / "results.json", page=folder / "index.html")
