"""What several strategies do in the same words: compress, and fit a density to the codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aegan.objectives.reconstruction import l1, l2, laplacian_l1
from aegan.strategies._base import Networks, View


def reconstruction(x: Tensor, back: Tensor, *, w1: float, w2: float, perceptual: float) -> dict[str, Tensor]:
    """The terms w1 |x − x̂|₁, w2 |x − x̂|₂², and a perceptual term on a Laplacian pyramid, each (N,)."""
    back = back.float()
    terms = {"L1": w1 * l1(x, back), "L2": w2 * l2(x, back)}
    if perceptual and x.ndim == 4:
        terms["Llap"] = perceptual * laplacian_l1(x, back)
    return {k: v for k, v in terms.items() if w1 or k != "L1"}


def noisy(z: Tensor, sigma: float) -> Tensor:
    """z + sigma · sd(z) · ε: codes nearby must decode alike, so that a density has no holes to fall into."""
    return z + sigma * z.detach().std(0, keepdim=True) * torch.randn_like(z)


def all_codes(nets: Networks, view: View, encoder: str, limit: int) -> tuple[Tensor, Tensor | None]:
    """Codes (N, ...) and labels of at most `limit` training examples."""
    codes, labels = [], []
    for batch in view.batches("train", limit):
        codes.append(nets[encoder](batch.x).float())
        labels.append(batch.y)
    known = bool(view.spec.classes) and labels[0] is not None
    return torch.cat(codes), torch.cat([y for y in labels if y is not None]) if known else None


def fit_prior(nets: Networks, view: View, limit: int) -> dict[str, Any]:
    """Fits the prior P to the codes that E gives the training examples."""
    codes, labels = all_codes(nets, view, "E", limit)
    return nets["P"].fit(codes, labels)  # type: ignore[operator, no-any-return]
