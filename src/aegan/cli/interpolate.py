"""aegan interpolate"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device, RunPath, Seed, Seeds, check_out, write_items, write_picture, wrote
from aegan.errors import UserError

if TYPE_CHECKING:
    from aegan.data import DataSpec
    from aegan.hints import Array
    from aegan.model import Model

EXAMPLE = "Example: aegan interpolate runs/photos --from a.jpg --to b.jpg --out walk.gif"
FILMS = (".gif", ".mp4", ".webm")
ROWS = 8  # walks


def command(
    run: RunPath,
    out: Annotated[
        Path, typer.Option(help="A picture (.png) of all steps, an animation (.gif), or a film (.mp4, .webm).")
    ] = Path("walk.png"),
    start: Annotated[Path | None, typer.Option("--from", help="An image to start from; default: samples.")] = None,
    end: Annotated[Path | None, typer.Option("--to", help="An image to end at.")] = None,
    rows: Annotated[int, typer.Option(min=1, max=1000, help="Walks, between samples.")] = ROWS,
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
    from aegan.report.films import need_ffmpeg
    from aegan.report.fitting import FEW
    from aegan.seeds import parse_seeds

    if (start is None) != (end is None):
        raise UserError("A walk needs both ends.", "Give --from and --to, or neither.")
    if seeds is not None and start is not None:
        raise UserError("A walk is between images or between seeds.", "Give --from and --to, or --seeds.")
    if (rows != ROWS or seed) and (seeds is not None or start is not None):
        raise UserError(
            "--rows and --seed are for walks between samples.", "Leave them out, or --seeds, --from and --to."
        )
    kind = out.suffix.lower()
    if kind == ".gif" and fps > 50:
        raise UserError(f"A .gif shows at most 50 images a second, not {fps}.", "Use --fps 50, or an .mp4")
    if kind in FILMS[1:]:
        need_ffmpeg()
    listed = None if seeds is None else parse_seeds(seeds)
    model = aegan.load(run, device)
    ends: dict[str, Any] = {}
    if listed is not None:
        rows, ends = len(listed) - 1, {"seeds": listed}
    elif start is not None and end is not None:
        rows, ends = 1, {"start": _image(model, start), "end": _image(model, end)}
    walk = partial(model.interpolate, rows, steps, seed=seed, **ends)
    if kind in FILMS:
        facts, text = _film(out, walk, model.spec, rows, steps, fps, chained=listed is not None)
    else:
        # a walk is a row; one long walk alone goes on in the next
        columns = None if rows == 1 and steps > FEW else steps
        check_out(out, rows * steps, model.spec, columns=columns)
        facts = write_items(out, walk(), columns=columns, background=model.spec.background)
        text = wrote(facts)
    answer(facts, text, as_json)


def _image(model: Model, path: Path) -> Array:
    from aegan.data.decode import read_image

    if not model.spec.is_image:
        raise UserError("This model makes vectors, not images.", "Leave --from and --to out: it walks between samples.")
    return read_image(path, model.spec.format)[None]


def _film(
    out: Path, walk: Callable[[], Array], spec: DataSpec, rows: int, steps: int, fps: int, *, chained: bool
) -> tuple[dict[str, Any], str]:
    """Writes walks as an animation or a film; returns facts and text.

    All walks at once, side by side; `chained`, one after the other: where one ends the next begins.
    """
    from aegan.names import printable
    from aegan.pictures import grid
    from aegan.report.films import write_film
    from aegan.report.fitting import fitted

    if not spec.is_image:
        raise UserError("This model makes vectors: they cannot be shown as an animation.", "Use --out walk.png")
    kind, shown = out.suffix.lower(), 1 if chained else rows
    layout = fitted(shown, spec.shape[1:], kind, min(shown, 4) if shown <= 8 else None)
    check_out(out.with_suffix(".png"), shown, spec)
    items = walk()
    if chained:
        moments = [item[None] for i, item in enumerate(items) if i % steps or not i]
    else:
        moments = [items[i::steps] for i in range(steps)]
    # neither animations nor films have alpha
    frames = [grid(each, layout.columns, scale=layout.scale, alpha=spec.background) for each in moments]
    frames += frames[-2:0:-1]
    if kind == ".gif":
        write_picture(out, frames[0], save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    else:
        write_film(out, frames, fps)
    return {"wrote": str(out), "frames": len(frames)}, f"wrote {len(frames)} frames to {printable(str(out))}"
