"""Models that earlier versions wrote, and what they gave then: they load for ever, and give the same.

Made by scripts/make_golden.py; a file that is there is never made anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import aegan
import aegan.model
from aegan.bundle import FORMAT
from aegan.data.loader import to_items
from aegan.engine.device import autocast
from aegan.model import Model

GOLDEN = sorted((Path(__file__).parent / "golden").glob("format-*/*"))


@pytest.fixture(params=GOLDEN, ids=lambda p: f"{p.parent.name}-{p.name}")
def golden(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def near(got: np.ndarray, expected: np.ndarray, mean: float, largest: float) -> None:
    assert got.shape == expected.shape and got.dtype == expected.dtype
    difference = np.abs(got.astype(float) - expected.astype(float))
    assert difference.mean() <= mean and difference.max() <= largest, (difference.mean(), difference.max())


def drawn(model: Model, seed: int, label: int | None = None, truncation: float = 1.0) -> np.ndarray:
    """Six samples from one generator, as `Model.sample` drew them when the files were made; now each has its own seed."""
    y = None if label is None else torch.full((6,), label)
    precision = "fp32" if model.spec.is_vector else aegan.model.pick_precision("auto", model.device)
    with torch.inference_mode(), autocast(model.device, precision):
        made = model.strategy.sample(model.networks, 6, y, truncation, torch.Generator().manual_seed(seed))
    return to_items(made.float(), model.mean, model.scale)


def test_there_is_one_of_every_format() -> None:
    assert {p.parent.name for p in GOLDEN} == {f"format-{i}" for i in range(1, FORMAT + 1)}
    assert len(GOLDEN) >= 2 and all(sum(f.stat().st_size for f in p.iterdir()) <= 60_000 for p in GOLDEN)


def test_it_loads_and_gives_the_same(golden: Path) -> None:
    model = aegan.load(golden, "cpu")
    with np.load(golden / "expected.npz") as expected:
        near(model.encode(expected["items"]), expected["codes"], 1e-4, 1e-3)
        images = model.spec.is_image
        # half a grey level, rounded; vectors in their own units
        near(model.decode(expected["codes"]), expected["back"], *((0.01, 1) if images else (1e-4, 1e-3)))
        # samples are made in 16 bits where the processor gains from it, else in 32
        of_samples = (1.0, 12.0) if images else (1e-4, 1e-3)
        near(drawn(model, 1), expected["samples"], *of_samples)
        near(drawn(model, 2, 1 if model.spec.classes else None, 0.8), expected["of_class"], *of_samples)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_in_either_precision(golden: Path, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegan.model.pick_precision", lambda *_: precision)
    test_it_loads_and_gives_the_same(golden)


def test_it_can_be_written_again(golden: Path, tmp_path: Path) -> None:
    model = aegan.load(golden, "cpu")
    again = Model.read(model.save(tmp_path / "again"), "cpu")
    assert np.array_equal(again.sample(6, seed=1), model.sample(6, seed=1))
