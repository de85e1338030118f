"""aegan similar"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegan.cli._output import PRINT, answer, say
from aegan.cli._shared import PICTURES, DataPath, Device, RunPath, check_out, open_for, whole, write_items, wrote
from aegan.errors import UserError
from aegan.names import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    from aegan.features.tables import write_rows
    from aegan.metrics.nearest import nearest_items

    as_json = json is not None and str(json) == PRINT
    if json is not None and not as_json and json.suffix.lower() != ".json":
        raise UserError(f"--json writes a .json file, not {json.suffix or 'a folder'}.", "Use --json alike.json")
    model = aegan.load(run, device)
    if out is not None:
        check_out(out, count + 1 if out.suffix.lower() in PICTURES else 1, model.spec)
    query = _query(model, image)
    opened = open_for(model, data)
    items, labels, names = whole(opened)
    codes = model.encode(items)
    index, distance = nearest_items(
        model.encode(query).reshape(1, -1), codes.reshape(len(codes), -1), min(count, len(codes))
    )
    found = index[0]
    columns: dict[str, Any] = {"name": [names[i] for i in found]}
    if labels is not None:
        columns["label"] = [opened.spec.classes[labels[i]] if opened.spec.classes else int(labels[i]) for i in found]
    columns["distance"] = distance[0]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    width = max(len(printable(row["name"])) for row in rows)
    lines = [
        "  ".join([f"{row['distance']:10.4f}", f"{printable(row['name']):{width}s}", *_label(row)]) for row in rows
    ]
    answer({"image": image, "neighbours": rows, "wrote": out}, lines, as_json)
    if json is not None and not as_json:
        write_rows(json, columns)
        say(f"wrote {len(found)} neighbours to {printable(str(json))}")
    if out is not None:
        facts = write_items(out, np.concatenate([query, items[found]]), background=model.spec.background)
        say(wrote(facts), aside=as_json)


def _label(row: dict[str, Any]) -> list[str]:
    return [printable(str(row["label"]))] if "label" in row else []


def _query(model: Model, path: Path) -> NDArray[Any]:
    """The example to compare with, (1, ...)."""
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
