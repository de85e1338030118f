"""The mixture-density network against closed forms and torch.distributions, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from aegan.density import MixtureDensity


def net(dim: int, classes: int = 0, components: int = 3) -> MixtureDensity:
    """With random weights everywhere, so that every dimension depends on those before it."""
    m = MixtureDensity(components=components, width=16)
    m.begin(dim, classes, torch.zeros(1, dtype=torch.float64))
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return m.requires_grad_(False)


def test_one_dimension_is_a_mixture_of_gaussians() -> None:
    m = net(1)
    u = torch.linspace(-4, 4, 50, dtype=torch.float64)[:, None]
    log_pi, mu, sigma = m.parts(u[:1])
    expected = MixtureSameFamily(Categorical(logits=log_pi[0, 0]), Normal(mu[0, 0], sigma[0, 0])).log_prob(u[:, 0])
    torch.testing.assert_close(m.log_prob(u), expected)


def test_two_dimensions_integrate_to_one_in_each_class() -> None:
    m = net(2, classes=2)
    axis = torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    cell = float(axis[1] - axis[0]) ** 2
    densities = [m.log_prob(grid, torch.full((len(grid),), c)).exp().detach() for c in (0, 1)]
    for p in densities:
        assert float(p.sum()) * cell == pytest.approx(1, abs=1e-4)
    assert float((densities[0] - densities[1]).abs().sum()) * cell > 0.05, "the class changes the density"


def test_a_dimension_depends_on_those_before_it_alone() -> None:
    m = net(5)
    u = torch.randn(1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = torch.autograd.functional.jacobian(lambda v: m.parts(v)[1].sum(2)[0], u)[:, 0].abs() > 1e-12
    assert torch.equal(seen, torch.ones(5, 5).tril(-1).bool())


def test_the_chain_rule() -> None:
    """log p(u) = Σ log p(u_i | u_<i), each a mixture as torch.distributions has it."""
    m = net(3)
    u = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    log_pi, mu, sigma = m.parts(u)
    terms = MixtureSameFamily(Categorical(logits=log_pi), Normal(mu, sigma)).log_prob(u)
    torch.testing.assert_close(m.log_prob(u), terms.sum(1))


def test_samples_follow_the_density() -> None:
    """Mean and second moments of samples against those of p on a grid."""
    m = net(2)
    axis = torch.linspace(-12, 12, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    p = m.log_prob(grid).exp().detach()
    p = p / p.sum()
    made = m.sample(40_000, generator=torch.Generator().manual_seed(0))
    mean = (p[:, None] * grid).sum(0)
    cov = (grid - mean).T @ (p[:, None] * (grid - mean))
    torch.testing.assert_close(made.mean(0), mean, atol=0.03, rtol=0.02)
    torch.testing.assert_close(torch.cov(made.T), cov, atol=0.03, rtol=0.05)
    same = m.sample(5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(same, m.sample(5, generator=torch.Generator().manual_seed(3)))


def test_truncation_leaves_the_means() -> None:
    m = net(1)
    _, mu, _ = m.parts(torch.zeros(1, 1, dtype=torch.float64))
    made = m.sample(100, truncation=1e-6, generator=torch.Generator().manual_seed(0))
    assert float((made - mu[0]).abs().min(1).values.max()) < 1e-4


def test_it_learns_a_density_that_is_no_gaussian() -> None:
    """u_2 = ±u_1 + noise: the best is H = H(u_1) + log 2 + H(noise) but for the overlap near zero; a Gaussian cannot."""
    rng = torch.Generator().manual_seed(0)
    m = MixtureDensity(components=4, width=32)
    m.begin(2, 0, torch.zeros(1))
    optimizer = torch.optim.Adam(m.parameters(), lr=1e-2)

    def draw(n: int) -> torch.Tensor:
        a = torch.randn(n, generator=rng)
        sign = torch.randint(0, 2, (n,), generator=rng) * 2 - 1
        return torch.stack((a, sign * a + 0.1 * torch.randn(n, generator=rng)), 1)

    for _ in range(400):
        optimizer.zero_grad()
        (-m.log_prob(draw(256))).mean().backward()
        optimizer.step()
    entropy = 2 * (0.5 * math.log(2 * math.pi * math.e)) + math.log(0.1) + math.log(2)
    gaussian = 2 * (0.5 * math.log(2 * math.pi * math.e))
    with torch.no_grad():
        learnt = float(-m.log_prob(draw(5000)).mean())
    assert entropy - 0.15 < learnt < entropy + 0.15 < gaussian


def test_a_file_brings_the_sizes() -> None:
    m = net(3, classes=2)
    again = MixtureDensity(components=3, width=16).double()
    assert not again.fitted
    again.load_state_dict(m.state_dict())
    u, y = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    assert again.fitted and torch.equal(again.log_prob(u, y), m.log_prob(u, y))
