"""One Gaussian: the simplest density of codes, and the control for the mixture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aegan.density._fitted import Fitted


class Gaussian(Fitted):
    """N(m, S) on codes (N, d).

    Args:
        ridge: added to the diagonal of S, as a share of its mean.
    """

    mean: Tensor
    chol: Tensor

    def __init__(self, *, ridge: float = 1e-6) -> None:
        super().__init__()
        self.ridge = ridge
        self.register_buffer("mean", torch.empty(0))
        self.register_buffer("chol", torch.empty(0, 0))

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> Gaussian:
        """The maximum-likelihood mean and covariance (divided by N) of `codes` (N, d); `labels` are not used."""
        z = codes.double()
        mean = z.mean(0)
        cov = (z - mean).T @ (z - mean) / len(z)
        cov.diagonal().add_(self.ridge * cov.diagonal().mean().clamp_min(1e-12))
        self.mean, self.chol = mean.to(codes.dtype), torch.linalg.cholesky(cov).to(codes.dtype)
        return self

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        truncation: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n codes (n, d); `truncation` scales the deviation from the mean."""
        self._check()
        e = torch.randn(n, len(self.mean), dtype=self.mean.dtype, device=self.mean.device, generator=generator)
        return self.mean + truncation * e @ self.chol.T

    def log_prob(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log N(z; m, S) in nats, (N,)."""
        self._check()
        r = torch.linalg.solve_triangular(self.chol, (z - self.mean).T, upper=False)
        d = len(self.mean)
        return -0.5 * (r.square().sum(0) + d * math.log(2 * math.pi)) - self.chol.diagonal().log().sum()
