"""aegan presets"""

from __future__ import annotations

EXAMPLE = "Example: aegan train photos/ --preset 64"


def command() -> None:
    """List the presets: named numbers for each strategy."""
    from rich.console import Console
    from rich.table import Table

    from aegan.config import preset_files, read_preset

    table = Table("strategy", "preset", "numbers")
    for strategy, name in preset_files():
        numbers = read_preset(strategy, name)
        table.add_row(strategy, name, "  ".join(f"{k}={v}" for k, v in numbers.items()) or "the strategy's defaults")
    Console().print(table)
