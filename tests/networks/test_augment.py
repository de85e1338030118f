"""Augmentation: differentiable twice, each example by itself, as strong as the critic makes it, and without leaks."""

from __future__ import annotations

import pytest
import torch

from aegan.networks import Augment, build_critic
from aegan.networks.augment import MOST, RAMP, gaussian_blur


def strong(p: float = MOST) -> Augment:
    augment = Augment()
    augment.p.fill_(p)
    return augment


def images(n: int = 64, channels: int = 3, side: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_at_first_nothing_is_changed() -> None:
    x = images()
    assert torch.allclose(Augment()(x), x, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_has_second_derivatives(channels: int) -> None:
    """Of a critic of T(x): the penalties' gradient with regard to weights is what a small step in them finds."""
    x, augment = images(8, channels), strong()
    weight = torch.randn(channels * 256, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def penalty() -> torch.Tensor:
        torch.manual_seed(3)
        x_ = x.clone().requires_grad_()
        logit = (augment(x_).flatten(1) @ weight).square().sum()
        (slope,) = torch.autograd.grad(logit, x_, create_graph=True)
        return slope.square().mean()

    (found,) = torch.autograd.grad(penalty(), weight)
    direction = found / found.norm()
    with torch.no_grad():
        weight += 1e-2 * direction
    above = penalty().detach()
    with torch.no_grad():
        weight -= 2e-2 * direction
    below = penalty().detach()
    assert float((above - below) / 2e-2) == pytest.approx(float(found.norm()), rel=1e-2)


def test_each_example_by_itself_and_as_often_as_p() -> None:
    """Equal images come out unequal; some of them stay as they were: (1 − p)⁴ of grey ones, with four kinds of change."""
    torch.manual_seed(0)
    x = images(1, 1, 16).expand(4000, -1, -1, -1)
    made = strong(0.5)(x)
    same = (made - x).abs().flatten(1).amax(1) < 1e-5
    # a shift by nothing at all is one in 25
    assert float(same.float().mean()) == pytest.approx(0.5**3 * (0.5 + 0.5 / 25), abs=0.02)
    assert len(torch.unique(made[~same].flatten(1).sum(1))) > 0.8 * int((~same).sum())


def test_strength_follows_the_critic() -> None:
    augment = Augment()
    for _ in range(2 * RAMP // 100):
        augment.adapt(torch.ones(100))
    assert float(augment.p) == pytest.approx(MOST) and float(augment.r) == pytest.approx(1, abs=1e-3)
    for _ in range(2 * RAMP // 100):
        augment.adapt(torch.tensor([1.0, -1.0]).repeat(50))
    assert float(augment.p) == 0 and float(augment.r) == pytest.approx(0, abs=1e-3)


def test_the_critic_sees_it_in_training_only_and_its_features_never() -> None:
    D, x = build_critic((3, 16, 16), width=8), images()
    D.augment = strong()
    plain = D.features(x)[-1]
    assert not torch.allclose(D(x), D.head(plain))
    assert torch.equal(D.features(x)[-1], plain)
    D.eval()
    assert torch.equal(D(x), D.head(plain))


def test_nothing_leaks_into_what_is_learned() -> None:
    """A generator of one bar whose place is learned from a critic of changed images alone finds the place, not a smear.

    Centres of 16 bars, learned by matching the mean of T over many draws: only the true place gives T's mean of the data.
    """
    torch.manual_seed(0)
    place = torch.arange(16.0)

    def bars(centre: torch.Tensor) -> torch.Tensor:
        row = 2 * torch.exp(-((place - centre[:, None]) ** 2) / 2) - 1
        return row[:, None, None, :].expand(-1, 1, 16, -1)

    real, augment = bars(torch.full((512,), 8.0)), strong()
    centre = torch.linspace(5, 11, 16).clone().requires_grad_()
    optimizer = torch.optim.Adam([centre], lr=0.1)
    for _ in range(150):
        fake = bars(centre.repeat(32))
        target = augment(real).mean(0)
        # each centre by itself: a mean over all of them would let one make up for another
        means = augment(fake).view(32, 16, 1, 16, 16).mean(0)
        optimizer.zero_grad()
        (means - target).square().mean().backward()
        optimizer.step()
    assert float((centre.detach() - 8).abs().max()) < 0.75


def test_blur_is_a_gaussian_of_the_width_asked_for() -> None:
    point = torch.zeros(1, 2, 41, 33)
    point[:, :, 20, 16] = 1
    for sigma in (1.0, 2.0):  # less wide than a pixel, its samples are narrower
        blurred = gaussian_blur(point, sigma)
        assert blurred.sum((2, 3)).flatten().tolist() == pytest.approx([1, 1], abs=1e-4)
        down, across = blurred[0, 0].sum(1), blurred[0, 0].sum(0)
        for line, middle in ((down, 20), (across, 16)):
            variance = float((line * (torch.arange(len(line)) - middle) ** 2).sum())
            assert variance == pytest.approx(sigma**2, rel=0.01), sigma
    assert torch.allclose(gaussian_blur(torch.ones(1, 1, 8, 8), 3.0), torch.ones(1, 1, 8, 8)), "no darker at the border"


def test_blur_stays_in_32_bits_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert gaussian_blur(images(2), 1.0).dtype == torch.float32


def test_it_moves_by_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several processes each has a part of it."""
    monkeypatch.setattr("aegan.networks.augment.all_gather_rows", lambda rows: torch.cat((rows, rows)))
    augment = strong(0.1)
    augment.r.fill_(1.0)
    augment.adapt(torch.ones(10))
    assert float(augment.p) == pytest.approx(0.1 + 20 / RAMP)
