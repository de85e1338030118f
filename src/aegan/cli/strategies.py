"""aegan strategies"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

EXAMPLE = "Example: aegan strategies latent"


def command(
    name: Annotated[str | None, typer.Argument(help="One strategy, with its options.", show_default=False)] = None,
) -> None:
    """List the strategies, or the options of one."""
    from rich.console import Console
    from rich.table import Table

    from aegan.strategies import strategies, strategy

    console = Console()
    if name is None:
        table = Table("name", "where the autoencoder enters", "what it does", "paper")
        for key, kind in strategies().items():
            table.add_row(key, kind.where, kind.summary, kind.paper)
        console.print(table)
        return
    kind = strategy(name)
    console.print(f"[bold]{kind.name}[/]: {kind.summary}\n{kind.paper}\ncan: {', '.join(sorted(kind.capabilities))}\n")
    console.print((kind.__doc__ or "").strip(), markup=False, highlight=False)
    table = Table("option", "default", "meaning", "source")
    for f in dataclasses.fields(kind):
        table.add_row(f.name, str(f.default), f.metadata.get("help", ""), f.metadata.get("source", ""))
    console.print(table)
