"""aegan encode"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._shared import DataPath, Device, RunPath, open_for, whole, write_arrays
from aegan.errors import UserError

EXAMPLE = "Example: aegan encode runs/photos photos/ --out codes.npz"


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path, typer.Option(help="The .npz to write: codes, names, and labels where there are any.")],
    device: Device = "auto",
) -> None:
    """Write the codes of images."""
    import numpy as np

    import aegan

    if out.suffix.lower() != ".npz":
        raise UserError(f"Codes are written as .npz, not {out.suffix or 'a folder'}.", "Use --out codes.npz")
    model = aegan.load(run, device)
    items, labels, names = whole(open_for(model, data))
    codes = model.encode(items)
    write_arrays(out, codes=codes, labels=labels, names=np.array(names))
    typer.echo(f"wrote {len(codes)} codes of shape {codes.shape[1:]} to {out}")
