"""Mode coverage of data whose true modes are known: the VEEGAN and PacGAN protocol.

Of vectors: a sample belongs to its nearest centre; it is of high quality within 3 sd of it; a mode is covered once it
holds a high-quality sample (Srivastava et al. 2017, 1705.07761; Lin et al. 2018, 1712.04086: 2,500 samples). A perfect
sampler does not reach 100 %: in two dimensions 1 − e^(−4.5) = 98.89 % of a Gaussian lies within 3 sd, and a larger
share means that the modes have shrunk. Hence the spread of each mode is measured too.

Of stacked digits, three in three colour channels (Che et al. 2017, 1612.02136): a classifier names each channel's digit;
the triple is the mode, one of 1,000. VEEGAN's protocol takes 26,000 samples and reports modes seen and
KL(p̂ ‖ uniform) in nats. Both depend on the count, so each comes with what a perfect sampler gets from as many:
0.0193 nats at 26,000, but 0.3 at 2,000. Fewer than 26,000 are not the published protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from aegan.errors import UserError

RADIUS = 3.0  # sd within which a sample is of high quality


@dataclass(frozen=True)
class Modes:
    """A mixture of equal round Gaussians: centres float (K, D) and one sd per axis, in the units of the samples."""

    centres: np.ndarray
    sd: float

    @property
    def perfect_quality(self) -> float:
        """The share of high-quality samples that a perfect sampler gets: P(χ²_D < 9).

        >>> round(Modes(np.zeros((1, 2)), 1.0).perfect_quality, 4)
        0.9889
        """
        return _chi2(self.centres.shape[1])


@dataclass(frozen=True)
class ModeReport:
    """What `mode_report` finds."""

    covered: int  # modes with at least one high-quality sample
    modes: int  # of how many
    quality: float  # share of high-quality samples
    perfect_quality: float  # a perfect sampler's
    reverse_kl: float  # KL(p̂ ‖ uniform) in nats, p̂ the share of all samples nearest to each mode
    perfect_reverse_kl: float  # what a perfect sampler gets on average from so many samples, (K − 1) / 2N
    # sd of the high-quality samples of each covered mode over the true sd, corrected for the cut at 3 sd: 1 is right,
    # below 1 the mode has shrunk; NaN with fewer than two samples; (K,)
    spread: tuple[float, ...]
    counts: tuple[int, ...]  # samples nearest to each mode, (K,)

    @property
    def mean_spread(self) -> float | None:
        """The mean of `spread` over the modes that have one."""
        known = [s for s in self.spread if s == s]
        return sum(known) / len(known) if known else None


def mode_report(samples: np.ndarray, modes: Modes) -> ModeReport:
    """Modes covered, quality, balance and spread of samples (N, D), N ≥ 1.

    A sample that is not a number belongs to no mode: it counts against quality.
    """
    x = np.asarray(samples, np.float64)
    k, d = modes.centres.shape
    if x.ndim != 2 or x.shape[1] != d or not len(x):
        raise UserError(f"Mode coverage needs samples (N, {d}) of at least one item, got {x.shape}.")
    n = len(x)
    x = x[np.isfinite(x).all(1)]
    distance = np.linalg.norm(x[:, None] - modes.centres[None], axis=-1)
    owner = distance.argmin(1)
    good = distance[np.arange(len(x)), owner] < RADIUS * modes.sd
    counts = np.bincount(owner, minlength=k)
    cut = np.sqrt(_chi2(d + 2) / _chi2(d))  # sd of a Gaussian cut at 3 sd, over its own
    spread = []
    for i in range(k):
        own = x[good & (owner == i)]
        spread.append(float(np.sqrt(own.var(0, ddof=1).mean()) / modes.sd / cut) if len(own) > 1 else float("nan"))
    return ModeReport(
        covered=len(np.unique(owner[good])),
        modes=k,
        quality=float(good.sum() / n),
        perfect_quality=modes.perfect_quality,
        reverse_kl=_reverse_kl(counts),
        perfect_reverse_kl=(k - 1) / (2 * n),
        spread=tuple(spread),
        counts=tuple(int(c) for c in counts),
    )


@dataclass(frozen=True)
class StackedReport:
    """What `stacked_report` finds."""

    covered: int  # classes with at least one sample
    modes: int  # of how many
    reverse_kl: float  # KL(p̂ ‖ uniform) in nats
    perfect_covered: float  # means of a perfect sampler with as many samples, by simulation
    perfect_reverse_kl: float
    samples: int


def stacked_report(labels: np.ndarray, k: int) -> StackedReport:
    """Modes covered and reverse KL of labels (N,), N ≥ 1, whole numbers from 0 to k − 1.

    >>> found = stacked_report(np.array([0, 1, 0, 1]), 4)
    >>> found.covered, round(found.reverse_kl, 4)
    (2, 0.6931)
    """
    y = np.asarray(labels)
    if y.ndim != 1 or not len(y) or not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"A report of modes needs whole-number labels (N,), at least one, got {y.dtype} {y.shape}.")
    if y.min() < 0 or y.max() >= k:
        raise UserError(f"Labels must lie from 0 to {k - 1}, got {y.min()} to {y.max()}.")
    counts = np.bincount(y, minlength=k)
    draws = np.random.default_rng(0).multinomial(len(y), np.full(k, 1 / k), 100)
    perfect = np.array([(np.count_nonzero(c), _reverse_kl(c)) for c in draws]).mean(0)
    covered = int((counts > 0).sum())
    return StackedReport(covered, k, _reverse_kl(counts), float(perfect[0]), float(perfect[1]), len(y))


def _reverse_kl(counts: np.ndarray) -> float:
    """KL(p̂ ‖ uniform) in nats; infinite without samples."""
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float((p * np.log(p * len(counts))).sum()) if len(p) else float("inf")


def _chi2(d: int) -> float:
    """P(χ²_d < RADIUS²)."""
    half = torch.tensor([d / 2, RADIUS**2 / 2], dtype=torch.float64)
    return float(torch.special.gammainc(half[0], half[1]))
