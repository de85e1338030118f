"""Objectives against values worked by hand and independent libraries, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from aegan.errors import UserError
from aegan.objectives import (
    ADVERSARIAL,
    adversarial,
    code_l2,
    covariance_penalty,
    feature_distance,
    gradient_penalty,
    kl_standard_normal,
    l1,
    l2,
    laplacian_l1,
    r1,
    r2,
    value,
)
from aegan.objectives.reconstruction import opponent

REAL = torch.tensor([2.0, -1.0], dtype=torch.float64)
FAKE = torch.tensor([0.5, 3.0], dtype=torch.float64)


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


EXPECTED = {
    "minimax": ([sp(-2) + sp(0.5), sp(1) + sp(3)], [-sp(0.5), -sp(3)]),
    "nonsaturating": ([sp(-2) + sp(0.5), sp(1) + sp(3)], [sp(-0.5), sp(-3)]),
    "lsgan": ([0.5 * (1 + 0.25), 0.5 * (4 + 9)], [0.125, 2.0]),
    "hinge": ([0 + 1.5, 2 + 4], [-0.5, -3.0]),
    "wgan": ([-1.5, 4.0], [-0.5, -3.0]),
    "rpgan": ([sp(-1.5), sp(4)], [sp(1.5), sp(-4)]),
}


def test_every_game_is_worked_by_hand() -> None:
    assert set(EXPECTED) == set(ADVERSARIAL)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_games(name: str) -> None:
    game = adversarial(name)
    critic, generator = EXPECTED[name]
    torch.testing.assert_close(game.critic(REAL, FAKE), torch.tensor(critic, dtype=torch.float64))
    torch.testing.assert_close(game.generator(FAKE, REAL), torch.tensor(generator, dtype=torch.float64))
    if not game.relative:
        torch.testing.assert_close(game.generator(FAKE, None), game.generator(FAKE, REAL))


def test_relative_game_needs_real_logits() -> None:
    with pytest.raises(ValueError, match="real"):
        adversarial("rpgan").generator(FAKE, None)


def test_unknown_game_names_the_nearest() -> None:
    with pytest.raises(UserError, match="hinge"):
        adversarial("hindge")


def test_value_is_that_of_the_probabilities() -> None:
    expected = torch.sigmoid(REAL).log() + (1 - torch.sigmoid(FAKE)).log()
    torch.testing.assert_close(value(REAL, FAKE), expected)
    assert float(value(torch.zeros(1), torch.zeros(1))) == pytest.approx(-math.log(4))


def quadratic(x: torch.Tensor) -> torch.Tensor:
    """D(x) = 1/2 |x|^2, whose gradient is x."""
    return 0.5 * x.square().flatten(1).sum(1)


def test_r1_and_r2_of_a_quadratic_critic() -> None:
    x = torch.tensor([[3.0, 4.0], [1.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([0.5 * 0.2 * 25, 0.5 * 0.2 * 1], dtype=torch.float64)
    torch.testing.assert_close(r1(quadratic, x, 0.2), expected)
    torch.testing.assert_close(r2(quadratic, x, 0.2), expected)


def test_penalty_can_be_trained_on() -> None:
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    r1(lambda x: x @ w, torch.randn(3, 2, dtype=torch.float64), 1.0).mean().backward()
    torch.testing.assert_close(w.grad, w.detach())  # d/dw of |w|^2 / 2


def test_penalty_of_packs_is_per_pack() -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    packed = r1(lambda v: quadratic(v.reshape(2, 6)), x, 1.0)
    torch.testing.assert_close(packed, 0.5 * x.square().reshape(2, 6).sum(1))


def test_gradient_penalty_of_a_linear_critic() -> None:
    w = torch.tensor([3.0, 4.0], dtype=torch.float64)
    x = torch.randn(5, 2, dtype=torch.float64)
    torch.testing.assert_close(gradient_penalty(lambda v: v @ w, x, -x, 10.0), torch.full((5,), 160.0).double())


def test_gradient_penalty_of_a_flat_critic_has_a_finite_gradient() -> None:
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    gradient_penalty(lambda v: v @ w, torch.ones(3, 2).double(), torch.zeros(3, 2).double()).mean().backward()
    assert w.grad is not None and w.grad.isfinite().all()


def images(*, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 2, 16, 12, dtype=torch.float64, generator=generator) * 2 - 1


def test_pixel_distances() -> None:
    x, y = torch.zeros(1, 1, 2, 2).double(), torch.tensor([[[[1.0, 0.0], [0.0, -3.0]]]]).double()
    assert float(l1(x, y)) == 1.0
    assert float(l2(x, y)) == 2.5


def test_distances_vanish_for_equal_images_only() -> None:
    x, y = images(seed=0), images(seed=1)
    for distance in (l1, l2, laplacian_l1):
        torch.testing.assert_close(distance(x, x), torch.zeros(3).double())
        assert (distance(x, y) > 0.1).all()


def test_laplacian_of_a_constant_difference_is_in_the_lowest_band() -> None:
    x = images(seed=0)
    torch.testing.assert_close(laplacian_l1(x, x + 0.25), torch.full((3,), 0.25).double())


def test_feature_distance_counts_layers_equally_and_holds_the_target() -> None:
    a = [torch.ones(2, 3).double().requires_grad_(), 100 * torch.ones(2, 4).double()]
    b = [1.5 * torch.ones(2, 3).double().requires_grad_(), 150 * torch.ones(2, 4).double()]
    got = feature_distance(a, b)
    torch.testing.assert_close(got, torch.ones(2).double())
    got.sum().backward()
    assert a[0].grad is None


def test_kl_against_torch_distributions() -> None:
    mu, log_var = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(torch.zeros(4, 3).double(), 1.0)).sum(1)
    torch.testing.assert_close(kl_standard_normal(mu, log_var), expected)


def test_code_regularisers() -> None:
    z = torch.tensor([[1.0, 3.0]]).double()
    assert float(code_l2(z)) == 2.5
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).double()  # variances 2 and 0
    torch.testing.assert_close(covariance_penalty(z), torch.ones(2).double())


def test_colour_is_weighed_apart_from_lightness() -> None:
    x, y = torch.rand(2, 4, 6, 6), torch.rand(2, 4, 6, 6)
    assert opponent(x, 1.0) is x
    grey = torch.rand(2, 1, 6, 6).expand(-1, 3, -1, -1)
    plain, doubled = opponent(grey, 0.5), opponent(grey, 2.0)
    assert torch.allclose(plain, doubled, atol=1e-6), "grey has no colour to weigh"
    assert torch.equal(opponent(x, 2.0)[:, 3], x[:, 3]), "alpha stays"
    d = (opponent(x, 2.0) - opponent(y, 2.0))[:, :3]
    colour = d[:, 1:].square().sum() / 4
    assert torch.allclose(d[:, :1].square().sum() + colour, (x - y)[:, :3].square().sum()), "axes are orthonormal"
    assert opponent(grey[:, :1], 2.0).shape == (2, 1, 6, 6)
