"""A trained model as files: its own two, for other programs, for other people. No pickle, nothing that executes."""

from aegan.bundle import read_bundle, write_bundle
from aegan.hub.card import push, write_hub_folder
from aegan.hub.export import export_onnx, export_program, load_program

__all__ = ["export_onnx", "export_program", "load_program", "push", "read_bundle", "write_bundle", "write_hub_folder"]
