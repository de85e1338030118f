"""The drifting field: where generated examples would have to move to become like the data.

Deng et al. 2026, arXiv 2602.04770:

    V(x) = Σ_{y⁺, y⁻} k̃(x, y⁺) k̃(x, y⁻) (y⁺ − y⁻),  k(x, y) = exp(−|x − y| / (τ d̄)),  d̄ the mean distance

y⁺ are real, y⁻ the generated ones but x itself, and k̃ is k over the root of its row's and its column's sum. Exchanging both
turns V around, so that it vanishes where both are distributed alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FAR = 1e6  # times d̄: what counts as out of reach


def drifting_field(
    x: Tensor,
    real: Tensor,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    *,
    y: Tensor | None = None,
    y_real: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """V at generated `x` (N, d), the sum over temperatures of fields of unit size; and their sizes before that.

    Args:
        x: generated, which are also what pushes away; no gradient flows through the field.
        real: (M, d), which pull.
        temperatures: τ, in mean distances.
        y, y_real: classes (N,) and (M,): only those of one class see each other.

    Returns:
        V, (N, d), and the root mean square of each temperature's field, (T,).

    >>> V, size = drifting_field(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [6.0]]))
    >>> bool((V > 0).all()), len(size)
    (True, 3)
    """
    with torch.no_grad():
        x, real = x.detach().float(), real.detach().float()
        n = len(x)
        points = torch.cat((x, real))
        distances = torch.cdist(x, points)
        distances = distances / distances.mean().clamp_min(1e-12)
        distances[:, :n].fill_diagonal_(FAR)  # nothing pushes itself away
        if y is not None and y_real is not None:
            distances[y[:, None] != torch.cat((y, y_real))[None]] = FAR
        fields, sizes = torch.zeros_like(x), []
        for temperature in temperatures:
            logits = -distances / temperature
            k = (logits.softmax(1) * logits.softmax(0)).sqrt()
            pushing, pulling = k[:, :n], k[:, n:]
            field = (pulling * pushing.sum(1, keepdim=True)) @ real - (pushing * pulling.sum(1, keepdim=True)) @ x
            sizes.append(field.square().mean().sqrt())
            fields += field / sizes[-1].clamp_min(1e-12)
        return fields, torch.stack(sizes)
