"""Modes of stacked digits: three digits in three colour channels, 1,000 classes (Che et al. 2017, 1612.02136).

A classifier names each channel's digit; the triple is the mode. VEEGAN's protocol (1705.07761) takes 26,000 samples
and reports modes seen and KL(p̂ ‖ uniform) in nats. Both depend on the count, so each comes with what a perfect
sampler gets from as many: 0.0193 nats at 26,000, but 0.3 at 2,000. Fewer than 26,000 are not the published protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aegan.errors import UserError

SIMULATIONS = 100


@dataclass(frozen=True)
class StackedReport:
    """What `stacked_report` finds.

    Attributes:
        covered, modes: classes with at least one sample, of how many.
        reverse_kl: KL(p̂ ‖ uniform) in nats.
        perfect_covered, perfect_reverse_kl: means of a perfect sampler with as many samples, by simulation.
        samples: their count.
    """

    covered: int
    modes: int
    reverse_kl: float
    perfect_covered: float
    perfect_reverse_kl: float
    samples: int


def stacked_report(labels: np.ndarray, k: int, *, seed: int = 0) -> StackedReport:
    """Modes covered and reverse KL of labels (N,), N ≥ 1, whole numbers from 0 to k − 1; seed of the simulation.

    >>> found = stacked_report(np.array([0, 1, 0, 1]), 4)
    >>> found.covered, round(found.reverse_kl, 4)
    (2, 0.6931)
    """
    y = np.asarray(labels)
    if y.ndim != 1 or not len(y) or not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"A report of modes needs whole-number labels (N,), at least one, got {y.dtype} {y.shape}.")
    if y.min() < 0 or y.max() >= k:
        raise UserError(f"Labels must lie from 0 to {k - 1}, got {y.min()} to {y.max()}.")
    covered, divergence = _count(np.bincount(y, minlength=k))
    draws = np.random.default_rng(seed).multinomial(len(y), np.full(k, 1 / k), SIMULATIONS)
    perfect = np.array([_count(counts) for counts in draws]).mean(0)
    return StackedReport(covered, k, divergence, float(perfect[0]), float(perfect[1]), len(y))


def _count(counts: np.ndarray) -> tuple[int, float]:
    p = counts[counts > 0] / counts.sum()
    return len(p), float((p * np.log(p * len(counts))).sum())
