"""aegan compress"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._output import AsJson, answer
from aegan.cli._shared import DataPath, Device, RunPath
from aegan.files import need_suffix

EXAMPLE = "Example: aegan compress runs/photos-codec photos/ --out photos.aeg"
SHOWN = 5  # files named that could not be read


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path, typer.Option(help="The .aeg to write.")],
    quality: Annotated[int, typer.Option(min=1, max=100, help="100 is the finest that was learned.")] = 50,
    lossless: Annotated[bool, typer.Option("--lossless", help="Every pixel comes back as it was.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Compress images with a model that the strategy codec trained."""
    import aegan
    from aegan.codec import compress
    from aegan.names import printable
    from aegan.text import plural

    need_suffix(out, (".aeg",), "Compressed images are written as .aeg", "Use --out images.aeg")
    model = aegan.load(run, device)
    done = compress(model, data, out, quality=quality, lossless=lossless, run=run.as_posix())
    lines = [
        f"wrote {plural(done.images, 'image')} to {printable(str(out))}: {done.bytes:,} bytes, "
        f"{done.bytes / done.images:,.1f} an image, {done.bits_per_pixel:.3f} bits a pixel"
    ]
    lines += [f"left out: {printable(name)} ({why})" for name, why in list(done.skipped.items())[:SHOWN]]
    if len(done.skipped) > SHOWN:
        lines.append(f"left out: {len(done.skipped) - SHOWN} more; `aegan check` lists reasons")
    answer({"wrote": out, **dataclasses.asdict(done), "bits_per_pixel": done.bits_per_pixel}, lines, as_json)
