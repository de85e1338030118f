"""aegan: train a generator on your own images in minutes, by learning to compress them first.

    >>> import aegan
    >>> run = aegan.fit("digits", steps=40)          # doctest: +SKIP
    >>> run.model.sample(16, seed=0).shape           # doctest: +SKIP
    (16, 8, 8, 1)

Importing this package does not import torch; the names below are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aegan.errors import UserError
from aegan.version import __version__

if TYPE_CHECKING:
    from aegan.api import Evaluation, Model, Run, evaluate, fit, load
    from aegan.comparison import compare
    from aegan.data import open_data
    from aegan.features import Encoder

_lazy = {
    "Encoder": "aegan.features",
    "Evaluation": "aegan.api",
    "Model": "aegan.api",
    "Run": "aegan.api",
    "compare": "aegan.comparison",
    "evaluate": "aegan.api",
    "fit": "aegan.api",
    "load": "aegan.api",
    "open_data": "aegan.data",
}

__all__ = [
    "Encoder", "Evaluation", "Model", "Run", "UserError", "__version__", "compare", "evaluate", "fit", "load", "open_data",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _lazy:
        return getattr(import_module(_lazy[name]), name)
    raise AttributeError(f"module 'aegan' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
