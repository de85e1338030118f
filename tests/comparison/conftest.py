"""Trials without training, and one small comparison that is really run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegan.comparison import Results, Settings, Trial, compare

# of networks that learn little, fast
SMALL: dict[str, dict[str, Any]] = {"": {"width": 8, "critic_width": 8, "components": "1,2"}}


def trial(strategy: str, seed: int, fd: float | None = 100.0, **changes: Any) -> Trial:
    """A finished trial with usual figures; without `fd`, one that diverged."""
    shares = {"recall": 0.5, "precision": 0.6, "coverage": 0.5, **changes.pop("shares", {})}
    figures = {"fd": {"value": fd, "baseline": 50.0}, "gap": {"value": -1.0, "baseline": 0.0}}
    figures |= {k: {"value": v, "baseline": 0.9} for k, v in shares.items()}
    made = Trial(
        strategy, seed, f"runs/{strategy}-seed{seed}", "finished", seconds=60.0, steps=1000, images=64_000,
        parameters={"E": 1000, "G": 2000}, operations=1e6, peak_bytes=2**29, figures=figures,
        curve=[[30.0, 2.0 * (fd or 1.0)], [60.0, fd or 1.0]],
    )  # fmt: skip
    if fd is None:
        made = dataclasses.replace(made, status="diverged", reason="not finite", figures={}, curve=[])
    return dataclasses.replace(made, **changes)


def gathered(trials: list[Trial], folder: Path = Path("somewhere"), **settings: Any) -> Results:
    """Results of such trials."""
    names = tuple(dict.fromkeys(t.strategy for t in trials))
    seeds = 1 + max(t.seed for t in trials)
    made = Settings(data="digits", strategies=names, seeds=seeds, **{"minutes": 1.0, **settings})
    data = {"name": "digits", "shape": [1, 8, 8], "train": 1596, "held_out": 201, "classes": []}
    return Results(made, tuple(trials), data, {}, {"cores": 2}, folder)


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., Trial]:
    return trial


@pytest.fixture(scope="session")
def gather() -> Callable[..., Results]:
    return gathered


@pytest.fixture(scope="session")
def small_options() -> dict[str, dict[str, Any]]:
    return SMALL


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory, points: Path, start_here: Any) -> Results:
    """Two strategies with two seeds, the control's rate so high that it diverges. Not to be changed.

    In this process; `test_stopped_and_continued` has trials in processes of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aegan.comparison.trials._start", start_here)
        return compare(
            points, ["autoencoder", "gan"], out=tmp_path_factory.mktemp("compared") / "out", seeds=2, steps=24, count=64,
            options={**SMALL, "gan": {"lr_generator": 1e30}}, jobs=2, device="cpu", progress=False,
        )  # fmt: skip
