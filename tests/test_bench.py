"""Scripts of bench/ that cannot be measured on every machine run whole on this one, at their smallest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
pytestmark = pytest.mark.slow


def test_gpu() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    done = subprocess.run([sys.executable, BENCH / "gpu.py", "--tiny"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["stage"] for row in rows if isinstance(row, dict)} == {"compress", "play", "sharpen"}


def test_pictures(folder: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, BENCH / "pictures.py", folder, "--try", "latent width=8 components=1 --size=16"),
        *("--steps", "8", "--judges", "pixels", "--runs", tmp_path / "runs", "--out", tmp_path / "found.json"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = json.loads((tmp_path / "found.json").read_text())["results"]
    assert found["pixels"]["fd"] > found["pixels"]["real"] >= 0
    assert found["images"] > 0 and found["pixels"]["count"] > 0
