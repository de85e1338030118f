"""An evaluation of vectors: mode coverage where modes are known, distances between the vectors themselves."""

from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import make_data, ring, ring_run

from aegan.errors import UserError
from aegan.evaluation import evaluate_run


def test_a_perfect_sampler_of_the_ring(tmp_path: Path) -> None:
    found = evaluate_run(ring_run(tmp_path))
    assert found["modes"].value == found["modes"].baseline == 8
    assert found["quality"].value == pytest.approx(0.98889, abs=0.01)
    assert found["spread"].value == pytest.approx(1, abs=0.05)
    assert found["fd"].value is not None and found["fd"].value < 0.02
    assert found["rmse"].value == pytest.approx(0.01, rel=0.2)
    assert found.extractor == {} and found.counts["samples"] == 1000
    assert sorted(p.stem for p in (tmp_path / "evaluation").iterdir()) == ["reconstructions", "samples"]
    assert "raw vectors" in str(found) and "8 modes" in str(found)


def test_a_collapsed_sampler(tmp_path: Path) -> None:
    found = evaluate_run(ring_run(tmp_path, makes=np.repeat(ring(1, 0), 2500, axis=0)))
    assert found["modes"].value == 1 and found["reverse_kl"].value == pytest.approx(np.log(8))
    assert found["spread"].value == 0 and found["fd"].value is not None and found["fd"].value > 0.5


def test_a_diverged_sampler_is_said_to_have_diverged(tmp_path: Path) -> None:
    found = evaluate_run(ring_run(tmp_path, makes=np.full((2500, 2), np.nan, np.float32)))
    assert found["fd"].value is None and "diverged" in found["fd"].why and "diverged" in found.remarks[-1]
    assert found["spread"].value is None and found["reverse_kl"].value is None


def test_unknown_modes_are_not_guessed(tmp_path: Path) -> None:
    run = ring_run(tmp_path)
    run._data = make_data(ring(200, 0), ring(100, 1), "mine")
    names = [f.name for f in evaluate_run(run).figures]
    assert "fd" in names and "rmse" in names and "modes" not in names
    with pytest.raises(UserError, match="modes of this data are not known"):
        evaluate_run(run, metrics="modes")
