"""Modes of stacked digits: closed forms, and the published floor."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import stacked_report


def test_missing_and_uneven_modes() -> None:
    found = stacked_report(np.repeat([3, 5, 9], [20, 10, 10]), 10)
    assert found.covered == 3 and found.modes == 10 and found.samples == 40
    assert found.reverse_kl == pytest.approx(0.5 * np.log(5) + 0.5 * np.log(2.5))


def test_the_floor_is_what_a_perfect_sampler_gets() -> None:
    found = stacked_report(np.random.default_rng(1).integers(0, 1000, 26000), 1000)
    assert found.perfect_reverse_kl == pytest.approx(0.0193, abs=0.0005)
    assert found.reverse_kl == pytest.approx(found.perfect_reverse_kl, rel=0.1) and found.covered == 1000
    few = stacked_report(np.random.default_rng(1).integers(0, 1000, 2000), 1000)
    # P(a mode is missed) = (1 − 1/1000)^2000
    assert few.perfect_covered == pytest.approx(1000 * (1 - 0.999**2000), rel=0.005)
    assert few.perfect_reverse_kl == pytest.approx(0.3, abs=0.03)


def test_what_is_no_label_is_refused() -> None:
    with pytest.raises(UserError, match="0 to 9, got 3 to 10"):
        stacked_report(np.array([3, 10]), 10)
    with pytest.raises(UserError, match="whole-number"):
        stacked_report(np.array([0.5]), 10)
