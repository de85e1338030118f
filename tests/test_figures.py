"""Evaluations as files: what was written is read, by older names too, and what is damaged is said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aegan.errors import UserError
from aegan.figures import Evaluation, Figure

FORMAT_2: dict[str, Any] = {
    "format": 2,
    "aegan": "0.1.0",
    "figures": {
        "fd": {
            "title": "Fréchet distance of samples", "value": 320.5, "floor": 57.0, "better": "lower", "unit": "",
            "count": 2000, "against": 9000, "meaning": "Lower.", "why": "", "low": 310.0, "high": 331.0,
            "standard_error": 5.0,
        },
    },
    "subject": {"name": "run", "kind": "run", "checkpoint": "last"},
    "data": {"name": "cats", "roles": {"reference": "training items", "floor": "held-out items"}},
    "counts": {"samples": 2000, "reference": 9000, "floor": 1000, "held_out": 1000},
    "extractor": {"name": "lite0", "sha256": "ab" * 32, "resizing": "64x64"},
    "seed": 0, "weights": "EMA", "remarks": ["One."], "seconds": 31.0, "machine": {},
}  # fmt: skip


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_format_2_called_the_baseline_floor(tmp_path: Path) -> None:
    found = Evaluation.read(written(tmp_path / "evaluation.json", FORMAT_2))
    assert found["fd"].baseline == 57.0 and found["fd"].text == "320 [310, 331]"
    assert found.counts["baseline"] == 1000 and found.data["roles"]["baseline"] == "held-out items"
    found.write(tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["format"] == 3 and again["figures"]["fd"]["baseline"] == 57.0 and "floor" not in again["counts"]
    assert Evaluation.read(tmp_path / "again.json") == found


def test_what_is_no_number_has_no_value(tmp_path: Path) -> None:
    content = {**FORMAT_2, "figures": {"fd": {**FORMAT_2["figures"]["fd"], "value": "nan", "count": None}}}
    figure = Evaluation.read(written(tmp_path / "e.json", content))["fd"]
    assert figure.value is None and figure.count == 0 and figure.text == "none"


@pytest.mark.parametrize(
    "spoil",
    [
        {"figures": {"fd": {"colour": 1}}},
        {"figures": {"fd": {"count": 1e999}}},
        {"figures": 3},
        {"counts": None},
        {"seed": {}},
    ],
)
def test_damage_is_said(tmp_path: Path, spoil: dict[str, Any]) -> None:
    content = {**FORMAT_2, **spoil}
    if "seed" in spoil:
        del content["weights"]
    with pytest.raises(UserError, match="damaged"):
        Evaluation.read(written(tmp_path / "e.json", content))


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="format 9"):
        Evaluation.read(written(tmp_path / "e.json", {**FORMAT_2, "format": 9}))


def test_a_table_shows_the_baseline_beside_the_value() -> None:
    figure = Figure("fd", "Fréchet distance", 320.0, 57.0, count=10, against=20)
    assert figure.cells == ("Fréchet distance", "320", "57") and figure.measured_on == "10 : 20"
