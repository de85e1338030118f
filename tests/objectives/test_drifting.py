"""The drifting field points to the data, vanishes where nothing is to be done, and keeps classes apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aegan.objectives.drifting import drifting_field


def cloud(n: int, centre: float, seed: int) -> Tensor:
    return centre + torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def test_it_points_from_what_is_made_to_what_is_real() -> None:
    V, size = drifting_field(cloud(40, 0.0, 0), cloud(40, 20.0, 1))
    assert V.shape == (40, 3) and (V > 0).all() and size.shape == (3,)


def test_each_temperature_has_a_field_of_unit_size() -> None:
    V, _ = drifting_field(cloud(40, 0.0, 0), cloud(40, 20.0, 1), (0.1,))
    assert float(V.square().mean().sqrt()) == pytest.approx(1.0, rel=1e-4)


def test_it_is_small_where_both_are_distributed_alike() -> None:
    _, alike = drifting_field(cloud(400, 0.0, 0), cloud(400, 0.0, 1), (0.2,))
    _, apart = drifting_field(cloud(400, 0.0, 0), cloud(400, 2.0, 1), (0.2,))
    assert float(alike) < 0.2 * float(apart)


def test_following_it_brings_a_heap_to_two_modes() -> None:
    real = torch.cat((cloud(64, -6.0, 0), cloud(64, 6.0, 1)))
    x = cloud(128, 0.0, 2)
    for _ in range(300):
        x = x + 0.1 * drifting_field(x, real)[0]
    left, right = (x.mean(1) < -3).float().mean(), (x.mean(1) > 3).float().mean()
    assert min(left, right) > 0.3 and float((x.abs().mean(1) < 3).float().mean()) < 0.1


def test_classes_do_not_see_each_other() -> None:
    x, real = torch.tensor([[0.0], [0.1], [0.2], [0.3]]), torch.tensor([[9.0], [-9.0]])
    V, _ = drifting_field(x, real, y=torch.tensor([0, 0, 1, 1]), y_real=torch.tensor([0, 1]))
    assert (V[:2] > 0).all() and (V[2:] < 0).all()


def test_no_gradient_flows_through_it() -> None:
    x = cloud(8, 0.0, 0).requires_grad_()
    V, size = drifting_field(x, cloud(8, 1.0, 1))
    assert not V.requires_grad and not size.requires_grad


def test_its_value_by_hand() -> None:
    """Algorithm 2 of the paper, written out: the geometric mean of the softmax over rows and over columns."""
    x, real, tau = cloud(4, 0.0, 0), cloud(3, 1.0, 1), 0.3
    distances = torch.cdist(x, torch.cat((x, real)))
    k = (-distances / distances.mean() / tau).exp()
    k[:, :4].fill_diagonal_(0)
    k = k / (k.sum(1, keepdim=True) * k.sum(0, keepdim=True)).sqrt()
    wanted = torch.stack(
        [
            sum(k[i, 4 + p] * k[i, n] * (real[p] - x[n]) for p in range(3) for n in range(4))  # type: ignore[misc]
            for i in range(4)
        ]
    )
    found, _ = drifting_field(x, real, (tau,))
    torch.testing.assert_close(found, wanted / wanted.square().mean().sqrt(), rtol=1e-4, atol=1e-5)
