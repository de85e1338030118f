"""A trained model as files: no pickle, nothing that executes."""

from aegan.hub.bundle import read_bundle, write_bundle

__all__ = ["read_bundle", "write_bundle"]
