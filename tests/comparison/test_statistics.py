"""The exact test, against SciPy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import wilcoxon

from aegan.comparison.statistics import difference, least_p, rounded, signed_rank


@pytest.mark.parametrize("seed", range(6))
def test_signed_rank_is_scipys_exact_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = rng.normal(0.7, 1.0, 4 + seed)
    assert signed_rank(d.tolist()) == pytest.approx(wilcoxon(d, mode="exact").pvalue)


def test_signed_rank_by_hand() -> None:
    # ranks 1, 2, 3 with signs − + −: |−1 + 2 − 3| = 2; of the 8 sums ±1 ±2 ±3 six are as far from 0, two are 0
    assert signed_rank([-1.0, 2.0, -3.0]) == pytest.approx(6 / 8)
    # ties share their mean rank; a difference of 0 takes the least rank and has no sign
    assert signed_rank([1.0, 1.0, 0.0]) == pytest.approx(0.5)
    assert signed_rank([]) == 1.0


def test_failures_are_the_largest_differences() -> None:
    d = [difference(1.0, math.inf), difference(math.inf, math.inf), difference(2.0, 1.0)]
    assert d == [-math.inf, 0.0, 1.0]
    assert signed_rank([-math.inf, -1.0, -2.0]) == signed_rank([-9.0, -1.0, -2.0]) == least_p(3)


def test_many_pairs_are_drawn() -> None:
    d = np.random.default_rng(0).normal(0.4, 1.0, 24)
    assert signed_rank(d.tolist()) == pytest.approx(wilcoxon(d, mode="exact").pvalue, abs=0.005)


def test_rounded_is_json() -> None:
    assert rounded(math.inf) is None and rounded(None) is None and rounded(0.123456789) == 0.123457
