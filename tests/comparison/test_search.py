"""Search for options: equal trials for all, and what is said where Optuna is missing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aegan.comparison import Settings, Trial
from aegan.comparison.search import search, searched
from aegan.comparison.trials import Job
from aegan.errors import UserError

Make = Callable[..., Trial]


def quiet(text: str) -> None:
    pass


def settings(points: Path, **changes: Any) -> Settings:
    return Settings(**{"data": str(points), "strategies": ("autoencoder",), "steps": 5, "tune": 6, **changes})


def test_rates_are_searched() -> None:
    found = searched("gan", {})
    assert {"lr_generator", "lr_critic", "gamma"} <= found.keys() and not {"beta1", "beta2"} & found.keys()


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs the package optuna: pip install optuna")
def test_the_best_of_equal_trials(
    make_trial: Make, points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def run(jobs: Sequence[Job], **_: Any) -> list[Trial]:
        rate = jobs[0].order["options"]["lr"]
        asked.append(rate)
        return [make_trial("autoencoder", 1000, 100.0 + 1e5 * abs(rate - 2e-3) if len(asked) != 2 else None)]

    monkeypatch.setattr("aegan.comparison.search.run_jobs", run)
    questions = []
    for _ in range(2):  # continued, it asks the same
        asked.clear()
        found = search(settings(points), "autoencoder", {}, tmp_path, at_once=1, devices=[], say=quiet)
        assert len(asked) == 6 and asked[0] == pytest.approx(1e-3)  # the preset's own first
        assert found["lr"] == pytest.approx(
            min((a for i, a in enumerate(asked) if i != 1), key=lambda a: abs(a - 2e-3))
        )
        questions.append(list(asked))
    assert questions[0] == questions[1]


def test_without_optuna(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match="needs Optuna") as refused:
        search(settings(points), "autoencoder", {}, tmp_path, at_once=1, devices=[], say=quiet)
    assert refused.value.fix == 'pip install "aegan[tune]"'
