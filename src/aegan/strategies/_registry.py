"""Finds strategies: every module of this folder that does not begin with `_` registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

from aegan.errors import unknown
from aegan.strategies._base import Strategy

S = TypeVar("S", bound=type[Strategy])
_known: dict[str, type[Strategy]] = {}


def register(cls: S) -> S:
    """Class decorator: makes a strategy known by its `name`. A name taken twice raises."""
    if cls.name in _known:
        raise ValueError(f"strategy '{cls.name}' is registered twice: {_known[cls.name]} and {cls}")
    _known[cls.name] = cls
    return cls


def strategies() -> dict[str, type[Strategy]]:
    """All strategies by name, imported on first use."""
    import aegan.strategies as package

    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"aegan.strategies.{module.name}")
    return dict(sorted(_known.items()))


def strategy(name: str) -> type[Strategy]:
    """One strategy by name; an unknown name fails, naming the nearest."""
    found = strategies()
    if name not in found:
        raise unknown("strategy", name, found)
    return found[name]
