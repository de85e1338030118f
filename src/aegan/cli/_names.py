"""What the shell offers after TAB: names of strategies, of their options and presets.

Read from the source text, as importing a strategy imports torch, and a person who has pressed TAB does not wait for that.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import typer

from aegan.config import RunConfig, preset_files

STRATEGIES = Path(__file__).parents[1] / "strategies"
Offer = list[tuple[str, str]]  # names, each with a few words of help


@cache
def strategy_options() -> dict[str, dict[str, str]]:
    """Every strategy's options with their help, its bases' too, by the strategy's name."""
    bodies = [ast.parse(path.read_text(encoding="utf-8")).body for path in sorted(STRATEGIES.glob("*.py"))]
    classes = {node.name: node for body in bodies for node in body if isinstance(node, ast.ClassDef)}

    def options(node: ast.ClassDef) -> dict[str, str]:
        found: dict[str, str] = {}
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in classes:
                found = {**options(classes[base.id]), **found}
        for line in node.body:
            match line:  # field: kind = option(default, help)
                case ast.AnnAssign(ast.Name(key), _, ast.Call(ast.Name("option"), [_, help, *_])):
                    found[key] = str(ast.literal_eval(help))
                case ast.AnnAssign(ast.Name(key), _, ast.Call(ast.Name("unused"))):
                    found.pop(key, None)
        return found

    named = {}
    for node in [node for node in classes.values() if "register" in map(ast.unparse, node.decorator_list)]:
        for line in node.body:
            match line:  # name = "...", which every registered strategy has
                case ast.Assign([ast.Name("name")], ast.Constant(name)):
                    named[str(name)] = options(node)
    return dict(sorted(named.items()))


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
