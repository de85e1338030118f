"""aegan reconstruct"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._shared import DataPath, Device, RunPath, open_for, whole, write_items

EXAMPLE = "Example: aegan reconstruct runs/photos photos/ --out before-after.png"


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path, typer.Option(help="A picture of pairs (.png), an array (.npz), or a folder of PNGs.")],
    limit: Annotated[int | None, typer.Option("--n", min=1, help="At most so many; a picture shows 32.")] = None,
    device: Device = "auto",
) -> None:
    """Put images through their codes and back."""
    import numpy as np

    import aegan

    model = aegan.load(run, device)
    items, _, names = whole(open_for(model, data))
    picture = out.suffix.lower() in {".png", ".jpg", ".webp"}
    items = items[: limit or (32 if picture else None)]
    back = model.reconstruct(items)
    if picture and items.ndim == 4:
        pairs = [np.concatenate([items[i : i + 8], back[i : i + 8]]) for i in range(0, len(items), 8)]
        write_items(out, np.concatenate(pairs), columns=min(8, len(items)), background=model.spec.background)
    else:
        write_items(out, back, names=names, background=model.spec.background)
