"""What plain GANs were steadied with before penalties (Salimans et al. 2016, arXiv 1606.03498), as modules to put in."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aegan.collectives import all_gather_rows
from aegan.fp32 import in_fp32
from aegan.networks.blocks import ResidualMLPBlock

EPSILON = 1e-5  # added to σ²


class MinibatchDiscrimination(nn.Module):
    """o_b(i) = 1 / (N − 1) Σ_{j ≠ i} exp(−|M_ib − M_jb|₁), M_i = f(x_i) T: how near each example is to its batch.

    The paper's sum over j is a mean here, so that neither the batch's size nor its last logits depend on it.

    Args:
        inputs, kernels: A and B, numbers in f(x_i) and o(x_i).
        dims: C, rows compared by each kernel; 5 in the authors' code.
    """

    def __init__(self, inputs: int, kernels: int, dims: int = 5) -> None:
        super().__init__()
        self.kernels, self.dims = kernels, dims
        self.T = nn.Parameter(0.05 * torch.randn(inputs, kernels * dims))

    def forward(self, f: Tensor) -> Tensor:
        """(N, A) to (N, B)."""
        with in_fp32(f):  # small differences of large numbers
            M = (f.float() @ self.T).view(len(f), self.kernels, self.dims)
            others = all_gather_rows(M)
            near = (-(M[:, None] - others[None]).abs().sum(3)).exp()
            return (near.sum(1) - 1) / max(len(others) - 1, 1)


class VirtualBatchNorm(nn.Module):
    """γ (h − μ) / σ + β, with μ and σ² of a fixed reference batch and the example itself, weighed as one of R + 1.

    The first R rows of h are the reference batch's, which are normalised by their own statistics alone; the others do
    not see each other. `ConditionalGenerator` puts the reference, R examples, before every batch. h is (N, channels, ...).
    """

    def __init__(self, channels: int, reference: int) -> None:
        super().__init__()
        self.reference = reference
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor) -> Tensor:
        R, rest = self.reference, tuple(range(2, h.ndim))
        wide = h.float()
        mean = wide.mean(rest, keepdim=True) if rest else wide
        square = wide.square().mean(rest, keepdim=True) if rest else wide.square()

        def together(m: Tensor) -> Tensor:
            of_reference = m[:R].mean(0, keepdim=True)
            own = (R * of_reference + m[R:]) / (R + 1)
            return torch.cat((of_reference.expand_as(m[:R]), own))

        mu, second = together(mean), together(square)
        out = (wide - mu) * (second - mu.square() + EPSILON).clamp_min(EPSILON).rsqrt()
        shape = (1, -1, *(1,) * len(rest))
        return (out * self.weight.view(shape) + self.bias.view(shape)).to(h.dtype)


def use_virtual_batch_norm(net: nn.Module, reference: int) -> None:
    """Puts `VirtualBatchNorm` in the place of every group or batch normalisation, and in residual blocks of an MLP."""
    for m in list(net.modules()):
        if isinstance(m, ResidualMLPBlock):
            m.norm = VirtualBatchNorm(m.linear1.in_features, reference)
        for name, child in m.named_children():
            if isinstance(child, nn.GroupNorm | _BatchNorm):
                channels = child.num_channels if isinstance(child, nn.GroupNorm) else child.num_features
                setattr(m, name, VirtualBatchNorm(channels, reference))


class History(nn.Module):
    """|θ − 1/t Σ_{i ≤ t} θ_i|²: how far a network is from the mean of what it has been; a call moves on by one step."""

    mean: Tensor
    t: Tensor

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(sum(p.numel() for p in net.parameters())))
        self.register_buffer("t", torch.zeros(()))

    def forward(self, net: nn.Module) -> Tensor:
        theta = torch.cat([p.reshape(-1) for p in net.parameters()])
        with torch.no_grad():
            self.t += 1
            self.mean += (theta - self.mean) / self.t
        return F.mse_loss(theta, self.mean, reduction="sum")


def mixes_batch(net: nn.Module) -> bool:
    """Whether what `net` says of an example depends on the rest of the batch: gradient penalties do not hold then."""
    return any(isinstance(m, _BatchNorm | MinibatchDiscrimination) for m in net.modules())


@torch.no_grad()
def settle(net: nn.Module, batches: Iterable[tuple[Tensor | None, ...]]) -> int:
    """Takes batch normalisation's means and variances anew, as plain averages over some batches; returns how many layers.

    `net` is in training mode; `batches` are what it is called with.
    """
    layers = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    kept = [m.momentum for m in layers]
    for m in layers:
        m.reset_running_stats()
        m.momentum = None  # which means: the average of all
    for inputs in batches:
        net(*inputs)
    for m, momentum in zip(layers, kept, strict=True):
        m.momentum = momentum
    return len(layers)
