"""aegan presets"""

from __future__ import annotations

from typing import Any

from aegan.cli._output import AsJson, answer

EXAMPLE = "Example: aegan train photos/ --preset 64"


def command(as_json: AsJson = False) -> None:
    """List the presets: named numbers for each strategy."""
    from rich.table import Table

    from aegan.config import preset_files, read_preset

    found: list[dict[str, Any]] = [
        {"strategy": s, "preset": name, "numbers": read_preset(s, name)} for s, name in preset_files()
    ]
    table = Table("strategy", "preset", "numbers")
    for one in found:
        numbers = "  ".join(f"{k}={v}" for k, v in one["numbers"].items())
        table.add_row(one["strategy"], one["preset"], numbers or "the strategy's defaults")
    answer({"presets": found}, table, as_json)
