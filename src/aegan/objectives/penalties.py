"""Penalties on the critic's gradient with respect to its input; one value per sample, (N,).

All build the graph of the gradient (`create_graph`), so that they can be trained on. The critic must not mix the
samples of a batch (no batch normalisation); with packing, a value belongs to a pack.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CriticFn = Callable[[Tensor], Tensor]


def squared_norm(gradient: Tensor, packs: int) -> Tensor:
    """Sum of squares over everything but the first axis, (packs,), in fp32 or better."""
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32)).square().reshape(packs, -1).sum(1)


def gradient_norm(critic: CriticFn, x: Tensor) -> Tensor:
    """||grad_x D(x)||^2, summed over the sample's values, (N,), and differentiable.

    As sample i's logit depends on sample i alone, row i of the gradient of their sum is that of its own logit.
    """
    x = x.detach().requires_grad_(True)
    logits = critic(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return squared_norm(gradient, len(logits))


def r1(critic: CriticFn, real: Tensor, gamma: float) -> Tensor:
    """R1 = gamma / 2 ||grad_x D(x)||^2 on real samples (Mescheder et al. 2018, arXiv 1801.04406)."""
    return 0.5 * gamma * gradient_norm(critic, real)


def r2(critic: CriticFn, fake: Tensor, gamma: float) -> Tensor:
    """R2 = gamma / 2 ||grad D(G(z))||^2, the same on generated samples."""
    return 0.5 * gamma * gradient_norm(critic, fake)


def gradient_penalty(critic: CriticFn, real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """lambda (||grad_x D(u x + (1 - u) G(z))||_2 - 1)^2, u ~ U(0, 1) per sample (Gulrajani et al. 2017, 1704.00028)."""
    u = torch.rand(len(real), *(1,) * (real.dim() - 1), dtype=real.dtype, device=real.device)
    norm = (gradient_norm(critic, u * real + (1 - u) * fake) + 1e-12).sqrt()  # whose gradient at 0 is infinite
    return weight * (norm - 1).square()


def finite_difference(logits: Tensor, moved: Tensor, gamma: float, sigma: float) -> Tensor:
    """gamma / 2 ((D(x) - D(x + sigma n)) / sigma)^2, n ~ N(0, I), (N,): R1 or R2 without a gradient of a gradient.

    Its mean over n is that of `r1` as sigma goes to 0; n may not be shared by examples. Both logits in fp32: their
    difference is small (Lin et al. 2025, arXiv 2501.08316).

    Args:
        logits: D(x), (N,).
        moved: D(x + sigma n), (N,).
    """
    return 0.5 * gamma * ((logits - moved) / sigma).square()
