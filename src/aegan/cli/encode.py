"""aegan encode"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import DataPath, Device, RunPath, open_for, whole
from aegan.errors import UserError
from aegan.names import printable

EXAMPLE = "Example: aegan encode runs/photos photos/ --out codes.npz"


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[
        Path, typer.Option(help="The .npz or .parquet to write: codes, names, and labels where there are any.")
    ],
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write the codes of images, with their names and labels."""
    import aegan
    from aegan.features.tables import write_codes

    if out.suffix.lower() not in {".npz", ".parquet"}:  # before the work, not after it
        raise UserError(
            f"Codes are written as .npz or .parquet, not {out.suffix or 'a folder'}.", "Use --out codes.npz"
        )
    model = aegan.load(run, device)
    opened = open_for(model, data)
    items, labels, names = whole(opened)
    codes = model.encode(items)
    write_codes(out, codes, names, labels, opened.spec.classes)
    facts = {"wrote": str(out), "count": len(codes), "shape": codes.shape[1:]}
    answer(facts, f"wrote {len(codes)} codes of shape {codes.shape[1:]} to {printable(str(out))}", as_json)
