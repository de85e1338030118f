"""README.zh-CN.md has the commands and the figures of README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d,.]*\d|\d", text)


def test_the_commands_are_equal() -> None:
    assert re.findall(r"```.*?```", CHINESE, re.DOTALL) == re.findall(r"```.*?```", ENGLISH, re.DOTALL)


def test_the_figures_are_equal() -> None:
    rows = [[line for line in text.splitlines() if line.startswith("| `fashion")] for text in (ENGLISH, CHINESE)]
    assert len(rows[0]) == 5
    assert [numbers(line) for line in rows[1]] == [numbers(line) for line in rows[0]]


def test_it_has_no_other_figures() -> None:
    assert not set(numbers(CHINESE)) - set(numbers(ENGLISH))


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_pictures_and_pages_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (ROOT / link).exists()]
