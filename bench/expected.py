"""Collects what trainings of some minutes gave, from docs/results, into the file that `aegan train` reads.

    python bench/expected.py          writes src/aegan/presets/expected.json

Only runs of the preset as it is, with a budget in minutes, on a processor; where a run was repeated the last one counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aegan.config import read_preset, with_options
from aegan.strategies import strategy

ROOT = Path(__file__).parents[1]
RESULTS, OUT = ROOT / "docs" / "results", ROOT / "src" / "aegan" / "presets" / "expected.json"
SETS = {  # what was trained on: what a reader is told, (C, H, W)
    "units": ("sprites in colour", (3, 64, 64)),
    "textures": ("textures in colour", (3, 64, 64)),
    "icons": ("emoji and icons in colour", (3, 64, 64)),
    "fashion": ("grey garments", (1, 32, 32)),
}


def row(strategy: str, place: str, minutes: float, images: int, page: str, machine: Any) -> dict[str, Any]:
    """One line of the file."""
    what, shape = SETS[place]
    return {"strategy": strategy, "set": what, "shape": shape, "minutes": minutes, "images": images,
            "cpu": machine["cpu"], "cores": machine["cores"], "page": page}  # fmt: skip


def collected() -> list[dict[str, Any]]:
    """All lines, by strategy, shape and minutes."""
    rows = []
    targets = json.loads((RESULTS / "targets.json").read_text())
    for one in targets["results"]:
        name, minutes = one["name"].rsplit("-", 1)
        machine = one.get("machine", targets["machine"])
        if name in ("latent", "gan", "vae", "autoencoder"):
            batch_size = with_options(strategy(name)(), read_preset(name, "32"), name).batch_size
            images = one.get("images", one["steps"] * batch_size)  # which results of earlier versions lack
            rows.append(row(name, "fashion", float(minutes), images, "docs/results/targets.json", machine))
    files = ("pictures-10-minutes.json", "pictures-60-minutes.json", "pictures-icons.json")
    for one in (one for file in files for one in json.loads((RESULTS / file).read_text())["results"]):
        if one["minutes"] and " " not in one["try"] and "commit" not in one and one["machine"]["device"] == "cpu":
            rows.append(row(one["try"], one["set"], one["minutes"], one["images"], "docs/pictures.md", one["machine"]))
    found = {(one["strategy"], one["shape"], one["minutes"], one["set"]): one for one in rows}  # the last counts
    return [found[key] for key in sorted(found)]


def main() -> None:
    lines = ",\n".join(f" {json.dumps(one, ensure_ascii=False)}" for one in collected())
    OUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
