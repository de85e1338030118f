"""Mode coverage against a perfect sampler and against the ways in which samplers fail."""

import numpy as np
import pytest

from aegan.errors import UserError
from aegan.metrics import Modes, mode_report

ANGLES = np.arange(8) * np.pi / 4
RING = Modes(np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1), 0.01)


def draw(n: int, modes: Modes = RING, sd: float = 1.0, only: int | None = None, seed: int = 0) -> np.ndarray:
    g = np.random.default_rng(seed)
    k, d = modes.centres.shape
    owner = g.integers(only or k, size=n)
    return (modes.centres[owner] + sd * modes.sd * g.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize(("d", "share"), [(1, 0.9973), (2, 0.98889), (3, 0.97071)])
def test_a_perfect_sampler_gets_the_perfect_values(d: int, share: float) -> None:
    modes = Modes(np.eye(3, d) * 50, 0.5) if d > 1 else Modes(np.array([[-9.0], [0.0], [9.0]]), 0.5)
    found = mode_report(draw(60000, modes), modes)
    assert found.covered == 3
    assert found.perfect_quality == pytest.approx(share, abs=1e-4)
    assert found.quality == pytest.approx(share, abs=0.002)
    assert found.mean_spread == pytest.approx(1, abs=0.01)


def test_reverse_kl_of_a_perfect_sampler_is_its_expected_value() -> None:
    found = [mode_report(draw(2500, seed=s), RING) for s in range(60)]
    assert np.mean([f.reverse_kl for f in found]) == pytest.approx(found[0].perfect_reverse_kl, rel=0.25)


def test_dropped_modes() -> None:
    found = mode_report(draw(2500, only=3), RING)
    assert found.covered == 3 and found.counts[3:] == (0, 0, 0, 0, 0)
    assert found.reverse_kl == pytest.approx(np.log(8 / 3), abs=0.01)
    assert np.isnan(found.spread[5])


def test_shrunken_modes_are_seen_although_their_quality_looks_better_than_perfect() -> None:
    found = mode_report(draw(2500, sd=0.5), RING)
    assert found.quality > found.perfect_quality and found.mean_spread == pytest.approx(0.5 / 0.9744, abs=0.03)


def test_samples_between_modes_have_no_quality() -> None:
    found = mode_report(np.zeros((10, 2)), RING)
    assert found.quality == 0 and found.covered == 0 and found.mean_spread is None


def test_samples_that_are_not_numbers_count_against_quality() -> None:
    x = draw(100)
    x[:50] = np.nan
    assert mode_report(x, RING).quality <= 0.5
    assert mode_report(np.full((4, 2), np.nan), RING).reverse_kl == float("inf")


def test_other_widths_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(N, 2\)"):
        mode_report(np.zeros((4, 3)), RING)
