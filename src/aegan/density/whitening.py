"""Whitening: codes to uncorrelated numbers of unit variance, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from aegan.density._fitted import Fitted


class Whitening(Fitted):
    """u = L^(-1/2) V^T (z - m), z = V L^(1/2) u + m, on the leading eigenvectors V of the codes' covariance.

    Dimensions without variance are dropped, as whitening would only amplify their noise; `keep` drops more, which
    is how spatial codes get a prior of moderate size. Codes of any shape (N, ...) are flattened; `decode` restores
    the shape.

    Args:
        keep: at most so many components; 0: all that are alive.
        floor: a component is dead if its variance is below `floor` times the mean variance.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor
    shape: Tensor

    def __init__(self, *, keep: int = 0, floor: float = 1e-3) -> None:
        super().__init__()
        self.keep = keep
        self.floor = floor
        self.register_buffer("mean", torch.empty(0))
        self.register_buffer("basis", torch.empty(0, 0))
        self.register_buffer("scale", torch.empty(0))
        self.register_buffer("shape", torch.empty(0, dtype=torch.long))

    @property
    def dim(self) -> int:
        """Number of components kept, k."""
        return len(self.scale)

    @torch.no_grad()
    def fit(self, codes: Tensor) -> Whitening:
        """Mean and principal components of `codes` (N, ...), in float64."""
        z = codes.flatten(1).double()
        mean = z.mean(0)
        values, vectors = principal(z - mean, self.keep)
        # the mean over all dimensions, those without variance too
        alive = int((values > self.floor * (values.sum() / z.shape[1]).clamp_min(1e-12)).sum())
        k = max(1, min(alive, self.keep) if self.keep else alive)
        dtype = codes.dtype
        self.mean, self.basis = mean.to(dtype), vectors[:, :k].to(dtype)
        self.scale = values[:k].clamp_min(1e-12).sqrt().to(dtype)
        self.shape = torch.tensor(codes.shape[1:])
        return self

    def encode(self, z: Tensor) -> Tensor:
        """Codes (N, ...) to components (N, k)."""
        self._check()
        return (z.flatten(1).to(self.mean.dtype) - self.mean) @ self.basis / self.scale

    def decode(self, u: Tensor) -> Tensor:
        """Components (N, k) to codes (N, ...); what was dropped returns as its mean."""
        return self.flat(u).view(-1, *self.shape.tolist())

    def flat(self, u: Tensor) -> Tensor:
        """`decode` without the codes' shape: (N, k) to (N, d)."""
        self._check()
        return (u * self.scale) @ self.basis.T + self.mean


def principal(z: Tensor, keep: int = 0) -> tuple[Tensor, Tensor]:
    """Eigenvalues of the covariance of centred vectors (N, d), largest first, and the leading eigenvectors (d, k).

    With fewer vectors than dimensions they are had from the vectors' inner products, a matrix N by N. Eigenvalues are
    float64, eigenvectors of the precision of `z`.

    Args:
        keep: at most so many eigenvectors; 0: all min(N, d).
    """
    count = max(1, len(z) - 1)
    few = len(z) < z.shape[1]
    values, vectors = torch.linalg.eigh((z @ z.T if few else z.T @ z).double() / count)
    values, vectors = values.flip(0), vectors.flip(1)[:, : keep or len(values)]
    if few:
        vectors = z.T @ (vectors / (values[: vectors.shape[1]] * count).clamp_min(1e-24).sqrt()).to(z.dtype)
    vectors = vectors.to(z.dtype)
    # The sign of an eigenvector is arbitrary: fixed, so that machines agree.
    return values, vectors * vectors.gather(0, vectors.abs().argmax(0)[None]).sign()
