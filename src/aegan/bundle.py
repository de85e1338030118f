"""model/: `model.safetensors` and `config.json`, all that `aegan.load` needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from aegan.errors import UserError
from aegan.files import write_text
from aegan.folders import expanded
from aegan.hints import AnyPath
from aegan.jsonl import finite
from aegan.migrate import migrated
from aegan.tensor_files import read_tensors, write_tensors

FORMAT = 1


def write_bundle(folder: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Writes both files. The weights carry the configuration too, so a pair that does not belong together is noticed."""
    config = finite({"format": FORMAT, **config})
    write_tensors(folder / "model.safetensors", tensors, {"config": config})
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def read_bundle(folder: AnyPath) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and configuration of a model folder, checked, and brought to the present format.

    Raises:
        UserError: a file is missing or damaged, or is from a newer version.
    """
    folder = expanded(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no model: {name} is missing.", "Give the folder of a finished run.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        version = int(config["format"])
        if version < 1:
            raise ValueError("no format")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{folder / 'config.json'} is damaged and cannot be read.") from error
    if version > FORMAT:
        by = f", by aegan {config['aegan']}" if isinstance(config.get("aegan"), str) else ""
        raise UserError(
            f"{folder} has format {version}{by}, newer than this aegan knows ({FORMAT}).",
            "Update: pip install --upgrade aegan",
        )
    tensors, header = read_tensors(folder / "model.safetensors")
    if header.get("config") != config:
        raise UserError(f"{folder}: config.json does not belong to model.safetensors.", "Copy both from the same run.")
    return migrated(tensors, config, FORMAT)
