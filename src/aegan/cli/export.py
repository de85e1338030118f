"""aegan export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import RunPath
from aegan.errors import UserError

EXAMPLE = "Example: aegan export runs/photos --onnx photos-onnx"


def command(
    run: RunPath,
    onnx: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for encoder, decoder and generator as ONNX files.")
    ] = None,
    torch: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for the same as programs of torch.export (.pt2).")
    ] = None,
    hub: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A new folder for the model with a model card, as the Hugging Face Hub has them."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a model for other programs, or for other people."""
    if onnx is None and torch is None and hub is None:
        raise UserError("Nothing was asked for.", "Add --onnx DIR, --torch DIR or --hub DIR.")
    import aegan
    from aegan.hub.card import write_hub_folder
    from aegan.hub.export import export_onnx, export_program
    from aegan.names import printable

    model = aegan.load(run, "cpu")
    written: list[dict[str, Any]] = []
    lines: list[str] = []
    for folder, export in ((onnx, export_onnx), (torch, export_program)):
        if folder is not None:
            said = export(model, folder)
            agreement = said["agreement"]
            opset = f", opset {said['opset']}" if "opset" in said else ""
            written.append({"wrote": folder, **said})
            lines.append(
                f"wrote {', '.join(said['pieces'])} to {printable(str(folder))}{opset}; largest difference from torch "
                f"{max(agreement['largest_difference'].values()):.1g}, batches of "
                f"{', '.join(map(str, agreement['batch_sizes']))}"
            )
    if hub is not None:
        files = [file.name for file in write_hub_folder(run, hub, model=model)]
        written.append({"wrote": hub, "files": files})
        lines.append(f"wrote {', '.join(files)} to {printable(str(hub))}")
    answer({"exports": written}, lines, as_json)
