"""aegan interpolate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device, RunPath, Seed, Seeds, check_out, write_items, write_picture, wrote
from aegan.errors import UserError

EXAMPLE = "Example: aegan interpolate runs/photos --from a.jpg --to b.jpg --out walk.gif"
FILMS = (".gif", ".mp4", ".webm")


def command(
    run: RunPath,
    out: Annotated[
        Path, typer.Option(help="A picture (.png) of all steps, an animation (.gif), or a film (.mp4, .webm).")
    ] = Path("walk.png"),
    start: Annotated[Path | None, typer.Option("--from", help="An image to start from; default: samples.")] = None,
    end: Annotated[Path | None, typer.Option("--to", help="An image to end at.")] = None,
    rows: Annotated[int, typer.Option(min=1, max=1000, help="Walks, between samples.")] = 8,
    steps: Annotated[int, typer.Option(min=2, max=10_000, help="Images in a walk.")] = 10,
    seed: Seed = 0,
    seeds: Seeds = None,
    fps: Annotated[int, typer.Option(min=1, max=60, help="Of animations and films: images a second.")] = 10,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Walk between images through their codes; --seeds 1,5,9 walks from sample to sample.

    Animations and films go there and back, so that they loop without a jump.
    """
    import aegan
    from aegan.names import printable
    from aegan.pictures import grid
    from aegan.report.films import need_ffmpeg, write_film
    from aegan.report.fitting import FEW, fitted
    from aegan.seeds import parse_seeds

    if (start is None) != (end is None):
        raise UserError("A walk needs both ends.", "Give --from and --to, or neither.")
    if seeds is not None and start is not None:
        raise UserError("A walk is between images or between seeds.", "Give --from and --to, or --seeds.")
    kind = out.suffix.lower()
    if kind == ".gif" and fps > 50:
        raise UserError(f"A .gif shows at most 50 images a second, not {fps}.", "Use --fps 50, or an .mp4")
    if kind in FILMS[1:]:
        need_ffmpeg()
    ends: dict[str, Any] = {}
    if seeds is not None:
        ends["seeds"] = parse_seeds(seeds)
        rows = len(ends["seeds"]) - 1
    model = aegan.load(run, device)
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
    moving = kind in FILMS
    if moving and not model.spec.is_image:
        raise UserError("This model makes vectors: they cannot be shown as an animation.", "Use --out walk.png")
    # a walk is a row; one long walk alone goes on in the next
    columns = None if rows == 1 and steps > FEW else steps
    if moving:
        # all walks at once, side by side; of --seeds one after the other, where one ends the next begins
        shown = rows if seeds is None else 1
        layout = fitted(shown, model.spec.shape[1:], kind, min(shown, 4) if shown <= 8 else None)
        check_out(out.with_suffix(".png"), shown, model.spec)
    else:
        check_out(out, rows * steps, model.spec, columns=columns)
    items = model.interpolate(rows, steps, seed=seed, **ends)
    if not moving:
        facts = write_items(out, items, columns=columns, background=model.spec.background)
        answer(facts, wrote(facts), as_json)
        return
    background = model.spec.background  # neither animations nor films have alpha
    if seeds is None:
        frames = [grid(items[i::steps], layout.columns, scale=layout.scale, alpha=background) for i in range(steps)]
    else:
        shown_items = [item[None] for i, item in enumerate(items) if i % steps or not i]
        frames = [grid(item, scale=layout.scale, alpha=background) for item in shown_items]
    frames += frames[-2:0:-1]
    if kind == ".gif":
        write_picture(out, frames[0], save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    else:
        write_film(out, frames, fps)
    answer({"wrote": str(out), "frames": len(frames)}, f"wrote {len(frames)} frames to {printable(str(out))}", as_json)
