"""Numbers that are not finite never reach the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aegan.data import Data
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.engine.finite import FiniteCheck
from aegan.engine.loop import Interrupted
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.strategies import Clock, Fit, Loss, Networks, Phase, Stage, Strategy


class BadGradient(torch.autograd.Function):
    """The identity, with a gradient of `value`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: float) -> Tensor:
        ctx.value = value
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return torch.full_like(g, ctx.value), None


@dataclass(frozen=True)
class Breaking(Strategy):
    """Two players, of whom A breaks at the turns that `breaks` names: (turn) → "loss" | "gradient" and a value."""

    name = "breaking"
    paper = summary = where = ""
    capabilities = frozenset({"sample"})

    batch_size: int = 8
    how: str = "loss"
    value: float = float("nan")
    breaks: Callable[[int], bool] = lambda turn: False
    seen: list[tuple[int, bool]] = field(default_factory=list)  # (step, broken) of each of A's turns
    weights: list[Tensor] = field(default_factory=list)  # of A, before each of its turns
    rates: list[float] = field(default_factory=list)

    def build(self, spec: DataSpec) -> Networks:
        return {"A": nn.Linear(2, 2), "B": nn.Linear(2, 2), "still": nn.Linear(2, 2)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        a, b = Phase("A", ("A",), self.a, lr=1e-2), Phase("B", ("B",), self.b, lr=1e-2)
        return (Stage("only", 1.0, (a, b), warmup=1),)

    def a(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        broken = self.breaks(len(self.seen))
        self.seen.append((clock.step, broken))
        self.weights.append(nets["A"].weight.detach().clone())
        out = nets["A"](batch.x)
        if broken and self.how == "gradient":
            out = BadGradient.apply(out, self.value)
        loss = (out - 1).square().mean(1)
        if broken and self.how == "loss":
            loss = loss * self.value
        if broken and self.how == "loss alone":  # its gradient is finite
            loss = loss + self.value
        return Loss({"L": loss})

    def b(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        return Loss({"L": nets["B"](batch.x).square().mean(1)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        return nets["A"](torch.randn(n, 2, generator=rng))


def events(folder: Path) -> list[dict[str, Any]]:
    return [line for line in read_log(folder / "log.jsonl") if line.get("event") == "guard"]


@pytest.mark.parametrize("how", ["loss", "loss alone", "gradient"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_step_is_skipped(how: str, value: float, vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    strategy = Breaking(how=how, value=value, breaks=lambda turn: turn in (3, 4, 9))
    make_engine(strategy, vectors, steps=20).run()
    moved = [not torch.equal(a, b) for a, b in zip(strategy.weights, strategy.weights[1:], strict=False)]
    assert moved == [turn not in (3, 4, 9) for turn in range(19)]
    assert all(w.isfinite().all() for w in strategy.weights)
    lines = [line for line in read_log(tmp_path / "run" / "log.jsonl") if "terms" in line]
    assert lines[-1]["skipped"] == 3
    if how != "gradient":  # in words, since JSON has no such numbers
        assert any(isinstance(line["terms"]["A.L"], str) for line in lines)
    assert events(tmp_path / "run") == []


def test_the_moments_of_the_optimiser_stay_finite(vectors: Data, make_engine: Any) -> None:
    """A skipped step leaves no trace: as if the batch had never been, but for the data and the rate."""
    check = FiniteCheck(torch.device("cpu"), ["A"])
    p = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([p], lr=0.1, fused=True)
    for value in (1.0, float("nan"), 1.0):
        p.grad = torch.full_like(p, value)
        check.clip_and_skip_nonfinite("A", optimizer, torch.tensor(0.0), [p], None)
        optimizer.step()
    other = nn.Parameter(torch.ones(3))
    plain = torch.optim.AdamW([other], lr=0.1, fused=True)
    for _ in range(2):
        other.grad = torch.ones_like(other)
        plain.step()
    assert torch.equal(p, other)
    assert int(check.skipped) == 1 and check.healthy


def test_clipping_and_the_norm_it_reports() -> None:
    check, p = FiniteCheck(torch.device("cpu"), ["A"]), nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.AdamW([p], fused=True)
    p.grad = torch.tensor([3.0, 4.0])
    assert float(check.clip_and_skip_nonfinite("A", optimizer, torch.tensor(0.0), [p], None)) == 5.0
    assert p.grad.tolist() == [3.0, 4.0]
    assert float(check.clip_and_skip_nonfinite("A", optimizer, torch.tensor(0.0), [p], 1.0)) == 5.0
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], abs=1e-5)


def test_rolls_back_with_half_the_rates(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    """Eight bad steps in a row, then sense again: back to the stage's start, once, and to its end from there."""
    strategy = Breaking(breaks=lambda turn: 4 <= turn < 16)
    engine = make_engine(strategy, vectors, steps=24)
    outcome = engine.run()
    assert [(e["action"], e["from_step"], e["step"], e["rate_scale"]) for e in events(tmp_path / "run")] == [
        ("rollback", 16, 0, 0.5)
    ]
    assert [s for s, _ in strategy.seen] == [*range(16), *range(24)]
    assert torch.equal(strategy.weights[16], strategy.weights[0]), "it begins again where it began"
    assert outcome.steps == 24 and engine.counters.rate_scale == 0.5 and engine.counters.rollbacks == 1
    rates = [
        (line["stage_step"], line["rates"]["A"]) for line in read_log(tmp_path / "run" / "log.jsonl") if "terms" in line
    ]
    before, after = dict(rates[:16])[12], dict(rates[16:])[12]
    assert after == pytest.approx(before / 2)


def test_a_phase_that_always_fails_does_not_hide_behind_one_that_never_does(vectors: Data, make_engine: Any) -> None:
    strategy = Breaking(breaks=lambda turn: True)
    with pytest.raises(UserError, match=r"diverged 4 times in stage 'only'"):
        make_engine(strategy, vectors, steps=200).run()


def test_gives_up_after_three_rollbacks_and_says_so(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    strategy = Breaking(breaks=lambda turn: True)
    with pytest.raises(UserError) as error:
        make_engine(strategy, vectors, steps=200).run()
    assert error.value.fix and len(str(error.value).splitlines()) == 2
    found = events(tmp_path / "run")
    assert [e["action"] for e in found] == ["rollback"] * 3 + ["stop"]
    assert [e["rate_scale"] for e in found[:3]] == [0.5, 0.25, 0.125]
    assert len(strategy.seen) == 4 * 8
    assert all(torch.equal(w, strategy.weights[0]) for w in strategy.weights)


def test_rolls_back_to_the_newest_checkpoint_of_the_stage(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    strategy = Breaking(breaks=lambda turn: 20 <= turn < 32)
    make_engine(strategy, vectors, steps=40, checkpoint_every=0.0).run()
    (event,) = events(tmp_path / "run")
    assert event["step"] == 20, "the last step whose weights and moments are good"
    turn = next(i for i in range(1, len(strategy.seen)) if strategy.seen[i][0] < strategy.seen[i - 1][0] + 1)
    assert torch.equal(strategy.weights[turn], strategy.weights[20])


def test_no_checkpoint_is_written_while_steps_are_bad(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    strategy = Breaking(breaks=lambda turn: turn >= 5)
    with pytest.raises(UserError):
        make_engine(strategy, vectors, steps=40, checkpoint_every=0.0).run()
    steps = [int(p.stem.split("-")[1]) for p in (tmp_path / "run" / "checkpoints").iterdir()]
    assert max(steps) == 5


def test_a_run_by_minutes_keeps_its_plan_through_a_rollback(vectors: Data, make_engine: Any, tmp_path: Path) -> None:
    strategy = Breaking(breaks=lambda turn: 12 <= turn < 24)
    outcome = make_engine(strategy, vectors, minutes=0.02).run()
    assert events(tmp_path / "run"), "there was no rollback"
    plan = outcome.plans["only"]
    assert plan.knots and plan.total == outcome.steps


def test_resumed_after_a_rollback(
    vectors: Data, make_engine: Any, stop_after: Any, weights_of: Any, assert_equal: Any
) -> None:
    """Halved rates and the count of rollbacks survive a stop."""

    def bad(turn: int) -> bool:
        return 4 <= turn < 16

    straight = make_engine(Breaking(breaks=bad), vectors, "straight", steps=24)
    straight.run()
    strategy = Breaking(breaks=bad)
    stop_after(20)  # four steps behind the rollback
    with pytest.raises(Interrupted):
        make_engine(strategy, vectors, "stopped", steps=24).run()
    resumed = make_engine(strategy, vectors, "stopped", steps=24)
    resumed.run(resume=True)
    assert resumed.counters.rate_scale == 0.5 and resumed.counters.rollbacks == 1
    assert_equal(weights_of(straight), weights_of(resumed))


def test_a_phase_moves_its_own_networks_only(vectors: Data, make_engine: Any) -> None:
    strategy = Breaking()
    engine = make_engine(strategy, vectors, steps=6)
    before = {k: [p.detach().clone() for p in net.parameters()] for k, net in engine.networks.items()}
    seen: list[tuple[bool, ...]] = []
    real = strategy.b

    def spying(nets: Networks, batch: Batch, clock: Clock) -> Loss:
        seen.append(tuple(p.requires_grad for n in ("A", "B", "still") for p in nets[n].parameters()))
        return real(nets, batch, clock)

    phases = engine.stages[0].phases  # type: ignore[union-attr]
    object.__setattr__(phases[1], "loss", spying)
    engine.run()
    assert set(seen) == {(False, False, True, True, False, False)}
    moved = {
        k: any(not torch.equal(a, b) for a, b in zip(before[k], net.parameters(), strict=True))
        for k, net in engine.networks.items()
    }
    assert moved == {"A": True, "B": True, "still": False}
