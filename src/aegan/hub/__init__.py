"""A trained model as files: its own two, for other programs, for other people. No pickle, nothing that executes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aegan.bundle import read_bundle, write_bundle

if TYPE_CHECKING:
    from aegan.hub.card import write_hub_folder
    from aegan.hub.export import export_onnx, export_program, load_program
    from aegan.hub.remote import push

# loaded when first used: they need `Model`, which needs the bundle
_lazy = {
    "export_onnx": "aegan.hub.export",
    "export_program": "aegan.hub.export",
    "load_program": "aegan.hub.export",
    "push": "aegan.hub.remote",
    "write_hub_folder": "aegan.hub.card",
}

__all__ = ["export_onnx", "export_program", "load_program", "push", "read_bundle", "write_bundle", "write_hub_folder"]


def __getattr__(name: str) -> Any:
    if name in _lazy:
        return getattr(import_module(_lazy[name]), name)
    raise AttributeError(f"module 'aegan.hub' has no attribute '{name}'")
