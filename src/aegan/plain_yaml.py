"""YAML as configurations need it: plain values and nothing that grows."""

from __future__ import annotations

from typing import Any

import yaml

MOST = 2**20  # characters of a configuration; ours have a few thousand


class _Plain(yaml.SafeLoader):
    """Refuses aliases: ten of them, each a list of the one before, make a gigabyte of a few lines."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def read_yaml(text: str) -> Any:
    """The content of a YAML text: dicts, lists, numbers, text; never an object.

    Raises:
        yaml.YAMLError: it is no YAML, or has tags, aliases, extreme nesting, or over a million characters.

    >>> read_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    if len(text) > MOST:
        raise yaml.YAMLError(f"{len(text):,} characters")
    try:
        return _Plain(text).get_single_data()
    except RecursionError as why:
        raise yaml.YAMLError("nested too deeply") from why
