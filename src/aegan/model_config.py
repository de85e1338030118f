"""What a model's config.json says, as types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aegan.config import with_options
from aegan.data import DataSpec
from aegan.data.depth import Depth
from aegan.data.format import WHITE, ImageFormat
from aegan.errors import UserError
from aegan.hints import Array
from aegan.migrate import migrated_options
from aegan.strategies import Strategy, strategy


@dataclass(frozen=True)
class Recorded:
    """What config.json says of a model."""

    strategy: Strategy
    spec: DataSpec
    mean: Array | None
    scale: Array | None
    notes: dict[str, Any]
    own: list[str]


def read_config(config: Mapping[str, Any], folder: Path) -> Recorded:
    """Checked, so that no nonsense is met later; `folder` is named in messages.

    Raises:
        UserError: it describes no model.
    """
    try:
        kind, options = migrated_options(config["strategy"], config["options"], str(folder), config.get("aegan"))
        chosen = with_options(strategy(kind)(), options, f"strategy '{kind}'")
        mean = None if config["mean"] is None else np.asarray(config["mean"], np.float32)
        scale = None if config["scale"] is None else np.float32(config["scale"])
        own = [str(name) for name in config.get("own", ())]
        return Recorded(chosen, _read_spec(config["spec"]), mean, scale, dict(config["notes"]), own)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{folder / 'config.json'} is damaged: it describes no model of aegan.", "Bring it back, or train again."
        ) from error


def _read_spec(plain: Mapping[str, Any]) -> DataSpec:
    how = ImageFormat.of(fit=plain.get("fit", "crop"), background=plain.get("background", WHITE))  # older files: none
    depth = Depth.from_dict(plain["depth"]) if plain.get("depth") else None  # the same
    shape, classes, count = tuple(map(int, plain["shape"])), tuple(map(str, plain["classes"])), int(plain["count"])
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ValueError("no shape")
    return DataSpec(shape, classes, count, how.fit, how.background, depth)
