"""A 95 % interval holds the mean of normal data 95 times of 100."""

import math

import numpy as np
import pytest

from aegan.metrics import Measured


def test_covers_a_normal_mean_as_often_as_it_says() -> None:
    x = np.random.default_rng(0).normal(2, 1, (4000, 50))
    found = [Measured.normal(row.mean(), 1 / math.sqrt(50)) for row in x]
    assert np.mean([f.low <= 2 <= f.high for f in found]) == pytest.approx(0.95, abs=0.012)


def test_is_cut_at_what_the_measure_can_take() -> None:
    found = Measured.normal(0.99, 0.1, least=0.0, most=1.0)
    assert found.high == 1.0 and found.low == pytest.approx(0.794, abs=1e-3)


def test_no_standard_error_means_no_interval() -> None:
    found = Measured.normal(1.0, float("nan"), least=0.0)
    assert found.value == 1 and math.isnan(found.low) and math.isnan(found.high)
