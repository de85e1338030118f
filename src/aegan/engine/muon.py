"""Muon for matrices, AdamW for the rest: one optimiser, which makes an autoencoder learn more from each image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 128  # rows that are orthogonalised together: the cost of the Gram matrix grows with their cube
MOMENTUM = 0.95
RMS = 0.2  # of an update, about Adam's, so that rates mean the same (Liu et al. 2025)
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al.: the quintic with the steepest start that still ends near 1
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """W ← W − lr · 0.2 √max(m, n) · orthogonal(M), M the momentum of the m × n matrix W; AdamW for vectors.

    A convolution's weight (o, i, h, w) is the matrix (o, i·h·w). Where a matrix has more than 128 rows (and columns), each
    128 are made orthogonal by themselves.

    Args:
        parameters: those with two or more dimensions are matrices.
        lr: AdamW's rate of the others.
        matrix_lr: rate of the matrices.
        betas, weight_decay: AdamW's; matrices have no weight decay.

    References:
        Jordan et al. 2024 (Muon), https://kellerjordan.github.io/posts/muon; Liu et al. 2025 (scale of the update),
        arXiv 2502.16982.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        matrix_lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        own = list(parameters)
        vectors, matrices = [p for p in own if p.ndim < 2], [p for p in own if p.ndim >= 2]
        self.adam = torch.optim.AdamW(vectors or own[:1], lr, betas, weight_decay=weight_decay, fused=True)
        groups: list[dict[str, Any]] = [{"params": vectors}, {"params": matrices, "lr": matrix_lr}]
        super().__init__(groups, self.adam.defaults)
        self._step_supports_amp_scaling = True  # as of any fused optimiser: GradScaler leaves `found_inf` to it

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; none where `found_inf` says so, as in torch's fused optimisers."""
        skip = getattr(self, "found_inf", None)
        matrices = self.param_groups[1]
        self.adam.state, self.adam.param_groups = self.state, self.param_groups[:1]
        self.adam.found_inf = skip  # type: ignore[attr-defined]
        self.adam.step()
        taken = 1.0 if skip is None else 1 - skip.reshape(())
        weights = [p for p in matrices["params"] if p.grad is not None]
        directions = []
        for p in weights:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
            M, g = self.state[p]["momentum"], p.grad
            if skip is not None:
                g = torch.where(skip == 0, g, M)  # numbers that are not finite would stay so even times zero
            M.lerp_(g, (1 - MOMENTUM) * taken)
            directions.append(g.lerp(M, MOMENTUM).flatten(1))
        for p, update in zip(weights, orthogonal(directions), strict=True):
            scale = RMS * max(update.shape) ** 0.5 * matrices["lr"]
            p.sub_(update.view_as(p) * (scale * taken))


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """About U Vᵀ of each M = U S Vᵀ, (m, n), for each block of rows (or columns, whichever are fewer) by itself.

    Blocks of one shape are computed together: one by one they are too small for several threads, or for a GPU.
    """
    wide = [M.T if len(M) > M.shape[1] else M for M in matrices]
    blocks = [rows for W in wide for rows in W.float().split(BLOCK)]
    for shape in dict.fromkeys(rows.shape for rows in blocks):
        same = [i for i, rows in enumerate(blocks) if rows.shape == shape]
        for i, X in zip(same, newton_schulz(torch.stack([blocks[i] for i in same])), strict=True):
            blocks[i] = X
    done, out = iter(blocks), []
    for M, W in zip(matrices, wide, strict=True):
        U = torch.cat([next(done) for _ in W.split(BLOCK)]).to(M.dtype)
        out.append(U if W is M else U.T)
    return out


def newton_schulz(X: Tensor) -> Tensor:
    """Singular values of each X (k, m, n), m ≤ n, brought to 0.7 … 1.2 by X ← (a + b XXᵀ + c (XXᵀ)²) X, five times.

    The polynomials are multiplied as m × m matrices, and X is touched twice only.
    """
    a, b, c = COEFFICIENTS
    X = X / X.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    A, P = X @ X.mT, None
    for i in range(ITERATIONS):
        Q = torch.baddbmm(A, A, A, beta=b, alpha=c)
        Q.diagonal(dim1=-2, dim2=-1).add_(a)
        P = Q if P is None else Q @ P
        if i + 1 < ITERATIONS:
            A = Q @ A @ Q
    return P @ X  # type: ignore[operator]
