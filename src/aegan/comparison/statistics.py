"""Statistics over seeds: an exact test of paired differences, and its corrections."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

MOST = 16  # pairs up to which all signs are tried (65,536); more are drawn, 100,000 times


def difference(a: float, b: float) -> float:
    """a − b, where two infinite values (two failures) are equal."""
    return 0.0 if a == b else a - b


def signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test, exact: the share of all 2^n choices of signs, equally likely if
    the two sides do not differ, whose sum of signed ranks is as far from 0 as the one seen. Differences of 0 keep their
    ranks but have no sign (Pratt 1959); equal ones share their mean rank; infinite ones (failures) are the largest.

    By hand: SciPy, which has it for samples without ties and zeros, is no dependency.

    >>> signed_rank([-1.0, -2.0, -3.0]), signed_rank([-1.0, 2.0]), signed_rank([0.0, 0.0])
    (0.25, 1.0, 1.0)
    """
    d = np.asarray(differences, np.float64)
    if not len(d) or not d.any():
        return 1.0
    rank, seen = _ranks(d)[d != 0], abs(rank_sum(differences))
    n = len(rank)
    if n <= MOST:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
        return float((np.abs(signs @ rank) >= seen - 1e-9).mean())
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (100_000, n))
    return float(((np.abs(signs @ rank) >= seen - 1e-9).sum() + 1) / (len(signs) + 1))


def rank_sum(differences: Sequence[float]) -> float:
    """The sum of signed ranks of that test: below 0 where the negative differences are more, or larger.

    >>> rank_sum([-1.0, -2.0, 3.0]), rank_sum([0.0, -1.0])
    (0.0, -2.0)
    """
    d = np.asarray(differences, np.float64)
    return float((np.sign(d) * _ranks(d)).sum())


def _ranks(d: np.ndarray) -> np.ndarray:
    size = np.abs(d)
    return np.array([(size < s).sum() + 0.5 * ((size == s).sum() + 1) for s in size])


def least_p(pairs: int) -> float:
    """The smallest two-sided p-value that so many pairs can give.

    >>> least_p(3), least_p(6)
    (0.25, 0.03125)
    """
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several tests, corrected so that 0.05 bounds the chance that any of them is wrong (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p), 0.0
    for i, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        largest = max(largest, min(1.0, (len(p) - i) * p[at]))
        corrected[at] = largest
    return corrected


def rounded(value: float | None) -> float | None:
    """For JSON: a finite number with six digits, or None."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
