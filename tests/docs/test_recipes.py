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


def run(copy: Path, *command: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=copy,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


# `aegan` with each line of words, one after the other in one process, which imports torch once; a mark behind what each says
TYPED = """
import json, sys
from aegan.cli.main import run
for words in json.loads(sys.argv[1]):
    sys.argv, code = ["aegan", *words], 0
    try:
        run()
    except SystemExit as end:
        code = end.code or 0
    print(f"\\x1e{code}\\x1e", end="", flush=True)
"""


def typed(copy: Path, *lines: tuple[object, ...]) -> list[tuple[int, str]]:
    """The exit code of each command and what it said."""
    said = run(copy, "-c", TYPED, json.dumps([[str(word) for word in line] for line in lines]))
    parts = said.split("\x1e")
    return list(zip(map(int, parts[1::2]), parts[::2], strict=False))


def test_all_of_them_at_once(copy: Path) -> None:
    (copy / "plane.points").write_text("".join(f"{i / 7},{i % 5}\n" for i in range(200)))
    (copy / "bad.points").write_text("1,2\nthree\n")
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 1), np.uint8)
    np.save(copy / "real.npy", images)
    np.save(copy / "made.npy", images[:150] // 2)
    found = copy / "found.json"
    train = ("train", "digits", "--strategy", "denoising", "--steps", 3, "--out", "run", "--no-evaluate")
    judge = ("evaluate", "made.npy", "--against", "real.npy", "--extractor", "edges")
    points, bad, trained, weights, judged = typed(
        copy, ("check", "plane.points"), ("check", "bad.points"), (*train, "--device", "cpu"), ("weights", "run", "--json"),
        (*judge, "--json", found),
    )  # fmt: skip
    assert points[0] == 0 and "200" in points[1]
    assert bad[0] == 2 and "no rows of numbers" in bad[1]
    assert trained[0] == weights[0] == judged[0] == 0, (trained, weights, judged)
    counts = json.loads(weights[1])
    assert counts["E"] > 0 and counts["G"] > 0
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
