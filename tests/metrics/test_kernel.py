"""The kernel distance against torchmetrics' function, and its standard error against fresh draws."""

import numpy as np
import pytest
import torch

from aegan.errors import UserError
from aegan.metrics import kernel_distance


def features(n: int, d: int = 12, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).exponential(1.0, (n, d)) + shift


@pytest.mark.parametrize(("n", "m"), [(40, 40), (50, 70)])
def test_equals_torchmetrics_over_the_subsets_of_torch_fidelity(n: int, m: int) -> None:
    from torchmetrics.image.kid import poly_mmd

    a, b = features(n), features(m, seed=1, shift=0.2)
    rng = np.random.RandomState(5)
    want = [
        float(poly_mmd(torch.from_numpy(a[i]), torch.from_numpy(b[j])))
        for i, j in ((rng.choice(n, 30, replace=False), rng.choice(m, 30, replace=False)) for _ in range(6))
    ]
    got = kernel_distance(a, b, subsets=6, subset_size=30, seed=5)
    assert got.value == pytest.approx(np.mean(want), rel=1e-10)
    single = kernel_distance(a.astype(np.float32), b.astype(np.float32), subsets=6, subset_size=30, seed=5)
    assert single.value == pytest.approx(got.value, abs=1e-5)


def test_all_items_are_used_once_where_a_subset_holds_them_all() -> None:
    from torchmetrics.image.kid import poly_mmd

    a, b = features(30), features(30, seed=1, shift=0.2)
    want = float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)))
    assert kernel_distance(a, b).value == pytest.approx(want, rel=1e-10)


def test_equal_distributions_give_zero_on_average() -> None:
    found = [kernel_distance(features(60, seed=2 * s), features(60, seed=2 * s + 1)) for s in range(80)]
    values = np.array([f.value for f in found])
    assert abs(values.mean()) < 3 * values.std() / 80**0.5
    assert np.mean([f.low <= 0 <= f.high for f in found]) > 0.9


def test_standard_error_is_that_of_fresh_draws() -> None:
    found = [
        kernel_distance(
            features(300, seed=2 * s), features(200, seed=2 * s + 1, shift=0.3), subsets=10, subset_size=100
        )
        for s in range(100)
    ]
    actual = np.std([f.value for f in found], ddof=1)
    assert np.mean([f.standard_error for f in found]) == pytest.approx(actual, rel=0.25)


def test_constant_features_have_a_distance() -> None:
    # k = (0 + 1)³ = 1 and (1 + 1)³ = 8, across 1
    assert kernel_distance(np.zeros((5, 3)), np.ones((5, 3))).value == pytest.approx(1 + 8 - 2)


def test_bad_features_are_named() -> None:
    with pytest.raises(UserError, match="at least 2 second items, got 1"):
        kernel_distance(features(5), features(1))
    bad = features(5)
    bad[3, 2] = np.nan
    with pytest.raises(UserError, match="item 3"):
        kernel_distance(features(5), bad)
    with pytest.raises(UserError, match="12 and of 3"):
        kernel_distance(features(5), features(5, 3))
