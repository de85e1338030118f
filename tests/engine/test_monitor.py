"""The best model while training: found by training items only, within its share of the time, and resumed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aegan.data import Data, open_data
from aegan.engine import Engine
from aegan.engine.monitor import LOOK_IMAGES, TICKS, Best, Monitor, due
from aegan.jsonl import read_log
from aegan.strategies import strategy


class Making:
    """Samples as they are given, one set a call."""

    capabilities = frozenset({"sample"})

    def __init__(self, *sets: np.ndarray) -> None:
        self.sets = list(sets)

    def sample(self, nets: Any, n: int, y: Any, truncation: float, rng: torch.Generator) -> torch.Tensor:
        return torch.from_numpy(self.sets.pop(0)).float()


def test_the_nearest_samples_are_the_best(vectors: Data) -> None:
    items = (np.asarray(vectors.train.items) - vectors.train.mean) / vectors.train.scale
    far, lost = items + 5, np.full_like(items, np.nan)
    monitor: Any = Monitor(Making(far, items, lost, far), vectors, torch.device("cpu"))  # type: ignore[arg-type]
    looks, better = zip(*(monitor.look({}, step) for step in (1, 2, 3, 4)), strict=True)
    values = [look.fd_pixels for look in looks]
    assert better == (True, True, False, False) and monitor.best.step == 2
    assert values[1] < 1e-6 < values[0] == values[3] and values[2] == float("inf")


def test_ticks_are_few_and_not_soon_after_one_another() -> None:
    progress = list(pairwise(np.linspace(0, 1, 101)))
    assert sum(due(a, b, LOOK_IMAGES) for a, b in progress) == TICKS
    found = [due(a, b, LOOK_IMAGES - 1) for a, b in progress]
    assert sum(found) == 1 and found[-1], "only the last, so that the last model has figures too"


def test_what_a_look_tells(vectors: Data) -> None:
    """Data itself, data in one heap, and training items again."""
    train, held = (
        (np.asarray(s.items) - vectors.train.mean) / vectors.train.scale for s in (vectors.train, vectors.held_out)
    )
    rng = np.random.default_rng(0)
    heap = train[:1] + 0.01 * rng.standard_normal((500, 2))
    copies = train[rng.integers(0, len(train), 500)] + 1e-5
    angle = rng.uniform(0, 2 * np.pi, 500)
    new = 3 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.standard_normal((500, 2))
    new = (new - vectors.train.mean) / vectors.train.scale
    monitor: Any = Monitor(Making(new, heap, copies), vectors, torch.device("cpu"))  # type: ignore[arg-type]
    well, heaped, copied = (monitor.look({}, step)[0] for step in (1, 2, 3))
    assert 0.7 < well.diversity < 1.4 and well.coverage > 0.7 and abs(well.kernel) < 3 * well.kernel_error
    assert heaped.diversity < 0.1 and heaped.coverage < 0.1 and heaped.kernel > 5 * heaped.kernel_error
    assert copied.novelty < 0.05 < 0.5 < well.novelty
    assert len(held) and well.r2 is None, "nothing is encoded here"


def test_large_images_are_made_a_part_at_a_time() -> None:
    counts = []

    class Noting:
        capabilities = frozenset({"sample"})

        def sample(self, nets: Any, n: int, y: Any, truncation: float, rng: torch.Generator) -> torch.Tensor:
            counts.append(n)
            return torch.rand((n, 1, 128, 128), generator=rng)

    data = open_data(np.random.default_rng(0).integers(0, 256, (60, 128, 128), np.uint8), size=128)
    monitor = Monitor(Noting(), data, torch.device("cpu"))  # type: ignore[arg-type]
    assert monitor.look({}, 1)[0].fd_pixels is not None
    assert counts == [125] * 4


def test_looking_changes_nothing_and_is_resumed(
    pictures: Data, make_engine: Callable[..., Engine], weights_of: Any, assert_equal: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("aegan.engine.monitor.LOOK_IMAGES", 0)  # at each eighth of the stage
    kind = strategy("gan")(width=8, critic_width=8, batch_size=8)
    plain = make_engine(kind, pictures, "plain", guard="off", early_stop="off")
    plain.run()
    assert not [x for x in read_log(tmp_path / "plain" / "log.jsonl") if x.get("event") == "tick"]
    watched = make_engine(kind, pictures, "watched", early_stop="off")
    kept: list[int] = []
    watched.save_best = lambda networks, counters, notes: kept.append(counters.step)
    watched.run()
    assert_equal(weights_of(plain), weights_of(watched))
    lines = [line for line in read_log(tmp_path / "watched" / "log.jsonl") if line.get("event") == "tick"]
    assert [line["step"] for line in lines if line["kept"]] == kept and kept
    assert lines[-1]["step"] == 12, "the last model has a figure"
    assert len(lines) > 1, "it was trained on after a look"
    again = make_engine(kind, pictures, "watched", early_stop="off")
    again.saving.load()
    assert again.monitor.best == watched.monitor.best != Best()


def test_a_run_keeps_its_best_model(trained: Path) -> None:
    from aegan.runs.folder import Run

    run = Run(trained)
    best = [line for line in run.log if "fd_pixels" in line]
    step = min(best, key=lambda line: line["fd_pixels"])["step"]
    assert run.best_model.notes["training"]["steps"] == step
    assert run.best_model.sample(2).shape == run.model.sample(2).shape


def test_the_best_model_of_a_batch_normalised_network_has_its_own_statistics(
    vectors: Data, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.engine.monitor.LOOK_IMAGES", 0)
    kind = strategy("gan")(networks="pacgan", gamma=0, loss="nonsaturating", width=8, critic_width=8, batch_size=8)
    engine = make_engine(kind, vectors, early_stop="off")
    kept: list[list[torch.Tensor]] = []

    def statistics() -> list[torch.Tensor]:
        return [b.clone() for name, b in engine.networks["G"].named_buffers() if "running" in name]

    def keep(networks: Any, counters: Any, notes: Any) -> None:
        kept.append(statistics())
        kind.settle(networks, engine.view)  # of these weights
        assert all(torch.allclose(a, b) for a, b in zip(kept[-1], statistics(), strict=True))

    engine.save_best = keep
    engine.run()
    assert kept and kept[0]


@pytest.mark.parametrize("name", ["autoencoder"])
def test_where_no_samples_are_made_none_is_kept(name: str, pictures: Data, make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(strategy(name)(width=8), pictures)
    engine.save_best = lambda networks, counters, notes: pytest.fail("nothing to keep")
    engine.run()
    assert engine.monitor.best == Best()
