"""Views of examples, and the contrast between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def view(x: Tensor, *, zoom: float = 0.2, shift: float = 0.1, turn: float = 0.08, light: float = 0.4) -> Tensor:
    """A random view of each image (N, C, H, W) in [-1, 1]: zoomed, stretched, shifted, turned, of another gamma and gain.

    Args:
        zoom: the view shows 1 − zoom to 1 + zoom / 4 of each side.
        shift: most that its centre moves, as a share of half a side, beside what the zoom leaves.
        turn: most it turns, in radians.
        light: most that log gamma, and the gain, change.
    """
    n, device = len(x), x.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *shape, device=device).uniform_(low, high)

    scale, stretch, angle = uniform(1 - zoom, 1 + zoom / 4), uniform(-zoom / 2, zoom / 2).exp(), uniform(-turn, turn)
    across, down = scale * stretch, scale / stretch
    theta = torch.zeros(n, 2, 3, device=device)
    tall = x.shape[2] / x.shape[3]  # both axes run from -1 to 1: without it, a turn would shear what is not square
    theta[:, 0, 0], theta[:, 0, 1] = across * angle.cos(), -down * angle.sin() * tall
    theta[:, 1, 0], theta[:, 1, 1] = across * angle.sin() / tall, down * angle.cos()
    theta[:, :, 2] = uniform(-1, 1, 2) * (1 + shift - scale)[:, None].clamp_min(shift)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    pixels = F.grid_sample((x.float() + 1) / 2, grid, padding_mode="border", align_corners=False)
    gamma, gain = uniform(-light, light, 1, 1, 1).exp(), uniform(1 - light, 1 + light, 1, 1, 1)
    light_of = pixels[:, :3]  # a fourth channel is alpha, which no light changes
    seen = (light_of.clamp_min(1e-4) ** gamma * gain).clamp(0, 1)
    return torch.cat((seen, pixels[:, 3:]), 1) * 2 - 1


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """−log exp(s(h_i, h_i') / τ) / Σ_{k ≠ i} exp(s(h_i, h_k) / τ), s the cosine, over both views of each example.

    Args:
        a, b: two views' vectors (N, d), row by row of the same example.
        temperature: τ.

    Returns:
        (N,), the mean of the two views' losses.

    Reference: Chen et al. 2020 (SimCLR), arXiv 2002.05709, equation 1.
    """
    n = len(a)
    h = F.normalize(torch.cat((a, b)).float(), dim=1)
    logits = (h @ h.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool, device=h.device), float("-inf"))
    partner = torch.arange(2 * n, device=h.device).roll(n)
    return F.cross_entropy(logits, partner, reduction="none").view(2, n).mean(0)
