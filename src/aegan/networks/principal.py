"""The principal components of whole images, to which an encoder and a decoder add what is not linear."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aegan.density.whitening import principal
from aegan.fp32 import in_fp32
from aegan.networks.autoencoders import Decoder, Encoder
from aegan.networks.blocks import zero

MOST = 4000  # images that components are taken from
NUMBERS = 50_000_000  # of all of them together, at most: 200 MB


class Components(nn.Module):
    """u = (x − m) V / s, x = (u s) Vᵀ + m: d principal components of images, each of unit variance; fixed once fitted.

    Args:
        shape: (C, H, W).
        dim: d. Where the images have fewer components, the last ones are zero.
    """

    V: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.shape = shape
        size = shape[0] * shape[1] * shape[2]
        self.register_buffer("V", torch.zeros(size, dim))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(dim))

    def limit(self) -> int:
        """Images that `fit` should be given, at most."""
        return max(2, min(MOST, NUMBERS // len(self.mean)))

    @torch.no_grad()
    def fit(self, x: Tensor) -> float:
        """Takes V, m and s from images (N, C, H, W); gives the share of the variance in V."""
        flat = x.flatten(1).float()
        self.mean.copy_(flat.mean(0))
        values, vectors = principal(flat - self.mean, self.V.shape[1])
        values = values.clamp_min(0)
        k = min(vectors.shape[1], int((values > 1e-6 * values[0].clamp_min(1e-12)).sum()))
        self.V.zero_()
        self.V[:, :k] = vectors[:, :k]
        self.deviation.fill_(1.0)
        self.deviation[:k] = values[:k].sqrt().float()
        return float(values[:k].sum() / values.sum().clamp_min(1e-12))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to components (N, d)."""
        return (x.flatten(1).float() - self.mean) @ self.V / self.deviation

    def inverse(self, u: Tensor) -> Tensor:
        """Components to images."""
        return ((u.float() * self.deviation) @ self.V.T + self.mean).view(-1, *self.shape)


class PrincipalEncoder(nn.Module):
    """E(x) = u(x) + e(x): `components` u, and a net e that is 0 at first."""

    def __init__(self, components: Components, net: Encoder) -> None:
        super().__init__()
        self.components, self.net, self.code_shape = components, net, net.code_shape
        silence(net.head)

    def forward(self, x: Tensor) -> Tensor:
        with in_fp32(x):
            linear = self.components(x)
        return linear + self.net(x).float()


class PrincipalDecoder(nn.Module):
    """G(z) = x(z) + g(z): x the inverse of `components`, and a net g that is 0 at first."""

    def __init__(self, components: Components, net: Decoder) -> None:
        super().__init__()
        self.components, self.net, self.code_shape = components, net, net.code_shape
        silence(net.tail)

    def forward(self, z: Tensor) -> Tensor:
        with in_fp32(z):
            linear = self.components.inverse(z)
        return linear + self.net(z).float()


def silence(net: nn.Module) -> None:
    """Zeros in the last layer."""
    last = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)][-1]
    zero(last.weight, last.bias)
