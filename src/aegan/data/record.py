"""data.json of a run: what was read, from where, and how it was decoded, so that a run explains itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aegan.data import cache
from aegan.data.inspection import Inspection
from aegan.data.spec import Data
from aegan.data.stream import Streamed
from aegan.folders import expanded
from aegan.version import __version__

NAME = "data.json"
FORMAT = 1


def record(data: Data) -> dict[str, Any]:
    """Everything that is known of an opened data set but the examples, ready for JSON: its inspection, and beside it

    - name, source and path (absolute; null for built-in data and what was given in Python), and the fingerprint,
    - train and held_out: how many examples each split has; shape: (C, H, W) or (D,),
    - streamed: whether images are decoded anew whenever they are used,
    - colours: what pixels mean,
    - format of this file, cache_format and aegan: versions.
    """
    found = expanded(data.source)
    image = data.spec.is_image
    return {
        "format": FORMAT,
        "aegan": __version__,
        "cache_format": cache.VERSION,
        "name": data.name,
        "source": data.source,
        "path": str(found.resolve()) if found.exists() else None,
        "fingerprint": data.fingerprint,
        "shape": list(data.spec.shape),
        "train": len(data.train),
        "streamed": isinstance(data.train.items, Streamed),
        "colours": "sRGB, 8 bits" if image else None,
        **data.inspection.as_dict(),
    }


def as_text(data: Data) -> str:
    """The same as the file's content. Names that are no text on this machine are kept as escapes."""
    return json.dumps(record(data), indent=1) + "\n"


def describe(plain: Mapping[str, Any]) -> list[str]:
    """The lines of `aegan check`, of what a data.json holds; none where it is damaged."""
    fields = Inspection.__dataclass_fields__
    try:
        return Inspection.from_dict({key: value for key, value in plain.items() if key in fields}).lines()
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
