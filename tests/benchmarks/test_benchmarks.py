"""The published protocols: data and thresholds, rows beside rows, and a small run of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan.benchmarks import PROTOCOLS, benchmark
from aegan.benchmarks.stacked import triples
from aegan.comparison import Results, Settings, Trial
from aegan.data import TOYS, open_data
from aegan.errors import UserError
from aegan.evaluation.modes import PUBLISHED
from aegan.metrics.modes import RADIUS

Cli = Callable[..., Any]


def test_toys_are_pacgans() -> None:
    ring, grid = TOYS["ring"], TOYS["grid"]
    assert ring.sd == 0.01 and np.allclose(np.linalg.norm(ring.centres, axis=1), 1) and len(ring.centres) == 8
    assert grid.sd == 0.05 and {tuple(c) for c in grid.centres} == {
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }
    assert len(open_data("ring").train) == 100_000
    assert PUBLISHED == PROTOCOLS["ring"].samples == 2500 and RADIUS == 3.0


def test_stacked_is_fixed_and_held_out_apart() -> None:
    digits, data = open_data("digits"), open_data("stacked")
    assert data.train.items.shape == (128_000, 8, 8, 3) and len(data.held_out) == 2000
    assert data.spec.classes == () and data.train.labels is None
    known = {d.tobytes() for d in digits.train.items[..., 0]}
    unseen = {d.tobytes() for d in digits.held_out.items[..., 0]}
    for items, own, other in ((data.train.items, known, unseen), (data.held_out.items, unseen, known)):
        channels = {np.ascontiguousarray(image[..., c]).tobytes() for image in items[:200] for c in range(3)}
        assert channels <= own and not channels & other
    assert np.array_equal(open_data("stacked").train.items[:50], data.train.items[:50])


def test_triples_are_numbers() -> None:
    class Judge:
        def labels(self, images: np.ndarray) -> np.ndarray:
            return images[:, 0, 0, 0].astype(np.int64)

    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[0, 0, 0], images[1, 0, 0] = (1, 2, 3), (9, 0, 5)
    assert triples(Judge(), images).tolist() == [123, 905]  # type: ignore[arg-type]


def test_published_rows() -> None:
    ring = {(r.source[:6], r.method): r for r in PROTOCOLS["ring"].rows}
    assert ring["PacGAN", "GAN"].modes == 6.3 and ring["VEEGAN", "GAN"].modes == 1  # the same method, two protocols
    assert ring["PacGAN", "PacGAN4"].steps == 400_000 and ring["PacGAN", "PacGAN4"].quality == pytest.approx(0.959)
    assert {r.kl for r in PROTOCOLS["stacked"].rows if r.source[:6] == "PacGAN"} == {4.5, 0.06, 0.07}


def toy(strategy: str, seed: int, modes: float | None) -> Trial:
    if modes is None:
        return Trial(strategy, seed, "x", "diverged", "not finite")
    figures = {
        "modes": {"value": modes, "baseline": 8.0}, "quality": {"value": 0.9, "baseline": 0.9889},
        "reverse_kl": {"value": 0.1},
    }  # fmt: skip
    return Trial(strategy, seed, "x", "finished", steps=7, figures=figures)


def test_a_failed_trial_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def compared(data: str, strategies: list[str], *, seeds: int, steps: int, **_: Any) -> Results:
        settings = Settings(data=data, strategies=tuple(strategies), seeds=seeds, steps=steps, batch_size=100)
        return Results(settings, tuple(toy(s, i, 8.0 if i else None) for s in strategies for i in range(seeds)), {})

    monkeypatch.setattr("aegan.benchmarks.running.compare", compared)
    found = benchmark("ring", ["latent"], out=tmp_path, seeds=4, steps=7)
    mine, theirs = found.ours
    assert mine.modes == 6.0 and mine.failed == 1 and mine.quality == pytest.approx(0.675)
    assert mine.kl == pytest.approx((np.log(8) + 0.3) / 4, rel=1e-5)
    assert mine.differences[0] == "7 steps instead of 400,000"
    assert theirs.method == "gan, PacGAN's networks" and "our networks, optimisers and losses" not in theirs.differences
    content = json.loads((tmp_path / "results.json").read_text())
    assert len(content["rows"]) == 11 and content["command"].startswith("aegan benchmark ring --strategies latent")
    table = (tmp_path / "table.md").read_text()
    assert "| **latent** | aegan | 7 | 4 (1 failed) | 6.0" in table and "| PacGAN4 |" in table
    assert "98.9 % high quality" in str(found)


def test_unknown(tmp_path: Path, aegan_cli: Cli) -> None:
    with pytest.raises(UserError, match="Unknown benchmark 'rings'"):
        benchmark("rings", out=tmp_path)
    aegan_cli("benchmark", "rings", "--out", tmp_path / "x").refused("Did you mean 'ring'")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ring", "stacked"])
def test_small_runs(name: str, tmp_path: Path, aegan_cli: Cli) -> None:
    said = aegan_cli(
        "benchmark", name, "--strategies", "autoencoder", "--seeds", 1, "--steps", 20, "--no-published", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    content = json.loads((tmp_path / "results.json").read_text())
    row = content["rows"][0]
    assert row["method"] == "autoencoder" and row["steps"] == 20
    assert content["command"].endswith("--no-published") == (name == "ring"), "stacked has no published networks"
