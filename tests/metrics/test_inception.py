"""The Inception score in closed form, and against its definition."""

import math

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import inception_score


def test_sure_and_balanced_is_the_number_of_classes_and_unsure_is_one() -> None:
    assert inception_score(np.tile(np.eye(10), (20, 1))).value == pytest.approx(10)
    assert inception_score(np.full((100, 10), 0.1)).value == pytest.approx(1)


def test_equals_the_entropies_of_its_definition() -> None:
    p = np.random.default_rng(0).dirichlet([0.3] * 5, 200)
    want = []
    for part in np.split(p, 4):
        entropy = -(part * np.log(part)).sum(1).mean()
        whole = -(part.mean(0) * np.log(part.mean(0))).sum()
        want.append(math.exp(whole - entropy))
    got = inception_score(p, splits=4)
    assert got.value == pytest.approx(np.mean(want), rel=1e-9)
    assert got.standard_error == pytest.approx(np.std(want, ddof=1) / 2)
    assert math.isnan(inception_score(p, splits=1).standard_error)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(UserError, match="sum to 1"):
        inception_score(np.full((20, 3), 0.5))
    with pytest.raises(UserError, match="at least 10 samples"):
        inception_score(np.eye(3))
