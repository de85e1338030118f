"""Precision, recall, density and coverage against the `prdc` package, in pieces of any size."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import prdc


def features(n: int, d: int = 8, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(n, d)) + shift


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("area", [2**25, 1000])
@pytest.mark.parametrize(
    ("n", "m", "k", "kind"), [(200, 200, 5, np.float64), (150, 230, 3, np.float64), (180, 90, 5, np.float32)]
)
def test_equals_the_package(n: int, m: int, k: int, kind: type, area: int, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("prdc")
    monkeypatch.setattr("aegan.metrics.checks.AREA", area)
    real, fake = features(n).astype(kind), features(m, seed=1, shift=0.4, scale=0.8).astype(kind)
    want = package.compute_prdc(real, fake, k)
    got = prdc(real, fake, k=k)
    for name, value in want.items():
        assert got[name].value == pytest.approx(float(value), abs=1e-5), name
    assert 0.1 < got["recall"].value < 0.95  # a case where something is to be told apart


def test_features_far_from_the_origin_keep_their_distances() -> None:
    real, fake = features(200), features(200, seed=1, shift=0.4)
    far = prdc((real + 300).astype(np.float32), (fake + 300).astype(np.float32))
    assert far["density"].value == pytest.approx(prdc(real, fake)["density"].value, abs=0.02)


def test_intervals_hold_the_values_and_are_as_wide_as_the_counted_items_make_them() -> None:
    real = features(400)
    values = [prdc(real, features(200, seed=s, shift=0.3)) for s in range(1, 41)]
    shares = [v["precision"].value for v in values]
    assert np.mean([v["precision"].standard_error for v in values]) == pytest.approx(np.std(shares, ddof=1), rel=0.3)
    assert all(each.low <= each.value <= each.high for each in values[0].values())


def test_copies_and_constants() -> None:
    real = features(50)
    same = prdc(real, real)
    assert same["precision"].value == same["coverage"].value == same["recall"].value == 1
    one = prdc(np.zeros((10, 3)), np.zeros((10, 3)))
    assert one["precision"].value == one["density"].value == 0  # nothing is strictly inside a ball of no width
    assert prdc(real, np.full((20, 8), 1e3))["coverage"].value == 0


def test_too_few_items_are_refused() -> None:
    with pytest.raises(UserError, match="k = 5 needs at least 6 samples, got 5"):
        prdc(features(20), features(5))
