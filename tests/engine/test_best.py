"""The best model while training: found by training items only, within its share of the time, and resumed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aegan.data import Data
from aegan.engine import Engine
from aegan.engine.best import TICKS, Best, Watch
from aegan.engine.log import read_log
from aegan.strategies import strategy


class Making:
    """Samples as they are given, one set a call."""

    def __init__(self, *sets: np.ndarray) -> None:
        self.sets = list(sets)

    def sample(self, nets: Any, n: int, y: Any, truncation: float, rng: torch.Generator) -> torch.Tensor:
        return torch.from_numpy(self.sets.pop(0)).float()


def test_the_nearest_samples_are_the_best(vectors: Data) -> None:
    items = (np.asarray(vectors.train.items) - vectors.train.mean) / vectors.train.scale
    far, lost = items + 5, np.full_like(items, np.nan)
    watch: Any = Watch(Making(far, items, lost, far), vectors, torch.device("cpu"))  # type: ignore[arg-type]
    values, better = zip(*(watch.look({}, step) for step in (1, 2, 3, 4)), strict=True)
    assert better == (True, True, False, False) and watch.best.step == 2
    assert values[1] < 1e-6 < values[0] == values[3] and values[2] == float("inf")


def test_ticks_are_few_and_stop_where_they_take_too_long(vectors: Data) -> None:
    watch = Watch(Making(), vectors, torch.device("cpu"))  # type: ignore[arg-type]
    progress = np.linspace(0, 1, 101)
    due = [watch.due(a, b, 100.0) for a, b in pairwise(progress)]
    assert sum(due) == TICKS and due[-1]
    watch.spent = 2.1
    due = [watch.due(a, b, 100.0) for a, b in pairwise(progress)]
    assert sum(due) == 1 and due[-1], "only the last, so that the last model has a figure too"


def test_looking_changes_nothing_and_is_resumed(
    pictures: Data, make_engine: Callable[..., Engine], weights_of: Any, assert_equal: Any, tmp_path: Path
) -> None:
    kind = strategy("gan")(width=8, critic_width=8, batch_size=8)
    plain = make_engine(kind, pictures, "plain")
    plain.run()
    watched = make_engine(kind, pictures, "watched")
    kept: list[int] = []
    watched.save_best = lambda networks, counters, notes: kept.append(counters.step)
    watched.run()
    assert_equal(weights_of(plain), weights_of(watched))
    lines = [line for line in read_log(tmp_path / "watched" / "log.jsonl") if line.get("event") == "best"]
    assert [line["step"] for line in lines if line["kept"]] == kept and kept
    assert lines[-1]["step"] == 12, "the last model has a figure"
    again = make_engine(kind, pictures, "watched")
    again._load()
    assert again.watch.best == watched.watch.best != Best()


def test_a_run_keeps_its_best_model(trained: Path) -> None:
    from aegan.run import Run

    run = Run(trained)
    best = [line for line in run.log if line.get("event") == "best"]
    step = min(best, key=lambda line: line["fd_pixels"])["step"]
    assert run.best_model.notes["training"]["steps"] == step
    assert run.best_model.sample(2).shape == run.model.sample(2).shape


@pytest.mark.parametrize("name", ["autoencoder"])
def test_where_no_samples_are_made_none_is_kept(name: str, pictures: Data, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(strategy(name)(width=8), pictures)
    engine.save_best = lambda networks, counters, notes: pytest.fail("nothing to keep")
    engine.run()
    assert engine.watch.best == Best()
