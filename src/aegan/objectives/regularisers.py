"""What keeps codes in a shape that a density can learn: one value per sample, (N,)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def kl_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, s^2) || N(0, I)) = 1/2 sum (mu^2 + s^2 - log s^2 - 1), summed over dimensions, in nats.

    Beside a reconstruction that is a mean over pixels, its weight counts as if multiplied by their number.
    """
    return 0.5 * (mu.square() + log_var.exp() - log_var - 1).flatten(1).sum(1)


def code_l2(z: Tensor) -> Tensor:
    """1/2 mean z^2: keeps codes from growing (RAE, Ghosh et al. 2020, arXiv 1903.12436)."""
    return 0.5 * z.square().flatten(1).mean(1)


def covariance_penalty(z: Tensor) -> Tensor:
    """||cov(z) - I||_F^2 / d, the same value for every sample: pulls codes towards zero correlation, unit variance.

    Args:
        z: codes (N, d), N > 1.
    """
    z = z.flatten(1)
    centred = z - z.mean(0)
    cov = centred.T @ centred / (len(z) - 1)
    identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    return ((cov - identity).square().sum() / z.shape[1]).expand(len(z))


def kl_of_moments(z: Tensor) -> Tensor:
    """mean_j 1/2 (s_j^2 + m_j^2 - 1) - log s_j, (): KL(N(m, diag s^2) || N(0, I)) of a batch's moments, per dimension.

    AGE, Ulyanov et al. 2018 (arXiv 1704.02304).

    Args:
        z: codes (N, ...), N > 1.
    """
    variance, mean = torch.var_mean(z.flatten(1), 0)
    variance = variance + 1e-6  # bounds what collapsed codes are worth to who wants the divergence large
    return (0.5 * (variance + mean.square() - variance.log() - 1)).mean()


def pulling_away(codes: Tensor) -> Tensor:
    """1 / (N (N - 1)) sum_i sum_{j != i} (s_i . s_j / |s_i| |s_j|)^2, (): how alike the codes of a batch are.

    EBGAN, Zhao et al. 2017 (arXiv 1609.03126).

    Args:
        codes: (N, ...), N > 1.
    """
    s = F.normalize(codes.flatten(1), dim=1)
    n = len(s)
    return ((s @ s.T).square().sum() - n) / (n * (n - 1))
