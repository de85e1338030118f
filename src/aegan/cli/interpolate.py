"""aegan interpolate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device, RunPath, Seed, check_out, write_items, write_picture, wrote
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
    as_json: AsJson = False,
) -> None:
    """Walk between images through their codes."""
    import aegan
    from aegan.names import printable
    from aegan.report.fitting import FEW, fitted
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
    moving = out.suffix.lower() == ".gif"
    if moving and not model.spec.is_image:
        raise UserError("This model makes vectors, which are drawn as one picture.", "Use --out walk.png")
    # a walk is a row; one long walk alone goes on in the next
    columns = None if rows == 1 and steps > FEW else steps
    layout = fitted(rows, model.spec.shape[1:], ".gif", min(rows, 4) if rows <= 8 else None) if moving else None
    if moving:
        check_out(out.with_suffix(".png"), rows, model.spec)
    else:
        check_out(out, rows * steps, model.spec, columns=columns)
    items = model.interpolate(rows, steps, seed=seed, **ends)
    if layout is not None:
        frames = [grid(items[i::steps], layout.columns, scale=layout.scale) for i in range(steps)]
        frames += frames[-2:0:-1]
        write_picture(out, frames[0], save_all=True, append_images=frames[1:], duration=120, loop=0)
        answer(
            {"wrote": str(out), "frames": len(frames)}, f"wrote {len(frames)} frames to {printable(str(out))}", as_json
        )
    else:
        facts = write_items(out, items, columns=columns, background=model.spec.background)
        answer(facts, wrote(facts), as_json)
