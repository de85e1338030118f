"""aegan reconstruct"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import PICTURES, DataPath, Device, RunPath, check_out, open_for, write_items, wrote

EXAMPLE = "Example: aegan reconstruct runs/photos photos/ --out before-after.png"


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[
        Path, typer.Option(help="A picture of pairs (.png), an array with names (.npz), or a folder of PNGs.")
    ],
    limit: Annotated[int | None, typer.Option("--n", min=1, help="At most so many; a picture shows 32.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Put images through their codes and back."""
    import numpy as np

    import aegan
    from aegan.report.fitting import suits

    model = aegan.load(run, device)
    picture = out.suffix.lower() in PICTURES and model.spec.is_image
    check_out(out, 1, model.spec)  # before the data are read
    opened = open_for(model, data)
    items = opened.items[: limit or (32 if picture else None)]
    # a row of originals above a row of what came back
    row = min(len(items), suits(2 * len(items), model.spec.shape[1:])) if picture else None
    check_out(out, 2 * len(items) if picture else len(items), model.spec, columns=row)
    back = model.reconstruct(items)
    if row is not None:
        pairs = [np.concatenate([items[i : i + row], back[i : i + row]]) for i in range(0, len(items), row)]
        facts = write_items(out, np.concatenate(pairs), columns=row, background=model.spec.background)
    else:
        facts = write_items(out, back, names=opened.names[: len(items)], background=model.spec.background)
    answer(facts, wrote(facts), as_json)
