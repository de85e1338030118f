"""The error bar of a Fréchet distance against the spread over fresh draws, and its distance against `frechet_distance`."""

import math

import numpy as np
import pytest
import torch

from aegan.errors import UserError
from aegan.metrics import frechet_distance, frechet_interval, statistics


def draw(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Skewed features of unequal variances, as networks give them."""
    g = torch.Generator().manual_seed(seed)
    x = torch.empty(n, d, dtype=torch.float64).exponential_(generator=g) - 1
    return scale * x * torch.logspace(0, -1, d, dtype=torch.float64) + shift


@pytest.mark.parametrize(("n", "m", "d"), [(200, 400, 8), (150, 500, 40), (60, 200, 100)])
def test_is_the_spread_over_fresh_draws(n: int, m: int, d: int) -> None:
    found = [frechet_interval(draw(n, d, 2 * s, 1.6, 0.3), draw(m, d, 2 * s + 1)) for s in range(120)]
    actual = np.std([f.value for f in found], ddof=1)
    assert np.mean([f.standard_error for f in found]) == pytest.approx(actual, rel=0.25)


def test_both_sides_count() -> None:
    few, many = draw(100, 6, 0, 2.0), draw(3000, 6, 1)
    assert frechet_interval(few, many).standard_error > 3 * frechet_interval(draw(3000, 6, 2, 2.0), many).standard_error
    back, forth = frechet_interval(few, many), frechet_interval(many, few)
    assert back.standard_error == pytest.approx(forth.standard_error, rel=1e-5)


def test_near_the_floor_it_is_wide_rather_than_narrow() -> None:
    found = [frechet_interval(draw(100, 20, 2 * s), draw(300, 20, 2 * s + 1)) for s in range(80)]
    ratio = np.mean([f.standard_error for f in found]) / np.std([f.value for f in found], ddof=1)
    assert 0.8 < ratio < 2.2


@pytest.mark.parametrize(("n", "m", "d"), [(50, 80, 10), (20, 30, 60)])
def test_the_value_is_that_of_the_distance(n: int, m: int, d: int) -> None:
    a, b = draw(n, d, 0, 1.3), draw(m, d, 1)
    got = frechet_interval(a, b)
    assert got.value == pytest.approx(frechet_distance(a, b), rel=1e-9) and got.low < got.value < got.high
    assert frechet_interval(a, b, known=(statistics(a), statistics(b))) == got


def test_constant_features_and_few_items() -> None:
    still = frechet_interval(np.zeros((20, 3)), np.full((20, 3), 2.0))
    assert still.value == pytest.approx(12) and still.standard_error == pytest.approx(0, abs=1e-6)
    assert math.isnan(frechet_interval(draw(5, 3, 0), draw(50, 3, 1)).low)
    dead = draw(50, 4, 0) * torch.tensor([1.0, 1.0, 0.0, 1.0])  # a feature that never fires
    assert 0 < frechet_interval(dead, draw(50, 4, 1)).standard_error < 10


def test_bad_features_are_named() -> None:
    with pytest.raises(UserError, match="4 and of 3"):
        frechet_interval(draw(20, 4, 0), draw(20, 3, 1))
    with pytest.raises(UserError, match="finite"):
        frechet_interval(draw(20, 4, 0) * math.nan, draw(20, 4, 1))
    a, b = draw(20, 4, 0), draw(20, 4, 1)
    with pytest.raises(UserError, match="counts differ"):
        frechet_interval(a, b, known=(statistics(a[:10]), statistics(b)))
