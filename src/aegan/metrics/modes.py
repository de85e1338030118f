"""Mode coverage of vectors whose true modes are known: the VEEGAN and PacGAN protocol.

A sample belongs to its nearest centre; it is of high quality within 3 sd of it; a mode is covered once it holds a
high-quality sample (Srivastava et al. 2017, 1705.07761; Lin et al. 2018, 1712.04086: 2,500 samples). A perfect
sampler does not reach 100 %: in two dimensions 1 − e^(−4.5) = 98.89 % of a Gaussian lies within 3 sd, and a larger
share means that the modes have shrunk. Hence the spread of each mode is measured too.
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
    """What `mode_report` finds.

    Attributes:
        covered, modes: modes with at least one high-quality sample, of how many.
        quality, perfect_quality: share of high-quality samples, and a perfect sampler's.
        reverse_kl: KL(p̂ ‖ uniform) in nats, p̂ the share of all samples nearest to each mode.
        perfect_reverse_kl: what a perfect sampler gets on average from so many samples, (K − 1) / 2N.
        spread: sd of the high-quality samples of each covered mode over the true sd, corrected for the cut at
            3 sd: 1 is right, below 1 the mode has shrunk. NaN with fewer than two samples. (K,)
        counts: samples nearest to each mode. (K,)
    """

    covered: int
    modes: int
    quality: float
    perfect_quality: float
    reverse_kl: float
    perfect_reverse_kl: float
    spread: tuple[float, ...]
    counts: tuple[int, ...]

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
    p = counts[counts > 0] / max(len(x), 1)
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
        reverse_kl=float((p * np.log(p * k)).sum()) if len(p) else float("inf"),
        perfect_reverse_kl=(k - 1) / (2 * n),
        spread=tuple(spread),
        counts=tuple(int(c) for c in counts),
    )


def _chi2(d: int) -> float:
    """P(χ²_d < RADIUS²)."""
    half = torch.tensor([d / 2, RADIUS**2 / 2], dtype=torch.float64)
    return float(torch.special.gammainc(half[0], half[1]))
