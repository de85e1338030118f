"""aegan interpolate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._shared import Device, RunPath, Seed, write_items, write_picture
from aegan.errors import UserError

EXAMPLE = "Example: aegan interpolate runs/photos --from a.jpg --to b.jpg --out walk.gif"


def command(
    run: RunPath,
    out: Annotated[Path, typer.Option(help="A picture (.png) or an animation (.gif).")] = Path("walk.png"),
    start: Annotated[Path | None, typer.Option("--from", help="An image to start from; default: samples.")] = None,
    end: Annotated[Path | None, typer.Option("--to", help="An image to end at.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Walks, between samples.")] = 8,
    steps: Annotated[int, typer.Option(min=2, help="Images in a walk.")] = 10,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Walk between images through their codes."""
    import aegan
    from aegan.report.grids import grid

    if (start is None) != (end is None):
        raise UserError("A walk needs both ends.", "Give --from and --to, or neither.")
    model = aegan.load(run, device)
    ends = {}
    if start is not None and end is not None:
        from aegan.data.decode import read_image

        rows = 1
        spec = model.spec
        if not spec.is_image:
            raise UserError(
                "This model makes vectors, not images.", "Leave --from and --to out: it walks between samples."
            )
        ends = {
            "start": read_image(start, spec.format)[None],
            "end": read_image(end, spec.format)[None],
        }
    items = model.interpolate(rows, steps, seed=seed, **ends)
    if out.suffix.lower() == ".gif":
        frames = [grid(items[i::steps], columns=4) for i in range(steps)]
        frames += frames[-2:0:-1]
        write_picture(out, frames[0], save_all=True, append_images=frames[1:], duration=120, loop=0)
        typer.echo(f"wrote {len(frames)} frames to {out}")
    else:
        write_items(out, items, columns=steps, background=model.spec.background)
