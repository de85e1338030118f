"""V of latent-flow: shapes, classes and times matter, and it can learn a field that is known."""

from __future__ import annotations

import pytest
import torch

from aegan.networks.velocity import Velocity


@pytest.mark.parametrize("shape", [(5,), (4, 2, 3)])
@pytest.mark.parametrize("classes", [0, 3])
def test_it_depends_on_code_time_and_class_once_trained(shape: tuple[int, ...], classes: int) -> None:
    torch.manual_seed(0)
    net = Velocity(shape, width=16, blocks=2, classes=classes)
    z, t = torch.randn(6, *shape), torch.rand(6)
    y = torch.arange(6) % 3 if classes else None
    assert net(z, t, y).shape == z.shape and not net(z, t, y).any(), "0 at the start"
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.3)
    out = net(z, t, y)
    assert not torch.allclose(out, net(z + 1, t, y)) and not torch.allclose(out, net(z, 1 - t, y))
    if y is not None:
        assert not torch.allclose(out, net(z, t, (y + 1) % 3))
    assert torch.allclose(out[2:3], net(z[2:3], t[2:3], None if y is None else y[2:3]), atol=1e-5)


def test_it_learns_the_field_between_two_gaussians() -> None:
    """From N(0, 1) to N(3, 0): z_t = (1 − t) ε + 3 t, so that V = (3 − z) / (1 − t)."""
    torch.manual_seed(0)
    net = Velocity((1,), width=32, blocks=2)
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(400):
        e, t = torch.randn(256, 1), 0.8 * torch.rand(256)
        z = (1 - t[:, None]) * e + 3 * t[:, None]
        loss = (net(z, t) - (3 - e)).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    z, t = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([0.1, 0.5, 0.7])
    assert torch.allclose(net(z, t), (3 - z) / (1 - t[:, None]), rtol=0.2, atol=0.4)
