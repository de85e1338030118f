"""aegan sample"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device, RunPath, Seed, check_out, write_items, wrote

EXAMPLE = "Example: aegan sample runs/photos --n 64 --out grid.png"


def command(
    run: RunPath,
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 64,
    out: Annotated[Path, typer.Option(help="A picture (.png), an array (.npz), or a folder of PNGs.")] = Path(
        "samples.png"
    ),
    label: Annotated[str | None, typer.Option("--class", help="A class, by name or number.")] = None,
    seed: Seed = 0,
    truncation: Annotated[float, typer.Option(help="In (0, 1]; less is more typical and less varied.")] = 1.0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make new images."""
    import aegan

    model = aegan.load(run, device)
    check_out(out, n, model.spec)
    wanted: str | int | None = (
        int(label) if label is not None and label.isdigit() and label not in model.spec.classes else label
    )
    items = model.sample(n, seed=seed, label=wanted, truncation=truncation)
    facts = write_items(out, items, background=model.spec.background)
    answer(facts, wrote(facts), as_json)
