"""The pages of the methods show what docs/results/methods.json holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    yield __import__("methods")
    for name in ("methods", "pictures"):  # a test of another script may have one of that name
        sys.modules.pop(name, None)


def test_pages_and_curves_are_what_the_script_writes(script: Any) -> None:
    for path, text in script.pages().items():
        assert path.read_text() == text, f"{path.name}: run python bench/methods.py --pages"


def test_every_method_that_draws_images_was_measured(script: Any) -> None:
    assert {row["try"] for row in script.rows()} == set(script.names())


def test_a_method_is_marked_where_either_share_is_small(script: Any) -> None:
    real = {"real_recall": 0.8, "real_coverage": 0.9}
    for recall, coverage, marked in ((0.5, 0.5, False), (0.15, 0.5, True), (0.5, 0.17, True), (0.17, 0.19, False)):
        assert script.short({"lite0": {"recall": recall, "coverage": coverage, **real}}) is marked
