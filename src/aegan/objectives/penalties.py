"""Penalties on the critic's gradient with respect to its input; one value per sample, (N,).

All build the graph of the gradient (`create_graph`), so that they can be trained on. The critic must not mix the
samples of a batch (no batch normalisation); with packing, a value belongs to a pack.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CriticFn = Callable[[Tensor], Tensor]


def input_gradient(critic: CriticFn, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (M,) of `critic(x)` and the gradient of their sum, (N, ...) like `x`, both differentiable.

    As sample i's logit depends on sample i alone, row i of the gradient is that of its own logit.
    """
    x = x.detach().requires_grad_(True)
    logits = critic(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return logits, gradient


def squared_norm(gradient: Tensor, packs: int) -> Tensor:
    """Sum of squares over everything but the first axis, (packs,)."""
    return (
        gradient.float().square().reshape(packs, -1).sum(1)
        if gradient.dtype != torch.float64
        else (gradient.square().reshape(packs, -1).sum(1))
    )


def gradient_norm(critic: CriticFn, x: Tensor) -> Tensor:
    """||grad_x D(x)||^2, summed over the sample's values, (N,)."""
    logits, gradient = input_gradient(critic, x)
    return squared_norm(gradient, len(logits))


def r1(critic: CriticFn, real: Tensor, gamma: float) -> Tensor:
    """R1 = gamma / 2 ||grad_x D(x)||^2 on real samples (Mescheder et al. 2018, arXiv 1801.04406)."""
    return 0.5 * gamma * gradient_norm(critic, real)


def r2(critic: CriticFn, fake: Tensor, gamma: float) -> Tensor:
    """R2 = gamma / 2 ||grad D(G(z))||^2, the same on generated samples."""
    return 0.5 * gamma * gradient_norm(critic, fake)


def gradient_penalty(
    critic: CriticFn,
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    *,
    eps: float = 1e-12,
    generator: torch.Generator | None = None,
) -> Tensor:
    """lambda (||grad D(u x + (1 - u) G(z))||_2 - 1)^2, u ~ U(0, 1) per sample (Gulrajani et al. 2017, 1704.00028).

    `eps` is added to the squared norm, as the square root has no gradient at zero.
    """
    u = torch.rand(len(real), *(1,) * (real.dim() - 1), dtype=real.dtype, device=real.device, generator=generator)
    norm = (gradient_norm(critic, u * real + (1 - u) * fake) + eps).sqrt()
    return weight * (norm - 1).square()
