"""What several commands share: arguments, and writing results to where --out says."""

from __future__ import annotations

import dataclasses
import inspect
import io
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from aegan.cli._output import answer, say
from aegan.config import coerce
from aegan.errors import UserError
from aegan.names import FreshNames, printable, safe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aegan.data.spec import Data, DataSpec
    from aegan.model import Model

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or of a model.", show_default=False)]
DataPath = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="Folder, .zip, .tar shards, .npy/.npz, parquet, or a built-in name.", show_default=False
    ),
]
Size = Annotated[str | None, typer.Option(help="Of the images in pixels: a side (64) or WIDTHxHEIGHT (96x64).")]
Fitted = Annotated[
    str,
    typer.Option(
        metavar="[crop|pad|stretch]",
        help="Images of another shape are cropped, padded with the background, or stretched.",
    ),
]
Background = Annotated[
    str,
    typer.Option(help="Colour under transparent images, and of the margin of --fit pad: a name, #rrggbb, or r,g,b."),
]
Transparent = Annotated[bool, typer.Option("--transparent", help="Keep alpha (RGBA).")]
Grey = Annotated[bool, typer.Option("--grey", help="Use grey images, whatever the data's colours.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the noise.")]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Seeds, one for each, such as 0-63 or 1,5,9-12; in place of --seed.", show_default=False
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any that is free.")]
Host = Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 open the page to the network.")]
RootPath = Annotated[
    str,
    typer.Option(metavar="PATH", help="Behind a proxy: the path under which it shows the page, /user/x/proxy/8000."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Behind a proxy: a host name by which the page is asked for; repeatable."),
]
DataDir = Annotated[str | None, typer.Option(help="Where the files of a built-in name lie.")]
MovedData = Annotated[str | None, typer.Option(metavar="DATA", help="Of a run whose data has moved: where it is now.")]
Trials = Annotated[int, typer.Option(min=1, help="Trials of each strategy.")]
TrialsFolder = Annotated[Path | None, typer.Option(help="Folder for runs and results; the same again goes on.")]
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
OpenBrowser = Annotated[bool, typer.Option("--open", help="Show the page in your browser.")]


def from_fields(
    cls: type, *, argument: str, offers: Mapping[str, Callable[..., Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one option for each field of a dataclass, with the field's own default and help.

    Args:
        cls: the dataclass; the decorated function receives an instance as its first argument.
        argument: the field that is positional.
        offers: by field, what the shell offers after TAB.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(cls)
        own = inspect.signature(command, eval_str=True).parameters
        _, *others = own.values()
        parameters = []
        for f in dataclasses.fields(cls):
            kind: Any = typer.Argument if f.name == argument else typer.Option
            extra: dict[str, Any] = {"metavar": "DATA"} if f.name == argument else {}
            if f.name in offers:
                extra["autocompletion"] = offers[f.name]
            hint = hints[f.name]
            if get_origin(hint) is Literal:  # text, which `coerce` reads: a wrong word is then reported in one line
                extra["metavar"], hint = f"[{'|'.join(get_args(hint))}]", str
            elif len([a for a in get_args(hint) if a is not type(None)]) > 1:  # the same of several types
                hint = str | None
            annotation = Annotated[hint, kind(help=f.metadata["help"], **extra)]  # type: ignore[valid-type]
            parameters.append(
                inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=annotation)
            )
        parameters += [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others]

        def filled(**values: Any) -> None:
            mine = {
                f.name: coerce(hints[f.name], values.pop(f.name), "--" + f.name.replace("_", "-"))
                for f in dataclasses.fields(cls)
            }
            command(cls(**mine), **values)

        filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        filled.__annotations__ = {p.name: p.annotation for p in parameters}
        filled.__name__, filled.__doc__ = command.__name__, command.__doc__
        return filled

    return decorate


def answer_trials(run: Callable[[], Any], as_json: bool, **places: Path) -> None:
    """Runs trials, which the same command goes on with if they are stopped; prints what they found, and where it lies."""
    try:
        found = run()
    except KeyboardInterrupt:
        say("Stopped. The same command goes on.", aside=True)
        raise typer.Exit(130) from None
    lines = [str(found), *(f"{name:7}  {path}" for name, path in places.items())]
    answer({**found.as_dict(), "written": places}, lines, as_json)


def open_for(model: Model, source: str) -> Data:
    """Data in the shape that a model takes."""
    from aegan.data import open_like

    return open_like(source, model.spec, progress=True)


def whole(data: Data) -> tuple[NDArray[Any], NDArray[Any] | None, list[str]]:
    """Items, labels and names of both splits: to a trained model, its split is a thing of the past."""
    import numpy as np

    splits = [s for s in (data.train, data.held_out) if len(s)]
    items = np.concatenate([s.items for s in splits])
    labels = None if splits[0].labels is None else np.concatenate([s.labels for s in splits if s.labels is not None])
    return items, labels, [name for s in splits for name in s.names]


def write_picture(path: Path, picture: Any, **how: Any) -> None:
    """An image file, whole or not at all; the suffix says which kind, `how` is Pillow's."""
    from aegan.files import write_atomically

    with io.BytesIO() as buffer:
        picture.save(buffer, format="GIF" if path.suffix.lower() == ".gif" else PICTURES[path.suffix.lower()], **how)
        write_atomically(path, buffer.getvalue())


def check_out(out: Path, n: int, spec: DataSpec, *, columns: int | None = None) -> None:
    """Refuses before the work what `write_items` would refuse after it.

    Args:
        out: where to.
        n: examples; spec: of each.
        columns: as for `write_items`.

    Raises:
        UserError: nothing can be written there, or not so many in one picture.
    """
    from aegan.report.fitting import fitted

    there = next(p for p in (out, *out.absolute().parents) if p.exists())
    suffix = out.suffix.lower()
    if there != out and not there.is_dir():
        raise UserError(f"{out} can't be written: {there} is a file.", "Choose another place with --out.")
    if not os.access(there if there.is_dir() else there.absolute().parent, os.W_OK):
        raise UserError(f"No permission to write {out}.", "Choose another place with --out.")
    if suffix in PICTURES or suffix == ".npz":
        if out.is_dir():
            raise UserError(f"{out} is a folder.", "Name a file, or a folder without a suffix.")
        if suffix in PICTURES and spec.is_image:
            fitted(n, spec.shape[1:], suffix, columns)
    elif suffix and not out.is_dir():
        raise UserError(f"Cannot write {out.suffix} files.", f"Use {', '.join(PICTURES)}, .npz, or a folder.")
    elif not spec.is_image:
        raise UserError("Vectors cannot be written as a folder of pictures.", "Use --out points.npz or points.png")
    elif out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder; nothing was written.", "Choose a new folder with --out.")


def write_items(
    out: Path,
    items: NDArray[Any],
    *,
    columns: int | None = None,
    names: list[str] | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
) -> dict[str, Any]:
    """Items to a grid (.png, .jpg, .webp), an array (.npz with `images` or `vectors`), or a new folder of PNGs.

    Alpha is kept but in .jpg, which has none: there it is composited on the background, and said.

    Args:
        out: where to, as `check_out` lets pass.
        items: images uint8 (N, H, W, C) or vectors (N, D).
        columns: images in a row of a picture; None: as suits.
        names: of files in a folder, without their own folders and suffixes; None: numbers.
        background: what alpha is composited on.

    Returns:
        what was written: `wrote`, where, `count`, and `composited_on`, the background where there was alpha; else None.
    """
    from aegan.data.format import colour_text
    from aegan.files import write_arrays
    from aegan.pictures import grid, scatter
    from aegan.report.fitting import fitted

    images, suffix = items.ndim == 4, out.suffix.lower()
    opaque = suffix in PICTURES and PICTURES[suffix] == "JPEG" and images and items.shape[3] == 4
    if suffix == ".npz":
        write_arrays(out, **{"images" if images else "vectors": items})
    elif suffix in PICTURES and images:
        layout = fitted(len(items), items.shape[1:3], suffix, columns)
        write_picture(out, grid(items, layout.columns, scale=layout.scale, alpha=background if opaque else "kept"))
    elif suffix in PICTURES:
        write_picture(out, scatter(items))
    else:
        _write_folder(out, items, names)
    return {"wrote": str(out), "count": len(items), "composited_on": colour_text(background) if opaque else None}


def wrote(facts: dict[str, Any]) -> str:
    """What `write_items` returns, in words."""
    composited = f", composited on {facts['composited_on']}: JPEG has no alpha" if facts["composited_on"] else ""
    return f"wrote {facts['count']} to {printable(facts['wrote'])}{composited}"


def _write_folder(out: Path, items: NDArray[Any], names: list[str] | None) -> None:
    """Images as PNGs in a new folder, all of them or none: it gets its name at the end."""
    from PIL import Image

    from aegan.files import explained, part_of

    fresh, width = FreshNames(), len(str(len(items) - 1))
    unfinished = part_of(out)
    with explained(out):
        try:
            unfinished.mkdir(parents=True)
            for i, item in enumerate(items):
                stem = fresh.of(safe(names[i]).rpartition("/")[2]) if names else f"{i:0{width}d}"
                picture = Image.fromarray(item.squeeze(-1) if item.shape[-1] == 1 else item)
                picture.save(unfinished / f"{stem}.png")
            if out.is_dir():
                out.rmdir()
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
