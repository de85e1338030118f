"""The data-copying test: its statistic against SciPy and by hand, its verdict on copies, new and poor samples."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import data_copying
from aegan.metrics.cells import mann_whitney


def test_mann_whitney_equals_scipy_with_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    g = np.random.default_rng(0)
    q, p = g.integers(0, 9, 40).astype(float), g.integers(2, 12, 25).astype(float)
    want = stats.mannwhitneyu(q, p, use_continuity=False, method="asymptotic")
    # the test of one side, turned back into z
    assert mann_whitney(q, p) == pytest.approx(
        np.sign(want.statistic - 500) * stats.norm.isf(want.pvalue / 2), rel=1e-6
    )
    assert mann_whitney(np.ones(5), np.ones(7)) == 0


def test_by_hand() -> None:
    # distances to {0}: samples 1, 2, held-out 3, 4: U = 0, mean 2, sd √(2·2·5/12); one cell
    found = data_copying(np.zeros((4, 1)), np.array([[3.0], [4.0]]), np.array([[1.0], [2.0]]), cells=1, least=2)
    assert found.c_t == pytest.approx(-2 / (20 / 12) ** 0.5)
    assert found.counted == 1 and found.standard_error == 1 and found.cells[0].train == 4


def clusters(n: int, seed: int, spread: float = 1.0) -> np.ndarray:
    g = np.random.default_rng(seed)
    return 12 * g.integers(0, 3, (n, 1)) + spread * g.normal(size=(n, 4))


def test_new_data_pass_copies_are_below_and_poor_samples_above() -> None:
    train, held_out = clusters(600, 0), clusters(300, 1)

    def c_t(samples: np.ndarray) -> float:
        return data_copying(train, held_out, samples, cells=3).c_t

    found = [c_t(clusters(300, s)) for s in range(2, 10)]
    assert abs(np.mean(found)) < 2
    assert c_t(train[:300] + 0.05) < -8
    assert c_t(clusters(300, 2, spread=2.0)) > 4


def test_copies_in_one_cell_show_in_that_cell() -> None:
    train, held_out, samples = clusters(600, 0), clusters(300, 1), clusters(300, 2)
    copied = samples.mean(1) < 6
    samples[copied] = train[train.mean(1) < 6][: copied.sum()] + 0.05
    found = data_copying(train, held_out, samples, cells=3)
    assert min(cell.z for cell in found.cells) < -5 and max(cell.z for cell in found.cells) > -3
    assert sum(cell.samples for cell in found.cells) == 300


def test_a_cell_without_enough_samples_does_not_count() -> None:
    train, held_out, samples = clusters(600, 0), clusters(300, 1), clusters(300, 2)
    found = data_copying(train, held_out, samples[samples.mean(1) < 18], cells=3)
    assert sum(np.isnan(cell.z) for cell in found.cells) == 1 and 0.5 < found.counted < 0.8


def test_too_few_items_are_refused() -> None:
    with pytest.raises(UserError, match="at least 20 samples, got 5"):
        data_copying(clusters(50, 0), clusters(50, 1), clusters(5, 2))
    with pytest.raises(UserError, match="got 60"):
        data_copying(clusters(50, 0), clusters(50, 1), clusters(50, 2), cells=60)
