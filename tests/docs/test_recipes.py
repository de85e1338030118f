"""docs/extending.md, followed literally in a copy of the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r'^```\w+ title="(?P<path>[^"]+)"(?: after="(?P<line>[^\n]+)")?\n(?P<content>.*?)^```$', re.M | re.S)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with all recipes followed."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = list(BLOCK.finditer((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")))
    assert len(blocks) >= 12
    for block in blocks:
        path = root / block["path"]
        if block["line"] is None:
            assert not path.exists(), f"{path.name} is there already"
            path.write_text(block["content"], encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        assert text.count(f"{block['line']}\n") == 1, f"{block['path']} has no such line, or several: {block['line']}"
        path.write_text(text.replace(f"{block['line']}\n", f"{block['line']}\n{block['content']}"), encoding="utf-8")
    return root


def run(copy: Path, *command: object, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=environment, cwd=copy
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_all_of_them_at_once(copy: Path) -> None:
    (copy / "plane.points").write_text("".join(f"{i / 7},{i % 5}\n" for i in range(200)))
    assert "200" in run(copy, "-m", "aegan", "check", "plane.points")
    (copy / "bad.points").write_text("1,2\nthree\n")
    assert "no rows of numbers" in run(copy, "-m", "aegan", "check", "bad.points", code=2)
    train = ("train", "digits", "--strategy", "denoising", "--steps", 3, "--out", "run", "--no-evaluate")
    run(copy, "-m", "aegan", *train, "--device", "cpu")
    counts = json.loads(run(copy, "-m", "aegan", "weights", "run", "--json"))
    assert counts["E"] > 0 and counts["G"] > 0
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 1), np.uint8)
    np.save(copy / "real.npy", images)
    np.save(copy / "made.npy", images[:150] // 2)
    found = copy / "found.json"
    judge = ("evaluate", "made.npy", "--against", "real.npy", "--metrics", "brightness,fd", "--extractor", "edges")
    run(copy, "-m", "aegan", *judge, "--json", found)
    figures = json.loads(found.read_text())["figures"]
    brightness = figures["brightness"]
    assert brightness["value"] == pytest.approx(64, abs=4) and brightness["baseline"] < 4
    assert figures["fd"]["value"] > 0


@pytest.mark.slow
def test_the_strategy_meets_the_contract(copy: Path) -> None:
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    said = run(copy, "-m", "pytest", "-q", "tests/strategies/test_contract.py", "-k", "denoising and not codec")
    assert re.search(r"\d\d passed", said), said


def test_the_new_files_are_as_ours(copy: Path) -> None:
    """Formatted, linted and typed."""
    files = [b["path"] for b in BLOCK.finditer((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))]
    python = [f for f in files if f.endswith(".py")]
    shutil.copy(ROOT / "pyproject.toml", copy)
    run(copy, "-m", "ruff", "check", "--config", "pyproject.toml", *python)
    run(copy, "-m", "ruff", "format", "--check", "--config", "pyproject.toml", *python)
