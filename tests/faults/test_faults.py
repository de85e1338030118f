"""Runs really killed, on disks really full: `bench/faults.py` in short and, by `make test-slow`, in full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "faults.py"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="needs forks and locks as of Linux: run the tests there"
)


def broken(tmp_path: Path, *options: object) -> dict[str, Any]:
    """What the script counts; it runs by itself, since it forks."""
    out = tmp_path / "faults.json"
    command = [sys.executable, SCRIPT, *options, "--out", out]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(out.read_text()))


def test_kills_full_disks_damage_and_two_processes(tmp_path: Path) -> None:
    found = broken(tmp_path, "--short", "--kills", 3, "--only", "two,disks,damage,kills")
    assert found["lost"] == [] and found["files_left_behind"] == 0
    assert found["faults"]["SIGKILL"] >= 3
    assert found["faults"]["two processes"] == 2
    assert found["faults"]["disk full"] >= 1
    assert found["runs"]["ended_with_the_undisturbed_weights"] == found["runs"]["ended"] > 3


@pytest.mark.slow
def test_two_hundred_kills_and_everything_else(tmp_path: Path) -> None:
    found = broken(tmp_path, "--kills", 200)
    assert found["lost"] == [] and found["files_left_behind"] == 0
    assert found["faults"]["SIGKILL"] >= 200
    assert any(place.startswith("cache") for place in found["killed_in"])
    assert any(place.startswith("checkpoints") for place in found["killed_in"])


def test_a_harness_that_cannot_fail_is_no_test(tmp_path: Path) -> None:
    """Weights of another seed are not the undisturbed ones."""
    lines = f"""
import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})
import tempfile
from pathlib import Path
from faults import Harness
harness = Harness(Path(tempfile.mkdtemp(dir={str(tmp_path)!r})), 0, True)
kind, place = harness.kinds[0], harness.fresh()
kind.arguments += ["--seed", 1]
harness.finish(kind, place, "another seed")
print(harness.counts.lost)
"""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['another seed: other weights than an undisturbed run']", done.stderr
