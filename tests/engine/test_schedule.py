"""Budgets as steps, and rates as a function of steps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from aegan.engine.schedule import REPLAN_AT, Plan, Timing, stage_seconds
from aegan.jsonl import read_log


def test_rate_by_hand() -> None:
    plan = Plan.of_steps(100, warmup=10)
    assert plan.rate(0) == pytest.approx(0.1)
    assert plan.rate(9) == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.09)))
    assert plan.rate(50) == pytest.approx(0.5)
    assert plan.rate(75, final=0.1) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(0.75 * math.pi)))
    assert plan.rate(100) == pytest.approx(0.0, abs=1e-12)


def test_a_short_stage_has_a_short_warmup() -> None:
    assert Plan.of_steps(20, warmup=50).warmup == 4
    assert Plan.of_steps(1, warmup=50).rate(0) == 1.0
    assert Plan.of_steps(1000, warmup=50).warmup == 50


def test_replanning_by_hand() -> None:
    plan = Plan(5)
    assert plan.progress(7) == 0.0
    plan.replan(10, seconds_per_step=0.5, seconds_left=20.0)
    assert plan.total == 50
    assert plan.progress(10) == 0.0 and plan.progress(30) == 0.5
    plan.replan(30, seconds_per_step=0.5, seconds_left=5.0)  # it has become slower than planned
    assert plan.total == 40
    assert plan.progress(30) == 0.5 and plan.progress(35) == 0.75 and plan.progress(40) == 1.0
    plan.replan(35, seconds_per_step=1.0, seconds_left=0.0)  # no time is left: one more step
    assert plan.total == 36


@pytest.mark.parametrize("seed", range(30))
def test_progress_is_continuous_monotone_and_never_rewritten(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan, seen = Plan(10), []
    plan.replan(int(rng.integers(6, 40)), 1.0, float(rng.integers(50, 500)))
    step = 0
    for look in REPLAN_AT:
        while plan.progress(step) < look:
            seen.append(plan.progress(step))
            step += 1
        before = plan.progress(step)
        plan.replan(step, 1.0, float(rng.integers(20, 500)))
        assert plan.progress(step) == before, "continuous"
    while step <= plan.total:
        seen.append(plan.progress(step))
        step += 1
    assert seen == sorted(seen) and seen[-1] == 1.0
    again = Plan.from_plain(json.loads(json.dumps({"warmup": plan.warmup, "knots": plan.knots})))
    assert [again.progress(s) for s in range(len(seen))] == seen, "bit for bit what the run saw"


def test_timing_plans_after_the_warmup_or_a_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("aegan.engine.schedule.time.monotonic", lambda: now[0])
    timing = Timing(seconds=100.0, step=0)
    ready_at = None
    for step in range(200):
        if timing.ready(step, warmup=20):
            ready_at = step
            break
        now[0] += 1.0 if step < 3 else 0.01  # the first steps are slow
    assert ready_at == 20
    rate, left = timing.look(ready_at)
    assert rate == pytest.approx(0.01), "the slow first steps are not counted"
    assert left == pytest.approx(100 - 3.17)
    slow = Timing(seconds=100.0, step=0)
    steps = 0
    while not slow.ready(steps, warmup=50):
        now[0] += 1.0
        steps += 1
    assert steps == 6, "slow steps: planned as soon as three have been timed"


def test_of_steps_shares_the_steps(vectors: Any, make_engine: Any) -> None:
    from aegan.strategies import strategy

    engine = make_engine(strategy("latent")(play_share=0.1, compress_share=0.5, sharpen_share=0.4), vectors, steps=1000)
    assert {k: p.total for k, p in engine.plans.items()} == {"compress": 500, "play": 100, "sharpen": 400}


@pytest.mark.parametrize("name", ["latent", "gan"])
def test_a_run_by_minutes_repeats_from_its_config(
    name: str, points: Path, tmp_path: Path, aegan_cli: Callable[..., Any]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    narrow = [f"--set={k}=8" for k in (["width", "critic_width"] + (["play_width"] if name == "latent" else []))]
    said = aegan_cli(
        "train",
        points,
        "--strategy",
        name,
        "--minutes",
        0.02,
        "--batch-size",
        8,
        "--out",
        first,
        "--no-evaluate",
        *narrow,
    )
    assert said.code == 0, said.err
    plans = yaml.safe_load((first / "config.yaml").read_text())["plans"]
    assert any(len(p["knots"]) == 3 for p in plans.values()), "nothing was planned anew, so nothing is tested"
    assert aegan_cli("train", "--config", first / "config.yaml", "--out", second, "--no-evaluate").code == 0
    assert yaml.safe_load((second / "config.yaml").read_text())["plans"] == plans
    a, b = (load_file(run / "model" / "model.safetensors") for run in (first, second))
    assert a.keys() == b.keys()
    assert [k for k in a if not a[k].equal(b[k])] == []
    done = [line for line in read_log(first / "log.jsonl") if line.get("event") == "done"]
    assert 0.5 < done[0]["seconds"] < 60, "1.2 seconds were asked for"


def test_what_a_stage_leaves_goes_to_the_next(vectors: Any, make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's time is its share of what is left, not of the whole."""
    from aegan.strategies import strategy

    engine = make_engine(strategy("latent")(), vectors, minutes=10.0)
    shares = [s.share for s in engine.stages]
    monkeypatch.setattr(type(engine), "seconds", lambda self: 120.0)
    engine.counters.stage = len(shares) - 1
    assert stage_seconds(engine) == pytest.approx(480.0)
    engine.counters.stage = 0
    assert stage_seconds(engine) == pytest.approx(480.0 * shares[0] / sum(shares))
