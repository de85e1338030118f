"""aegan rate-distortion"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer, say
from aegan.cli._shared import DataPath, Device, RunPath, data_for

EXAMPLE = "Example: aegan rate-distortion runs/photos-codec photos/ --out rates/"


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path, typer.Option(help="Folder for rates.json and a page with the curves.")] = Path("rates"),
    limit: Annotated[int, typer.Option(min=2, help="Most images; they are spread over the held-out ones.")] = 2_000,
    extractor: Annotated[str, typer.Option(help="Features for the feature distance; none leaves it out.")] = "lite0",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw quality against bits a pixel, beside JPEG, WebP, AVIF and PNG on the same images."""
    from functools import partial

    import numpy as np

    import aegan
    from aegan.codec.rates import rate_distortion, write_curves
    from aegan.evenly import evenly
    from aegan.metrics.features import extractor as find
    from aegan.names import printable
    from aegan.text import plural

    model = aegan.load(run, device)
    found = None if extractor == "none" else find(extractor, str(model.device))
    opened = data_for(model, data)
    split = opened.held_out if len(opened.held_out) >= 2 else opened.train
    index = evenly(len(split), limit)
    curves = rate_distortion(
        model, np.asarray(split.items[index]), data, extractor=found, say=partial(say, aside=as_json)
    )
    write_curves(curves, out)
    lines, compared = [], curves.compared()
    for row in compared:
        shares = ", ".join(f"{k} {v:.2f}" for k, v in row.items() if k not in ("psnr", "bytes") and v)
        lines.append(f"at {row['psnr']:.2f} dB our bytes are, as a share of theirs: {shares or 'none has this PSNR'}")
    lines.append(f"wrote {plural(len(curves.points), 'point')} to {printable(str(out / 'index.html'))}")
    answer({**dataclasses.asdict(curves), "compared": compared, "page": out / "index.html"}, lines, as_json)
