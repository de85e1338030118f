"""aegan strategies"""

from __future__ import annotations

from dataclasses import Field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegan.cli._names import offer_strategy
from aegan.cli._output import AsJson, answer
from aegan.config import used_options

if TYPE_CHECKING:
    from aegan.strategies import Strategy

EXAMPLE = "Example: aegan strategies latent"

# the order of the catalogue; places that are not named here come before the last
PLACES = (
    "as the space the generator works in",
    "alone",
    "as the generator's starting point",
    "its code against a prior",
    "its reconstruction judged by an adversary",
    "as the discriminator",
    "as the generator's inverse",
    "as a loss on features",
    "mixture latents",
)
LAST = "nowhere"
ADVICE = (
    "Which to choose: latent, to begin with. autoencoder or vae, where minutes count more than sharpness. gan is the "
    "control, and what `aegan compare DATA --strategies ...` sets the others against on your own data."
)


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="One strategy, with its options.", show_default=False, autocompletion=offer_strategy),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the strategies by where the autoencoder enters the game, or the options of one."""
    from rich.table import Table
    from rich.text import Text

    from aegan.strategies import strategies, strategy

    if name is not None:
        facts = _facts(strategy(name))
        table = Table("option", "default", "meaning", "source")
        for option in facts["options"]:
            table.add_row(option["name"], str(option["default"]), option["meaning"], option["source"])
        head = [f"{facts['name']}: {facts['summary']}", facts["paper"], ", ".join(facts["can"]), "", facts["formulas"]]
        answer(facts, [*head, table], as_json)
        return
    places: dict[str, list[type[Strategy]]] = {}
    for kind in sorted(strategies().values(), key=_rank):
        places.setdefault(kind.where, []).append(kind)
    shown: list[Any] = ["Where the autoencoder enters the game, and what each strategy can do:"]
    for where, kinds in places.items():
        shown += ["", Text("nowhere: the control" if where == LAST else where, style="bold")]
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=15)
        table.add_column(ratio=1)
        table.add_column(width=35)
        for kind in kinds:
            table.add_row(f"  {kind.name}", kind.summary, ", ".join(_can(kind)))
        shown.append(table)
    shown.append(f"\n{ADVICE}\nOptions, equations and papers of one: aegan strategies NAME")
    answer({"strategies": [_facts(kind) for kinds in places.values() for kind in kinds]}, shown, as_json)


def _facts(kind: type[Strategy]) -> dict[str, Any]:
    options = []
    for f in used_options(kind):
        meaning, source = (f.metadata.get(key, "") for key in ("help", "source"))
        about = {"name": f.name, "default": f.default, "meaning": meaning, "source": source}
        options.append({**about, **{key: f.metadata.get(key) if _is_number(f) else None for key in ("least", "most")}})
    facts = {key: getattr(kind, key) for key in ("name", "where", "summary", "paper")}
    return {**facts, "can": _can(kind), "formulas": (kind.__doc__ or "").strip(), "options": options}


def _is_number(option: Field[Any]) -> bool:
    """Whether an option is a number, or several, so that its bounds mean something."""
    values = option.default if isinstance(option.default, tuple) else (option.default,)
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _rank(kind: type[Strategy]) -> tuple[int, str]:
    if kind.where == LAST:
        return len(PLACES) + 1, kind.name
    # a strategy that enters in two places stands with the first
    return next((i for i, p in enumerate(PLACES) if kind.where.startswith(p)), len(PLACES)), kind.name


def _can(kind: type[Strategy]) -> list[str]:
    """What a strategy can do, in a few words."""
    able: list[str] = [word for word in ("sample", "encode") if word in kind.capabilities]
    made = kind()
    able += ["labels"] if made.uses_labels else []
    return able + (["vectors"] if made.vectors else ["images only"])
