"""What several commands share: arguments, and writing results to where --out says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegan.cli._output import answer, say
from aegan.errors import UserError
from aegan.files import explained, need_empty, whole_folder, write_arrays, write_atomically
from aegan.names import FreshNames, printable, safe

if TYPE_CHECKING:
    from aegan.data.spec import Data, DataSpec
    from aegan.hints import Array
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
MovedData = Annotated[str | None, typer.Option(metavar="DATA", help="New location of the run's data, if it has moved.")]
Trials = Annotated[int, typer.Option(min=1, help="Trials of each strategy.")]
TrialsFolder = Annotated[Path | None, typer.Option(help="Folder for runs and results; give it again to continue.")]
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
OpenBrowser = Annotated[bool, typer.Option("--open", help="Show the page in your browser.")]


def answer_trials(run: Callable[[], Any], as_json: bool, **places: Path) -> None:
    """Runs trials, which the same command goes on with if they are stopped; prints what they found, and where it lies."""
    try:
        found = run()
    except KeyboardInterrupt:
        say("Stopped. The same command goes on.", aside=True)
        raise typer.Exit(130) from None
    lines = [str(found), *(f"{name:7}  {path}" for name, path in places.items())]
    answer({**found.as_dict(), "written": places}, lines, as_json)


@dataclasses.dataclass(frozen=True)
class Examples:
    """All examples of some data, of both splits, in the order of the source: a trained model needs no split."""

    items: Array
    labels: Array | None
    names: list[str]
    classes: tuple[str, ...]

    def columns(self, order: Array) -> dict[str, list[Any]]:
        """Of a table of some of them: `name`, and where there are any `label`."""
        found: dict[str, list[Any]] = {"name": [self.names[i] for i in order]}
        if self.labels is not None:
            labels = self.labels[order].tolist()
            found["label"] = [self.classes[label] for label in labels] if self.classes else labels
        return found


def note_built_in(*names: str | None) -> None:
    """Says of a built-in name that something here has it, too."""
    from aegan.data.builtin import shadowed

    for note in filter(None, map(shadowed, filter(None, names))):
        say(note, aside=True)


def data_for(model: Model, source: str) -> Data:
    """Data in the shape that a model takes, as a command opens it."""
    from aegan.data import open_like
    from aegan.data.open import ONLY_IMAGES

    note_built_in(source)
    try:
        return open_like(source, model.spec, progress=True)
    except UserError as error:
        if error.fix != ONLY_IMAGES:
            raise
        raise UserError(error.what, "This model was trained on images: name a source of images.") from error


def open_for(model: Model, source: str) -> Examples:
    """All examples of some data in the shape that a model takes, in the order of the source."""
    import numpy as np

    data = data_for(model, source)
    if left := data.inspection.skipped_count:
        why = ", ".join(data.inspection.skipped)
        say(f"{left:,} {'file was' if left == 1 else 'files were'} left out ({why}): see `aegan check`", aside=True)
    count = len(data.train) + len(data.held_out)
    items = np.empty((count, *data.train.items.shape[1:]), data.train.items.dtype)
    labels = None if data.train.labels is None else np.empty(count, np.int64)
    names = [""] * count
    for split in (data.train, data.held_out):
        assert split.places is not None
        items[split.places] = split.items
        if labels is not None and split.labels is not None:
            labels[split.places] = split.labels
        for place, name in zip(split.places, split.names, strict=True):
            names[place] = name
    return Examples(items, labels, names, data.spec.classes)


def write_picture(path: Path, picture: Any, **how: Any) -> None:
    """An image file, whole or not at all; the suffix says which kind, `how` is Pillow's."""
    from aegan.pictures import encoded

    write_atomically(path, encoded(picture, {**PICTURES, ".gif": "GIF"}[path.suffix.lower()], **how))


def check_out(out: Path, n: int, spec: DataSpec, *, columns: int | None = None) -> None:
    """Refuses before the work what `write_items` would refuse after it, with n examples."""
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
    else:
        need_empty(out, "Choose a new folder with --out.")


def write_items(
    out: Path,
    items: Array,
    *,
    columns: int | None = None,
    names: list[str] | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
) -> dict[str, Any]:
    """Items to a grid (.png, .jpg, .webp), an array (.npz: `images` or `vectors`, `names`), or a new folder; all or none.

    Args:
        out: where to, as `check_out` lets pass.
        items: images uint8 (N, H, W, C) or vectors (N, D).
        columns: images in a row of a picture; None: as suits.
        names: where the items are from, kept in an .npz; files in a folder are called so, in sub-folders and without
            their suffixes; None: numbers.
        background: what alpha is composited on in .jpg, which has none; elsewhere it is kept.

    Returns:
        what `wrote` says in words.
    """
    from aegan.data.format import colour_text
    from aegan.pictures import as_image, grid, scatter
    from aegan.report.fitting import fitted

    images, suffix = items.ndim == 4, out.suffix.lower()
    opaque = suffix in PICTURES and PICTURES[suffix] == "JPEG" and images and items.shape[3] == 4
    if suffix == ".npz":
        write_arrays(out, **{"images" if images else "vectors": items}, names=names)
    elif suffix in PICTURES and images:
        layout = fitted(len(items), items.shape[1:3], suffix, columns)
        write_picture(out, grid(items, layout.columns, scale=layout.scale, alpha=background if opaque else "kept"))
    elif suffix in PICTURES:
        write_picture(out, scatter(items))
    else:
        fresh, width = FreshNames(), len(str(len(items) - 1))
        with explained(out), whole_folder(out) as folder:
            for i, item in enumerate(items):
                path = folder / fresh.of(safe(names[i]) if names else f"{i:0{width}d}", ".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                as_image(item).save(path)
    return {"wrote": str(out), "count": len(items), "composited_on": colour_text(background) if opaque else None}


def wrote(facts: dict[str, Any]) -> str:
    """What `write_items` returns, in words."""
    composited = f", composited on {facts['composited_on']}: JPEG has no alpha" if facts["composited_on"] else ""
    return f"wrote {facts['count']} to {printable(facts['wrote'])}{composited}"
