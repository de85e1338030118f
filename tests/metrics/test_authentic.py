"""Authenticity by hand, and of copies and of new data."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import authenticity


def test_by_hand() -> None:
    train = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])  # nearest others at 3, 3 and 4
    samples = np.array([[0.0, 2.9], [0.0, -3.1], [3.0, 7.9], [3.0, 8.1], [3.0, 0.0]])
    found = authenticity(train, samples)
    assert found.authentic.tolist() == [False, True, False, True, False]
    assert found.nearest.tolist() == [0, 0, 2, 2, 1]
    assert found.share.value == 0.4 and found.share.standard_error == pytest.approx((0.4 * 0.6 / 5) ** 0.5)


def test_new_data_are_authentic_about_half_of_the_time_and_copies_never() -> None:
    g = np.random.default_rng(0)
    train, new = g.normal(size=(800, 6)), g.normal(size=(400, 6))
    assert authenticity(train, new).share.value == pytest.approx(0.5, abs=0.1)
    assert authenticity(train, train[:100] + 0.01 * g.normal(size=(100, 6))).share.value == 0


def test_twins_in_the_training_set_make_each_near_sample_authentic() -> None:
    assert authenticity(np.zeros((5, 2)), np.array([[0.1, 0.0], [0.0, 0.0]])).authentic.tolist() == [True, False]


def test_one_training_item_is_too_few() -> None:
    with pytest.raises(UserError, match="at least 2 training items, got 1"):
        authenticity(np.zeros((1, 2)), np.zeros((4, 2)))
