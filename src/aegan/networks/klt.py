"""The Karhunen-Loève transform of an image's patches, around which an encoder and a decoder learn what is not linear."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.fp32 import in_fp32


class PatchKLT(nn.Module):
    """Patches p of p x p pixels and all channels to coefficients (p − μ) V / unit, and back; fixed once fitted.

    V holds all eigenvectors of the patches' covariance, that of the largest variance first, so nothing is lost.

    Args:
        channels: of the images.
        patch: p.
        unit: length of a step of 1 in a coefficient, in the units of the data.
    """

    V: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, patch: int, unit: float) -> None:
        super().__init__()
        self.patch, self.unit = patch, unit
        self.planes = channels * patch * patch
        self.register_buffer("V", torch.eye(self.planes))
        self.register_buffer("mean", torch.zeros(self.planes))
        self.register_buffer("deviation", torch.ones(self.planes))

    def fit(self, x: Tensor) -> Tensor:
        """Takes V, μ and the coefficients' deviations from images (N, C, H, W); gives each one's share of the variance."""
        flat = F.pixel_unshuffle(x, self.patch).transpose(0, 1).flatten(1).double()
        self.mean.copy_(flat.mean(1))
        variance, vectors = torch.linalg.eigh(torch.cov(flat))
        vectors, variance = vectors.flip(1), variance.flip(0).clamp_min(0)
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        self.V.copy_(vectors * largest.sign())  # an eigenvector's sign means nothing: the same one on every machine
        self.deviation.copy_(variance.sqrt() / self.unit)
        return variance / variance.sum().clamp_min(1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to coefficients (N, C patch², H / patch, W / patch)."""
        flat = F.pixel_unshuffle(x.float(), self.patch) - self.mean[:, None, None]
        return F.conv2d(flat, self.V.T[:, :, None, None]) / self.unit

    def inverse(self, z: Tensor) -> Tensor:
        """Coefficients to images."""
        flat = F.conv2d(z.float() * self.unit, self.V[:, :, None, None]) + self.mean[:, None, None]
        return F.pixel_shuffle(flat, self.patch)


class KLTEncoder(nn.Module):
    """E(x) = KLT(x) + g net(x), with g small at first: it starts as the transform."""

    def __init__(self, klt: PatchKLT, net: nn.Module) -> None:
        super().__init__()
        self.klt, self.net = klt, net
        self.gain = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        with in_fp32(x):
            linear = self.klt(x)
        return linear + self.gain * self.net(x).float()


class KLTDecoder(nn.Module):
    """G(z) = KLT⁻¹(z) + g net(z / (1 + deviations)): the net reads numbers of one size."""

    def __init__(self, klt: PatchKLT, net: nn.Module, code_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.klt, self.net, self.code_shape = klt, net, code_shape
        self.gain = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, z: Tensor) -> Tensor:
        with in_fp32(z):
            linear = self.klt.inverse(z)
        return linear + self.gain * self.net(z / (1 + self.klt.deviation[:, None, None])).float()
