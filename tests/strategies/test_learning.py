"""Each strategy learns something within seconds, from any seed: a circle, and two kinds of shapes.

What is asked is in learning_tasks.py. docs/results/learning.json, by `python bench/learning.py`, is how far each strategy
came from eleven seeds, on several machines and settings: no limit may be near any of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_tasks import LEARN, ROOM, asked, on_circle, pairs, recipe

RECORDS = json.loads((Path(__file__).parents[2] / "docs" / "results" / "learning.json").read_text())["records"]
LONG, LONGEST = 4.0, 12.0  # CPU seconds


def by_length() -> list[Any]:
    """What is asked. `make test-slow` has what takes `LONG` where the strategy has a quicker task, and what takes `LONGEST`.

    Of the latter are bigan, codec, deligan, gat and mdgan: that they learn is asked there alone. In the fast suite the
    contract tests train them for some steps, tests/codec asks what a codec has learned, and games of their kinds learn:
    alae, alphagan and veegan, whose encoder plays, gan and dfm.
    """
    took = {(r["task"], r["strategy"]): r["cpu_seconds"] for r in reversed(RECORDS)}
    quickest = {name: min(took[t, n] for t, n in took if n == name) for _, name in took}
    slow = {pair for pair, seconds in took.items() if seconds > min(max(LONG, quickest[pair[1]]), LONGEST)}
    return [pytest.param(*pair, marks=pytest.mark.slow if pair in slow else ()) for pair in pairs()]


@pytest.mark.parametrize(("task", "name"), by_length())
def test_it_learns(task: str, name: str, seed: int, tmp_path: Path) -> None:
    found = LEARN[task](name, seed, tmp_path / "run")
    missed = {k: v for k, v in found.items() if (figure := asked(name, k)) and not figure.reached(v)}
    assert not missed, found


@pytest.mark.parametrize(("task", "name"), pairs())
def test_the_limits_have_room(task: str, name: str) -> None:
    records = [r for r in RECORDS if (r["task"], r["strategy"]) == (task, name)]
    again = f"measure it: python bench/learning.py --only {task}/{name}"
    assert any(len(r["seeds"]) >= 10 for r in records), again
    for record in records:
        assert recipe(task, name).items() <= record.items(), f"it was changed; {again}"
        for key, values in record["figures"].items():
            figure = asked(name, key)
            assert figure is None or figure.room(figure.worst(values)) >= ROOM, (key, record)


def test_figures_of_points_tell_a_circle_from_what_is_none(make_circle: Any) -> None:
    real = on_circle(make_circle(500, seed=1))
    assert real["share"] == 1 and real["least"] > 0.6
    assert on_circle(np.random.default_rng(0).normal(0, 2.1, (500, 2)))["share"] < 0.35, "what one Gaussian gets"
    half = make_circle(500)
    assert on_circle(half[half[:, 0] > 0])["least"] == 0
    assert on_circle(np.zeros((5, 2))) == {"share": 0, "least": 0}
