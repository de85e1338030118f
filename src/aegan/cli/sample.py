"""aegan sample"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device, RunPath, Seeds, check_out, write_items, wrote
from aegan.errors import UserError

EXAMPLE = "Example: aegan sample runs/photos --n 64 --out grid.png"


def command(
    run: RunPath,
    n: Annotated[
        int | None, typer.Option("--n", min=1, max=1_000_000, help="How many [64].", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="A picture (.png), an array (.npz), or a folder of PNGs.")] = Path(
        "samples.png"
    ),
    label: Annotated[str | None, typer.Option("--class", help="A class, by name or number.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the first; the others have the next ones [0].", show_default=False),
    ] = None,
    seeds: Seeds = None,
    truncation: Annotated[float, typer.Option(help="In (0, 1]; less is more typical and less varied.")] = 1.0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make new images. Each has a seed of its own, and is the same whatever is drawn beside it."""
    import aegan
    from aegan.seeds import parse_seeds

    if seeds is not None and not (n is None and seed is None):
        raise UserError("--seeds says which and how many: --n and --seed cannot be given with it.", "Leave them out.")
    listed = None if seeds is None else parse_seeds(seeds)

    model = aegan.load(run, device)
    count = (n or 64) if listed is None else len(listed)
    check_out(out, count, model.spec)
    numbered = label is not None and label.isdecimal() and label not in model.spec.classes
    wanted = int(label) if label is not None and numbered else label
    items = model.sample(count, seed=seed or 0, seeds=listed, label=wanted, truncation=truncation)
    names = None if listed is None else [f"seed{one:04d}" for one in listed]
    facts = write_items(out, items, names=names, background=model.spec.background)
    answer(facts, wrote(facts), as_json)
