"""aegan decompress"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import Device
from aegan.errors import UserError

EXAMPLE = "Example: aegan decompress photos.aeg --out photos-again/"
SHOWN = 10  # lost images named
OTHERS = (".aeg", ".parquet", ".csv", ".json", ".html", ".pdf", ".pt", ".safetensors")  # files that are none of data's


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .aeg to read.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A new folder of PNGs, or an .npz of one array.")],
    run: Annotated[
        Path | None, typer.Option(help="The model that wrote it; default: where the file says it was.")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Give back the images of an .aeg file; of a damaged one, all that is whole, and the names of the rest."""
    import aegan
    from aegan.codec import Folder, decompress, head_of
    from aegan.codec.files import stacked
    from aegan.data.choosing import ARCHIVES
    from aegan.data.open import ARRAYS
    from aegan.data.opened import SUFFIXES
    from aegan.files import write_arrays
    from aegan.names import printable
    from aegan.text import plural

    array = out.suffix.lower() == ".npz"
    # other names with a dot, photos.2024, are fine for folders
    if out.suffix.lower() in {*SUFFIXES, *ARCHIVES, *ARRAYS, *OTHERS} and not array and not out.is_dir():
        raise UserError(f"Images are written to a folder or as .npz, not as {out.suffix}.", "Use --out images/")
    result, images = decompress(file, aegan.load(run or _named(file, head_of(file).run), device))
    if array:
        found = list(images)
        if not found:
            raise UserError(f"{file} is damaged: no image of it is whole.")
        write_arrays(out, images=stacked([picture for _, picture in found]), names=[name for name, _ in found])
    else:
        folder = Folder(out)
        for name, picture in images:
            folder.add(name, picture)
    facts = {"wrote": out, **dataclasses.asdict(result)}
    answer(facts, f"wrote {plural(result.images, 'image')} to {printable(str(out))}", as_json)
    if result.whole:
        return
    problem = f"{result.expected - result.images} are lost" if result.expected >= 0 else "its end is missing"
    detail = "Every image was recovered." if problem[0] == "0" else "What is whole was written."
    if result.lost:
        more = f", and {len(result.lost) - SHOWN} more" if len(result.lost) > SHOWN else ""
        detail = f"Lost: {', '.join(map(printable, result.lost[:SHOWN]))}{more}."
    raise UserError(f"{file} is damaged: {problem}.", detail)


def _named(file: Path, run: str) -> Path:
    """Where a file says that its model is: from here, or from beside the file. Nothing there is run, only read."""
    elsewhere = re.match(r"[\\/]{2}", run) is not None  # a share of another machine, which Windows would ask for it
    for root in (Path(), file.parent):
        if run and not elsewhere and (root / run).is_dir():
            return root / run
    what = f"names its model '{run}', which is not here" if run else "does not say where its model is"
    raise UserError(f"{file} {what}.", "Name it: --run RUN")
