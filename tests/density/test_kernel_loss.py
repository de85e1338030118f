"""The kernel distance as a loss: it sees what moments do not, and has a gradient everywhere."""

from __future__ import annotations

import torch

from aegan.density.kernel import kernel_distance


def test_the_kernel_distance_sees_clumps_where_moments_do_not() -> None:
    torch.manual_seed(0)

    def ring(turns: torch.Tensor) -> torch.Tensor:
        angle = 2 * torch.pi * turns
        return 2**0.5 * torch.stack((angle.cos(), angle.sin()), 1)

    even, other = ring(torch.rand(800)), ring(torch.rand(800))
    clumps = ring(torch.randint(8, (800,)) / 8)
    assert abs(float(kernel_distance(even, other))) < 0.003
    assert float(kernel_distance(clumps, other)) > 0.03


def test_the_kernel_distance_has_a_gradient_where_codes_coincide() -> None:
    z = torch.zeros(4, 3, requires_grad=True)
    kernel_distance(z, torch.randn(5, 3)).backward()
    assert z.grad is not None and z.grad.isfinite().all()
