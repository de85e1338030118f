"""aegan compress"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegan.cli._shared import DataPath, Device, RunPath
from aegan.errors import UserError

EXAMPLE = "Example: aegan compress runs/photos-codec photos/ --out photos.aeg"
SHOWN = 5  # files named that could not be read


def command(
    run: RunPath,
    data: DataPath,
    out: Annotated[Path, typer.Option(help="The .aeg to write.")],
    quality: Annotated[int, typer.Option(min=1, max=100, help="100 is the finest that was learned.")] = 50,
    lossless: Annotated[bool, typer.Option("--lossless", help="Every pixel comes back as it was.")] = False,
    device: Device = "auto",
) -> None:
    """Compress images with a model that the strategy codec trained."""
    import aegan
    from aegan.codec import compress
    from aegan.report.words import plural

    if out.suffix.lower() != ".aeg":
        raise UserError(
            f"Compressed images are written as .aeg, not {out.suffix or 'a folder'}.", "Use --out images.aeg"
        )
    model = aegan.load(run, device)
    done = compress(model, data, out, quality=quality, lossless=lossless, run=str(run))
    typer.echo(
        f"wrote {plural(done.images, 'image')} to {out}: {done.bytes:,} bytes, {done.bytes / done.images:,.1f} an image, "
        f"{done.bits_per_pixel:.3f} bits a pixel"
    )
    for name, why in list(done.skipped.items())[:SHOWN]:
        typer.echo(f"left out: {name} ({why})")
    if len(done.skipped) > SHOWN:
        typer.echo(f"left out: {len(done.skipped) - SHOWN} more; `aegan check` lists reasons")
