"""data.json of a run: what was read, from where, and how it was decoded, so that a run explains itself."""

from __future__ import annotations

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


def as_dict(data: Data) -> dict[str, Any]:
    """The file's content: all that is known of an opened data set but the examples.

    Beside its inspection: name, source and path (absolute; null for built-in data and what was given in Python), the
    fingerprint, train (how many examples) and shape ((C, H, W) or (D,)); streamed: whether images are decoded anew whenever
    they are used; colours: what pixels mean; and the versions of this file, of the cache and of aegan. Names that are no
    text on this machine are kept as escapes.
    """
    found = expanded(data.source)
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
        "colours": "sRGB, 8 bits" if data.spec.is_image else None,
        **data.inspection.as_dict(),
    }


def describe(plain: Mapping[str, Any]) -> list[str]:
    """The lines of `aegan check`, of what a data.json holds; none where it is damaged."""
    fields = Inspection.__dataclass_fields__
    try:
        return Inspection.from_dict({key: value for key, value in plain.items() if key in fields}).lines()
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
