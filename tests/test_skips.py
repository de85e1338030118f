"""The end of a test run says what was skipped for want of what: in one process, and with several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="needs a horse: buy one")
@pytest.mark.parametrize("n", [1, 2])
def test_riding(n): ...

def test_package():
    pytest.importorskip("no_such_package", minversion="3")

def test_images():
    pytest.skip("images only")

@pytest.mark.xfail(strict=True)
def test_that_fails():
    assert False
"""
SHARED = Path(__file__).parent / "shared"


@pytest.mark.parametrize("processes", [[], ["-p", "xdist", "-n", "2"]], ids=["one", "two"])
def test_what_was_wanting_is_said_last(processes: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('sklearn_missing.part')\n")
    (tmp_path / "conftest.py").write_text("from skips import pytest_terminal_summary\n")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {SHARED}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", *processes, "."],
        cwd=tmp_path, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    end = done.stdout[done.stdout.rindex("= skipped =") :].splitlines()[1:]
    assert end[:7] == [
        "needs a horse: buy one",
        "    test_some.py (2)",
        "needs the package no-such-package: pip install no-such-package",
        "    test_some.py (1)",
        "needs the package sklearn-missing: pip install sklearn-missing",
        "    test_whole.py (1)",
        "not for this case: 1 (images only)",
    ]
