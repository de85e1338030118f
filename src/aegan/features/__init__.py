"""What codes are good for beside images: a transformer for scikit-learn, tables of codes, scores and neighbours.

Importing this package imports neither torch nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aegan.features.encoder import Encoder
    from aegan.features.scores import combined, unusual

_lazy = {"Encoder": "aegan.features.encoder", "combined": "aegan.features.scores", "unusual": "aegan.features.scores"}

__all__ = ["Encoder", "combined", "unusual"]


def __getattr__(name: str) -> Any:
    if name in _lazy:
        return getattr(import_module(_lazy[name]), name)
    raise AttributeError(f"module 'aegan.features' has no attribute '{name}'")
