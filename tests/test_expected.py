"""What `aegan train` says before it starts: of measured runs only, the nearest in minutes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from aegan.expected import FILE, expected, measured

SCRIPT = Path(__file__).parents[1] / "bench" / "expected.py"


def test_the_file_is_what_the_script_makes_of_the_results() -> None:
    module = importlib.util.spec_from_file_location("expected_of_bench", SCRIPT)
    assert module is not None and module.loader is not None
    script: Any = importlib.util.module_from_spec(module)
    module.loader.exec_module(script)
    assert json.loads(json.dumps(script.collected())) == json.loads(FILE.read_text())


def test_the_nearest_in_minutes() -> None:
    [line] = expected("latent", (1, 28, 28), 3.5, "cpu")
    assert line.startswith("measured before: 3 minutes of grey garments at 32×32: ") and "images seen" in line
    lines = expected("latent", (3, 64, 64), 9, "cpu")
    assert lines and all("64×64" in line and "10 minutes" in line for line in lines)


@pytest.mark.parametrize(
    ("shape", "minutes", "device"),
    [((1, 32, 32), None, "cpu"), ((2,), 3.0, "cpu"), ((1, 32, 32), 3.0, "cuda"), ((1, 32, 32), 60.0, "cpu"),
     ((3, 256, 256), 10.0, "cpu")],
    ids=["steps", "vectors", "another device", "another budget", "another size"],
)  # fmt: skip
def test_nothing_where_nothing_like_it_was_measured(shape: Any, minutes: float | None, device: str) -> None:
    assert measured() and expected("latent", shape, minutes, device) == []


def test_it_is_said_before_a_training_begins(
    points: Path, tmp_path: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.training.expected", lambda *asked: [f"measured before: {asked}"])
    begin = ("train", points, "--strategy", "gan", "--steps", 2, "--set", "width=8", "--set", "critic_width=8")
    said = aegan_cli(*begin, "--no-evaluate", "--device", "cpu", "--out", tmp_path / "run")
    assert "measured before: ('gan', (2,), None, 'cpu')" in " ".join(said.err.split())
