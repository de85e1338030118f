"""What the engine does when the doctor asks for it: set back with one change, or stopped early; resumed all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

from aegan.data import Data
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.engine.loop import Interrupted
from aegan.jsonl import read_log
from aegan.strategies import Clock, Fit, Loss, Networks, Phase, Stage, Strategy

KEPT = (None, "tick", "guard", "stop")


@pytest.fixture(autouse=True)
def looks_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegan.engine.monitor.LOOK_IMAGES", 0)


@dataclass(frozen=True)
class Running(Strategy):
    """A weight w that grows by its rate at each step; samples are those of the data until it has gone too far.

    `end`: what becomes of them then: "heap", all of them in one place, or "far", farther off with each step.
    """

    name = "running"
    paper = summary = where = ""
    capabilities = frozenset({"sample"})

    batch_size: int = 8
    end: str = "heap"
    limit: float = 0.24

    def build(self, spec: DataSpec) -> Networks:
        A = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(A.weight)
        return {"A": A}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (Stage("only", 1.0, (Phase("A", ("A",), self.grow, lr=1e-2, final=1.0, critic=True),), warmup=1),)

    def grow(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        noise = 1 + 0.01 * torch.rand(())  # so that a resumed run that draws otherwise is found out
        return Loss({"L": -nets["A"].weight.sum() * noise})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        w = float(nets["A"].weight.detach())
        angle = 2 * torch.pi * torch.rand(n, generator=rng)
        x = 1.43 * torch.stack([angle.cos(), angle.sin()], 1)
        if w < self.limit:
            return x
        return x * 1e-3 if self.end == "heap" else x + 20 * (w - self.limit)


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if k not in ("seconds", "images_per_second")}


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_log(folder / "log.jsonl") if line.get("event") == kind]


def test_set_back_with_half_the_rates(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    engine = make_engine(Running(), vectors, steps=40, guard="auto")
    engine.run()
    back, again = events(tmp_path / "run", "guard")
    # w passes the limit at step 24, so that the looks at 25 and 30 are ill; at half the rate, those at 30 and 35
    assert (back["why"], back["step"], back["from_step"], back["rate_scale"]) == ("mode collapse", 20, 30, 0.5)
    assert (again["step"], again["from_step"], again["rate_scale"]) == (25, 35, 0.25)
    assert [x["step"] for x in events(tmp_path / "run", "diagnosis") if x["name"] == "mode collapse"] == [30], (
        "said once"
    )
    assert engine.counters.rollbacks == 2 and engine.counters.step == 40
    w = float(engine.networks["A"].weight.detach())
    assert w == pytest.approx(20 * 1e-2 + 5 * 5e-3 + 15 * 2.5e-3, rel=1e-3)


@pytest.mark.parametrize("guard", ["warn", "off"])
def test_without_auto_nothing_is_changed(guard: str, vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    engine = make_engine(Running(), vectors, steps=40, guard=guard)
    engine.run()
    assert not events(tmp_path / "run", "guard") and float(engine.networks["A"].weight.detach()) == pytest.approx(
        0.4, rel=1e-3
    )
    assert bool(events(tmp_path / "run", "diagnosis")) == (guard == "warn")


def test_stopped_early(vectors: Data, make_engine: Any, weights_of: Any, assert_equal: Any, tmp_path: Path) -> None:
    engine = make_engine(Running(end="far"), vectors, steps=80, guard="off", early_stop="on")
    outcome = engine.run()
    (stop,) = events(tmp_path / "run", "stop")
    assert stop["step"] == outcome.steps == outcome.plans["only"].total <= 20 < stop["from_step"]
    assert float(engine.networks["A"].weight.detach()) == pytest.approx(1e-2 * outcome.steps, rel=1e-3)
    again = make_engine(Running(end="far"), vectors, "again", steps=None, minutes=1, plans=outcome.plans).run()
    assert_equal(weights_of(outcome), weights_of(again))


@pytest.mark.parametrize("end", ["heap", "far"])
@pytest.mark.parametrize("checkpoint_every", [0.0, 1e9])
def test_resumed_as_if_never_stopped(
    end: str, checkpoint_every: float, vectors: Data, make_engine: Any, weights_of: Any, assert_equal: Any, stop_after: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Stopped every few steps: changed at the same steps, by the same looks, to the same weights, with the same log."""
    settings: dict[str, Any] = {
        "steps": 48,
        "early_stop": "on" if end == "far" else "off",
        "checkpoint_every": checkpoint_every,
    }
    settings["guard"] = "auto" if end == "heap" else "warn"
    straight = make_engine(Running(end=end), vectors, "straight", **settings)
    straight.run()
    assert events(tmp_path / "straight", "stop" if end == "far" else "guard")
    rng, resume = np.random.default_rng(0), False
    for _ in range(100):
        engine = make_engine(Running(end=end), vectors, "stopped", **settings)
        stop_after(int(rng.integers(1, 9)))
        try:
            engine.run(resume)
            break
        except Interrupted:
            resume = True
    stop_after(None)
    assert_equal(weights_of(straight), weights_of(engine))
    said = [
        [without_time(x) for x in read_log(tmp_path / run / "log.jsonl") if x.get("event") in KEPT]
        for run in ("straight", "stopped")
    ]  # fmt: skip
    # of steps that were taken back, a run that was stopped behind them has forgotten the lines
    assert said[1] and all(x in said[0] for x in said[1])


@dataclass(frozen=True)
class Twice(Running):
    """The same in two stages; the limit is passed in the second."""

    limit: float = 0.44

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        (stage,) = super().stages(spec)
        return replace(stage, name="first", share=0.5), replace(stage, name="second", share=0.5)  # type: ignore[type-var]


def test_the_good_state_is_dropped_with_its_stage(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    """A run is never set back into the stage before."""
    engine = make_engine(Twice(), vectors, steps=80, guard="auto")
    engine.run()
    back = events(tmp_path / "run", "guard")
    assert back and all(line["stage"] == "second" and line["step"] >= 40 for line in back)
    assert engine.counters.step == 80


def test_a_damaged_good_state_is_passed_over(
    vectors: Data, make_engine: Callable[..., Any], stop_after: Any, tmp_path: Path
) -> None:
    stop_after(33)
    with pytest.raises(Interrupted):
        make_engine(Running(), vectors, steps=40, guard="auto").run()
    good = list((tmp_path / "run" / "checkpoints").glob("good-*"))
    assert good
    for path in good:
        path.write_bytes(b"damaged")
    engine = make_engine(Running(), vectors, steps=40, guard="auto")
    engine.run(resume=True)
    assert engine.counters.step == 40


def test_with_few_images_stages_stop_early_by_themselves(
    pictures: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = narrow("gan")
    for limit, early in ((len(pictures.train) + 1, True), (len(pictures.train), False)):
        monkeypatch.setattr("aegan.engine.loop.SMALL", limit)
        assert make_engine(chosen, pictures, f"{early}").early_stop is early
