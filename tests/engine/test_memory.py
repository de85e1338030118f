"""Memory that runs out: smaller pieces, the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

from aegan.data import Data
from aegan.data.loader import Batch, Loader
from aegan.data.spec import DataSpec
from aegan.engine.loop import Interrupted
from aegan.engine.memory import LEAST, halved, out_of_memory, split
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.strategies import Clock, Fit, Loss, Networks, Phase, Stage, Strategy


def cuda() -> BaseException:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def machine() -> BaseException:
    return RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: ...")


@dataclass(frozen=True)
class Small(Strategy):
    """A linear model whose loss fits into memory only for so many examples."""

    name = "small"
    paper = summary = where = ""
    capabilities = frozenset({"sample"})

    batch_size: int = 8
    room: int = 8
    pack: int = 1
    error: Callable[[], BaseException] = cuda
    seen: list[int] = field(default_factory=list)

    def build(self, spec: DataSpec) -> Networks:
        return {"A": nn.Linear(2, 2)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (Stage("only", 1.0, (Phase("A", ("A",), self.a, lr=1e-2),), warmup=1),)

    def a(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        self.seen.append(len(batch.x))
        if len(batch.x) > self.room:
            raise self.error()
        assert len(batch.index) == len(batch.x)
        loss = (nets["A"](batch.x) - 1).square().mean(1)
        return Loss({"L": loss}, {"seen": loss})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        return nets["A"](torch.randn(n, 2, generator=rng))


def log_of(folder: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in read_log(folder / "log.jsonl") if line.get("event") == event]


@pytest.mark.parametrize("error", [cuda, machine, MemoryError])
def test_the_batch_is_halved_and_the_weights_are_those_of_the_whole(
    error: Callable[[], BaseException], vectors: Data, make_engine: Any, weights_of: Any, stopper: Any, tmp_path: Path
) -> None:
    whole = make_engine(Small(), vectors, "whole").run()
    small = Small(room=2, error=error)
    outcome = make_engine(small, vectors, display=stopper).run()
    assert small.seen == [8, 4, *[2] * 4 * 12]
    for name, value in weights_of(whole).items():
        torch.testing.assert_close(weights_of(outcome)[name], value)
    found = log_of(tmp_path / "run", "memory")
    assert [(e["phase"], e["step"], e["parts"], e["micro_batch"]) for e in found] == [("A", 0, 2, 4), ("A", 0, 4, 2)]
    assert "only: memory ran out at step 0; batches of 8 go on as 4 × 2" in stopper.said
    terms = [
        [line["terms"] for line in read_log(tmp_path / run / "log.jsonl") if "terms" in line]
        for run in ("run", "whole")
    ]
    assert [t["A.L"] for t in terms[0]] == pytest.approx([t["A.L"] for t in terms[1]], rel=1e-4)
    assert terms[0][-1]["A.|grad|"] == pytest.approx(terms[1][-1]["A.|grad|"], rel=1e-4)


def test_the_size_of_the_pieces_survives_a_stop(
    vectors: Data, make_engine: Any, stop_after: Any, weights_of: Any, assert_equal: Any
) -> None:
    straight = make_engine(Small(room=4), vectors, "straight").run()
    stop_after(5)
    with pytest.raises(Interrupted):
        make_engine(Small(room=4), vectors).run()
    resumed = Small(room=4)
    outcome = make_engine(resumed, vectors).run(resume=True)
    assert set(resumed.seen) == {4}, "it did not try the whole batch again"
    assert_equal(weights_of(straight), weights_of(outcome))


@pytest.mark.parametrize(("pack", "room"), [(1, 1), (4, 3)])
def test_too_little_for_two_examples_or_one_pack(pack: int, room: int, vectors: Data, make_engine: Any) -> None:
    with pytest.raises(UserError, match=r"Memory ran out in stage 'only' \(step 0\)") as error:
        make_engine(Small(room=room, pack=pack), vectors).run()
    assert "--batch-size" in error.value.fix


def test_memory_that_runs_out_elsewhere(vectors: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Loader) -> Batch:
        raise machine()

    monkeypatch.setattr(Loader, "next", full)
    with pytest.raises(UserError, match="Memory ran out"):
        make_engine(Small(), vectors).run()


def test_other_errors_stay_what_they_are(vectors: Data, make_engine: Any) -> None:
    def other() -> BaseException:
        return RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    assert not out_of_memory(other())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        make_engine(Small(room=1, error=other), vectors).run()


def test_a_rollback_keeps_the_pieces(vectors: Data, make_engine: Any) -> None:
    bad = Small(room=4)
    real, turns = bad.a, []

    def broken(nets: Networks, batch: Batch, clock: Clock) -> Loss:
        loss = real(nets, batch, clock)
        turns.append(len(batch.x))
        return Loss({"L": loss.terms["L"] * float("nan")}) if 10 < len(turns) < 36 else loss

    engine = make_engine(bad, vectors, steps=24)
    object.__setattr__(engine.stages[0].phases[0], "loss", broken)
    engine.run()
    assert engine.counters.rollbacks == 1 and engine.counters.parts == 2
    assert bad.seen.count(8) == 1


@pytest.mark.parametrize("name", ["latent", "gan", "vae"])
def test_strategies_in_pieces(name: str, pictures: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes, labels and pieces of unequal size, through every phase."""
    engine = make_engine(narrow(name, batch_size=14), pictures, steps=8)
    engine.counters.parts = 4
    engine.run()
    assert all(p.isfinite().all() for net in engine.networks.values() for p in net.parameters())


def test_pieces_are_the_batch() -> None:
    import numpy as np

    batch = Batch(torch.randn(23, 2), torch.arange(23), np.arange(23))
    parts = 1
    while (more := halved(parts, 23)) is not None:
        parts = more
        pieces = split(batch, parts)
        assert torch.equal(torch.cat([p.x for p in pieces]), batch.x)
        assert torch.equal(torch.cat([p.y for p in pieces if p.y is not None]), torch.arange(23))
        assert np.concatenate([p.index for p in pieces]).tolist() == list(range(23))
        assert min(len(p.x) for p in pieces) >= LEAST
    assert parts == 8
