"""Rows as printed in the papers. Never mix rows of two papers: their protocols share data and thresholds, not networks.

VEEGAN: Srivastava et al. 2017, arXiv 1705.07761, tables 1 and 2, means of 5 runs. PacGAN: Lin et al. 2018, arXiv
1712.04086, tables 1 and 2, means of 10 trials with their standard errors.
"""

from __future__ import annotations

from dataclasses import dataclass

VEEGAN, PACGAN = "VEEGAN 2017, 1705.07761", "PacGAN 2018, 1712.04086"


@dataclass(frozen=True)
class Row:
    """One method's figures; None where the paper prints none."""

    method: str  # as the paper calls it, or the strategy's name
    source: str  # the paper, or "aegan"
    steps: int | None  # updates of the generator; None where the paper does not say
    trials: int  # that the means are over
    modes: float  # covered
    quality: float | None = None  # share of high-quality samples
    kl: float | None = None  # reverse KL in nats
    errors: tuple[float | None, float | None, float | None] = (None, None, None)  # standard errors of these three
    differences: tuple[str, ...] = ()  # from the paper's protocol, the number of steps first
    failed: int = 0  # trials that diverged or crashed; they count, with no modes if they made no samples


def _veegan(method: str, modes: float, quality: float | None, kl: float | None = None) -> Row:
    return Row(method, VEEGAN, None, 5, modes, None if quality is None else quality / 100, kl)


def _pacgan(
    method: str, steps: int, modes: tuple[float, float], quality: tuple[float, float] | None, kl: tuple[float, float]
) -> Row:
    share, error = (None, None) if quality is None else (quality[0] / 100, quality[1] / 100)
    return Row(method, PACGAN, steps, 10, modes[0], share, kl[0], (modes[1], error, kl[1]))


TOY = 400_000  # PacGAN's updates: 400 epochs of 1,000 batches
STACKED = 200_000  # its generator's: two for each of 100,000 of the critic

ROWS: dict[str, tuple[Row, ...]] = {
    "ring": (
        _veegan("GAN", 1, 99.3),
        _veegan("ALI", 2.8, 0.13),
        _veegan("Unrolled GAN", 7.6, 35.6),
        _veegan("VEEGAN", 8, 52.9),
        _pacgan("GAN", TOY, (6.3, 0.5), (98.2, 0.2), (0.45, 0.09)),
        _pacgan("ALI", TOY, (6.6, 0.3), (97.6, 0.4), (0.36, 0.04)),
        _pacgan("PacGAN2", TOY, (7.9, 0.1), (95.6, 2.0), (0.07, 0.03)),
        _pacgan("PacGAN3", TOY, (7.8, 0.1), (97.7, 0.3), (0.10, 0.02)),
        _pacgan("PacGAN4", TOY, (7.8, 0.1), (95.9, 1.4), (0.07, 0.02)),
    ),
    "grid": (
        _veegan("GAN", 3.3, 0.5),
        _veegan("ALI", 15.8, 1.6),
        _veegan("Unrolled GAN", 23.6, 16),
        _veegan("VEEGAN", 24.6, 40),
        _pacgan("GAN", TOY, (17.3, 0.8), (94.8, 0.7), (0.70, 0.07)),
        _pacgan("ALI", TOY, (24.1, 0.4), (95.7, 0.6), (0.14, 0.03)),
        _pacgan("PacGAN2", TOY, (23.8, 0.7), (91.3, 0.8), (0.13, 0.04)),
        _pacgan("PacGAN3", TOY, (24.6, 0.4), (94.2, 0.4), (0.06, 0.02)),
        _pacgan("PacGAN4", TOY, (24.8, 0.2), (93.6, 0.6), (0.04, 0.01)),
    ),
    "stacked": (
        _veegan("DCGAN", 99, None, 3.4),
        _veegan("ALI", 16, None, 5.4),
        _veegan("Unrolled GAN", 48.7, None, 4.32),
        _veegan("VEEGAN", 150, None, 2.95),
        _pacgan("DCGAN", STACKED, (78.9, 6.46), None, (4.50, 0.127)),
        _pacgan("PacDCGAN2", STACKED, (1000.0, 0.0), None, (0.06, 0.003)),
        _pacgan("PacDCGAN3", STACKED, (1000.0, 0.0), None, (0.06, 0.003)),
        _pacgan("PacDCGAN4", STACKED, (1000.0, 0.0), None, (0.07, 0.005)),
    ),
}
