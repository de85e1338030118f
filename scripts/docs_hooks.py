"""What the documentation site adds to the pages as they stand: commands, options of strategies, the strategies' menu.

All of it comes from the code, so that none can go out of date. Run by mkdocs (mkdocs.yml names it), never by hand.
"""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import Any

import typer
from typer.cli import get_docs_for_click

from aegan.cli.main import app
from aegan.config import used_options
from aegan.strategies import strategies


def on_config(config: Any) -> Any:
    """Lists every strategy below “The catalogue”."""
    for entry in config.nav:
        if "Strategies" in entry:
            entry["Strategies"] += [{name: f"strategies/{name}.md"} for name in sorted(strategies())]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Ends the page of a strategy with the table of its options, and that of the command line with its commands."""
    path = PurePosixPath(page.file.src_uri)
    if str(path) == "reference/cli.md":
        return f"{markdown}\n\n{_commands()}"
    known = strategies()
    if path.parent.name != "strategies" or path.stem not in known:
        return markdown
    rows = ["| option | default | what it does | source |", "|---|---|---|---|"]
    for f in used_options(known[path.stem]):
        about = f.metadata.get("help", ""), f.metadata.get("source", "")
        rows.append("| " + " | ".join(_cell(text) for text in (f"`{f.name}`", f"`{_default(f)}`", *about)) + " |")
    return f"{markdown}\n\n## Options\n\nSet with `--set OPTION=VALUE`.\n\n" + "\n".join(rows) + "\n"


def _commands() -> str:
    """Every command with its arguments, as typer writes them."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="aegan"), name="aegan")
    return text.partition("\n")[2]  # the page has a title


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default if field.default is not dataclasses.MISSING else field.default_factory()  # type: ignore[misc]
    return str(value) if value != "" else '""'


def _cell(value: Any) -> str:
    """Text that a table's cell can hold."""
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
