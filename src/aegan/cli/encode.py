"""aegan encode"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import DataPath, Device, RunPath, open_for
from aegan.files import need_suffix
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

    need_suffix(out, (".npz", ".parquet"), "Codes are written as .npz or .parquet", "Use --out codes.npz")
    model = aegan.load(run, device)
    opened = open_for(model, data)
    codes = model.encode(opened.items)
    write_codes(out, codes, opened.names, opened.labels, opened.classes)
    facts = {"wrote": str(out), "count": len(codes), "shape": codes.shape[1:]}
    answer(facts, f"wrote {len(codes)} codes of shape {codes.shape[1:]} to {printable(str(out))}", as_json)
