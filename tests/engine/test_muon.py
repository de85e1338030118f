"""Muon: what it does to matrices, to vectors, to a step that must not be taken, and that its state can be kept."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from aegan.engine.muon import Muon, newton_schulz, orthogonal
from aegan.engine.state import load_optimizer_state, optimizer_state


def net() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(), nn.Linear(8 * 36, 5))
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x = torch.randn(4, 3, 8, 8, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    M = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    (Q,) = orthogonal([M])
    values = torch.linalg.svdvals(Q)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.25
    U, _, Vh = torch.linalg.svd(M, full_matrices=False)
    cosine = (Q * (U @ Vh)).sum() / (Q.norm() * (U @ Vh).norm())
    assert float(cosine) > 0.95


def test_the_products_of_polynomials_are_the_iteration_itself() -> None:
    X = torch.randn(16, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    Y = X / X.norm()
    for _ in range(5):
        A = Y @ Y.T
        Y = 3.4445 * Y + (-4.7750 * A + 2.0315 * A @ A) @ Y
    torch.testing.assert_close(newton_schulz(X[None])[0], Y)


def test_tall_matrices_are_made_orthogonal_in_blocks_of_rows() -> None:
    M = torch.randn(256, 300, generator=torch.Generator().manual_seed(0))
    (Q,) = orthogonal([M])
    torch.testing.assert_close(Q, newton_schulz(M.view(2, 128, 300)).view(256, 300))


def test_a_matrix_without_gradient_stays_finite() -> None:
    assert torch.equal(orthogonal([torch.zeros(4, 6)])[0], torch.zeros(4, 6))


def test_each_matrix_keeps_its_own_update() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(6, 20), (20, 6), (150, 160), (6, 20), (8, 8)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    for together, M in zip(orthogonal(matrices), matrices, strict=True):
        torch.testing.assert_close(together, orthogonal([M])[0])


def test_first_step_has_the_length_of_its_rate() -> None:
    model = net()
    before = copy.deepcopy(model)
    optimizer = Muon(model.parameters(), lr=1e-3, matrix_lr=1e-2)
    train(model, optimizer, 1)
    change = (model[0].weight - before[0].weight).detach().flatten(1)
    rms = change.square().mean().sqrt() / 1e-2  # 0.2 √max(8, 27), over the 27 columns, for singular values of about 1
    assert 0.12 < float(rms) < 0.26
    longest = float((model[1].weight - before[1].weight).detach().abs().max())
    assert longest == pytest.approx(1e-3, rel=0.05)  # Adam's first step


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    model = net()
    optimizer = Muon(model.parameters(), lr=1e-3, matrix_lr=1e-2)
    train(model, optimizer, 2)
    before, state = copy.deepcopy(model.state_dict()), optimizer_state(optimizer)
    state = {k: v.clone() for k, v in state.items()}
    for p in model.parameters():
        p.grad = torch.full_like(p, float("nan"))
    optimizer.found_inf = torch.ones(())  # type: ignore[attr-defined]
    optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for name, tensor in optimizer_state(optimizer).items():
        assert torch.equal(tensor, state[name]), name


def test_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    whole, half = net(), net()
    a, b = (Muon(m.parameters(), lr=1e-3, matrix_lr=1e-2, weight_decay=0.1) for m in (whole, half))
    train(whole, a, 3)
    train(whole, a, 3, seed=2)
    train(half, b, 3)
    c = Muon(half.parameters(), lr=1e-3, matrix_lr=1e-2, weight_decay=0.1)
    load_optimizer_state(c, {k: v.clone() for k, v in optimizer_state(b).items()})
    train(half, c, 3, seed=2)
    for p, q in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(p, q)
