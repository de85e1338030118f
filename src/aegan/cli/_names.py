"""What the shell offers after TAB: names of strategies, of their options and presets.

Read from the source text, as importing a strategy imports torch, and a person who has pressed TAB does not wait for that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer

from aegan.config import RunConfig, preset_files

STRATEGIES = Path(__file__).parents[1] / "strategies"
Offer = list[tuple[str, str]]  # names, each with a few words of help


@cache
def strategy_options() -> dict[str, dict[str, str]]:
    """Every strategy's options with their help, its bases' too, by the strategy's name."""
    classes = {node.name: node for path in sorted(STRATEGIES.glob("*.py")) for node in _classes(path)}

    def options(node: ast.ClassDef) -> dict[str, str]:
        found: dict[str, str] = {}
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in classes:
                found = {**options(classes[base.id]), **found}
        return {**found, **dict(_own_options(node))}

    named = {_name(node): node for node in classes.values() if _registered(node)}
    return {name: options(node) for name, node in sorted(named.items())}


def _classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))


def _registered(node: ast.ClassDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "register" for mark in node.decorator_list)


def _name(node: ast.ClassDef) -> str:
    """The value of `name = "..."`, which every registered strategy has."""
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id == "name":
            return str(ast.literal_eval(line.value))
    return node.name.lower()


def _own_options(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """`field: kind = option(default, help)`."""
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(line.value, ast.Call):
            called, words = line.value.func, line.value.args[1:2]
            if isinstance(called, ast.Name) and called.id == "option":
                yield line.target.id, str(ast.literal_eval(words[0])) if words else ""


# --- what typer asks, with what was typed so far ----------------------------------------------------------------------


def offer_strategy(incomplete: str) -> list[str]:
    """Of --strategy, and of `aegan strategies`."""
    return [name for name in strategy_options() if name.startswith(incomplete)]


def offer_strategies(incomplete: str) -> list[str]:
    """Of a list with commas: its last name."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in offer_strategy(last) if name not in taken]


def offer_preset(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of --preset: those of the strategy that the line names."""
    wanted = ctx.params.get("strategy") or RunConfig.strategy
    return [name for strategy, name in preset_files() if strategy == wanted and name.startswith(incomplete)]


def offer_set(ctx: typer.Context, incomplete: str) -> Offer:
    """Of --set: the options of the strategy that the line names, with the `=` that a value follows."""
    options = strategy_options().get(ctx.params.get("strategy") or RunConfig.strategy, {})
    return [(f"{key}=", help) for key, help in options.items() if key.startswith(incomplete)]


def offer_set_of_many(ctx: typer.Context, incomplete: str) -> Offer:
    """Of --set of a comparison: what any of its strategies has, and STRATEGY.KEY."""
    known = strategy_options()
    chosen = [name for name in str(ctx.params.get("strategies") or "").split(",") if name in known] or list(known)
    offered = {f"{key}=": help for name in chosen for key, help in known[name].items()}
    if "." in incomplete:
        offered = {f"{name}.{key}=": help for name in chosen for key, help in known[name].items()}
    return [(key, help) for key, help in offered.items() if key.startswith(incomplete)]
