"""aegan similar"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegan.cli._output import PRINT, answer, say
from aegan.cli._shared import PICTURES, DataPath, Device, RunPath, check_out, open_for, write_items, wrote
from aegan.errors import UserError
from aegan.files import need_suffix
from aegan.names import printable

if TYPE_CHECKING:
    from aegan.hints import Array
    from aegan.model import Model

EXAMPLE = "Example: aegan similar runs/photos a.jpg photos/ --out alike.png"


def command(
    run: RunPath,
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="An image; for vectors, an .npy of one.", show_default=False)
    ],
    data: DataPath,
    count: Annotated[int, typer.Option(min=1, help="How many to find.")] = 8,
    out: Annotated[
        Path | None, typer.Option(help="A picture (.png) of the image and what was found, nearest first.")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="[FILE]", help="Print names, labels and distances as JSON, or write them to FILE.json."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Find the images whose codes are nearest to an image's code."""
    import numpy as np

    import aegan
    from aegan.features.tables import rows_of, write_rows
    from aegan.metrics.nearest import nearest_items

    as_json = json is not None and str(json) == PRINT
    if not as_json:
        need_suffix(json, (".json",), "--json writes a .json file", "Use --json alike.json")
    model = aegan.load(run, device)
    if out is not None:
        check_out(out, count + 1 if out.suffix.lower() in PICTURES else 1, model.spec)
    query = _query(model, image)
    opened = open_for(model, data)
    code, codes = (model.encode(items).reshape(len(items), -1) for items in (query, opened.items))
    index, distance = nearest_items(code, codes, min(count, len(codes)))
    found = index[0]
    columns = {**opened.columns(found), "distance": distance[0]}
    rows = rows_of(columns)
    width = max(len(printable(row["name"])) for row in rows)
    lines = []
    for row in rows:
        label = f"  {printable(str(row['label']))}" if "label" in row else ""
        lines.append(f"{row['distance']:10.4f}  {printable(row['name']):{width}s}{label}")
    facts = None
    if json is not None and not as_json:
        write_rows(json, columns)
    if out is not None:
        facts = write_items(out, np.concatenate([query, opened.items[found]]), background=model.spec.background)
    answer({"image": image, "neighbours": rows, "wrote": out}, lines, as_json)
    if json is not None and not as_json:
        say(f"wrote {len(found)} neighbours to {printable(str(json))}")
    if facts is not None:
        say(wrote(facts), aside=as_json)


def _query(model: Model, path: Path) -> Array:
    import numpy as np

    if model.spec.is_image:
        from aegan.data.decode import read_image

        return read_image(path, model.spec.format)[None]
    try:
        vector = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as why:
        raise UserError(f"{path} is no .npy of a vector.", "Save one: np.save('one.npy', vector)") from why
    if not isinstance(vector, np.ndarray) or vector.size != model.spec.shape[0]:
        raise UserError(f"{path} is no vector of {model.spec.shape[0]} numbers.", "np.save('one.npy', vector)")
    return vector.reshape(1, -1).astype(np.float32)
