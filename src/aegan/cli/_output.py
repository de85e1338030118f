"""What commands print: text for people, or with --json one JSON object on stdout and everything else on stderr."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from aegan.errors import UserError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text; everything else goes to stderr.")]
PRINT = "-"  # the value of a --json that takes a file, where none was given


def say(text: str, *, aside: bool = False) -> None:
    """Lines for people, on stdout; `aside`: on stderr, where stdout is for JSON.

    Control codes, which names of files may hold, are shown by their numbers.
    """
    from aegan.names import printable

    print("\n".join(printable(line) for line in text.split("\n")), file=sys.stderr if aside else sys.stdout, flush=True)


def answer(facts: Any, text: Any, as_json: bool) -> None:
    """Prints what a command found: the facts as JSON, or the same for people: text, or what rich prints, one or several."""
    if as_json:
        # ASCII, so that no terminal's encoding matters; stray bytes of names are lone surrogates, from which
        # os.fsencode makes the name again
        print(json.dumps(plain(facts), indent=2))
        return
    for part in text if isinstance(text, list | tuple) else [text]:
        if isinstance(part, str):
            say(part)
        else:
            from rich.console import Console

            Console(markup=False, emoji=False, highlight=False).print(part)


def plain(value: Any) -> Any:
    """Dicts, lists, text, numbers, true, false and null: as JSON has them, without NaN and infinity, which become null.

    >>> plain({"a": (1, float("nan")), 2: None})
    {'a': [1, None], '2': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


class Command(TyperCommand):
    """A command whose `--json` may take a file: alone it prints, before a name that ends in .json it writes there.

    An empty `--out`, as of a variable of the shell that is not set, is refused: as a path it would be the working folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        if "--out=" in options or ("--out", "") in pairwise(options):
            raise UserError("--out is empty.", "Name a place, or leave --out out where it may be.")
        takes_file = any("--json" in p.opts and isinstance(p, TyperOption) and not p.is_flag for p in self.params)
        if takes_file and "--json" in args:
            at = args.index("--json")
            if at + 1 == len(args) or not args[at + 1].lower().endswith(".json"):
                args = [*args[: at + 1], PRINT, *args[at + 1 :]]
        return super().parse_args(ctx, args)
