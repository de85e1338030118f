"""Codes at several levels of noise: variances as stated, one path of noise, and differences in the place of gradients."""

from __future__ import annotations

import pytest
import torch

from aegan.objectives import finite_difference, noise_levels, r1


def test_each_level_has_its_signal_and_its_noise() -> None:
    torch.manual_seed(0)
    levels = noise_levels(torch.ones(50_000, 6), 3, 0.25).chunk(3, 1)
    for level, signal in zip(levels, (0.99 * 0.25, 0.99 * 0.5, 0.99), strict=True):
        assert float(level.mean()) == pytest.approx(signal, abs=0.005)
        assert float(level.std()) == pytest.approx(1 - signal, abs=0.005)


def test_a_rougher_level_knows_no_more_than_a_finer_one() -> None:
    """Given the finer level, the rougher one says nothing of x: its residual is independent of x and of the finer noise."""
    torch.manual_seed(0)
    x = torch.randn(100_000, 1)
    rough, fine = noise_levels(x.repeat(1, 2), 2, 0.5).chunk(2, 1)
    residual = rough - 0.5 * fine
    for other in (x, fine):
        assert abs(float((residual * other).mean())) < 0.01


def test_the_difference_is_the_gradient_in_the_mean() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4)
    x = torch.randn(1, 4).expand(100_000, 4)

    def critic(v: torch.Tensor) -> torch.Tensor:
        return (v.double() @ weight.double()).tanh()

    near = finite_difference(critic(x), critic(x.double() + 1e-3 * torch.randn_like(x)), 2.0, 1e-3)
    assert float(near.mean()) == pytest.approx(float(r1(critic, x[:1], 2.0).detach()), rel=0.03)
