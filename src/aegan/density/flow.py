"""Flow matching on vectors: a network that moves noise to data along straight lines, trained by regression."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

FREQUENCIES = 16


class Velocity(nn.Module):
    """v(u, t, y): an MLP with residual blocks, each scaled and shifted by time and class; v = 0 at first.

    Args:
        dim: d of u (N, d).
        classes: number of classes, 0 for none.
        width: of all hidden layers.
        blocks: number of them.
        dropout: in each block.
    """

    def __init__(self, dim: int, classes: int, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(dim, width)
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.embed = nn.Embedding(classes, width) if classes else None
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(blocks))
        self.modulate = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(blocks))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.out = nn.Linear(width, dim)
        for layer in (*self.modulate, self.out):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, u: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Velocities (N, d) at u (N, d) and times t (N,) in [0, 1]."""
        waves = t[:, None] * math.pi * torch.arange(1, FREQUENCIES + 1, device=t.device, dtype=t.dtype)
        c = self.time(torch.cat((waves.sin(), waves.cos()), 1))
        if self.embed is not None and y is not None:
            c = c + self.embed(y)
        c = nn.functional.silu(c)
        h = self.into(u)
        for norm, modulate, layer in zip(self.norms, self.modulate, self.layers, strict=True):
            scale, shift = modulate(c).chunk(2, 1)
            h = h + layer(norm(h) * (1 + scale) + shift)
        v: Tensor = self.out(nn.functional.silu(h))
        return v


class FlowMatching(nn.Module):
    """p(u | y) as the end of du/dt = v(u, t, y) that begins at N(0, I).

    v is learnt by min E |v((1 − t) ε + t u, t, y) − (u − ε)|², ε ~ N(0, I). It has no weights until `begin` says how many
    dimensions and classes there are, and a state_dict brings its own sizes.

    References:
        Lipman et al. 2023 (flow matching), arXiv 2210.02747; Liu et al. 2023 (rectified flow), 2209.03003;
        Esser et al. 2024 (times that are logit-normal), 2403.03206.

    Args:
        width, blocks, dropout: of `Velocity`.
        steps: of Heun's method when drawing, two evaluations of v each.
    """

    def __init__(self, *, width: int = 512, blocks: int = 3, dropout: float = 0.1, steps: int = 10) -> None:
        super().__init__()
        self.width, self.blocks, self.dropout, self.steps = width, blocks, dropout, steps
        self.net: Velocity | None = None

    def begin(self, dim: int, classes: int, like: Tensor, seed: int = 0) -> None:
        """Weights for `dim` dimensions and `classes` classes (0: none), on the device and in the precision of `like`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = self._made(dim, classes).to(like)

    def _made(self, dim: int, classes: int) -> Velocity:
        return Velocity(dim, classes, width=self.width, blocks=self.blocks, dropout=self.dropout)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        last = state_dict.get(prefix + "net.out.weight")
        if last is not None and self.net is None:  # torch fills what stands here now
            embed = state_dict.get(prefix + "net.embed.weight")
            with torch.random.fork_rng(devices=[]):
                self.net = self._made(len(last), 0 if embed is None else len(embed)).to(last)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def loss(self, u: Tensor, y: Tensor | None, pairs: int) -> Tensor:
        """|v − (u − ε)|² / d, (N,), the mean over `pairs` draws of noise and time for each u (N, d)."""
        assert self.net is not None
        n, d = u.shape
        # a row for each example, so that several processes draw what one would
        noise = torch.randn(n, pairs, d, device=u.device, dtype=u.dtype)
        t = torch.randn(n, pairs, device=u.device, dtype=u.dtype).sigmoid()
        end = u[:, None].expand_as(noise)
        between = torch.lerp(noise, end, t[..., None]).reshape(-1, d)
        v = self.net(between, t.reshape(-1), None if y is None else y.repeat_interleave(pairs))
        return (v.view(n, pairs, d) - (end - noise)).square().mean((1, 2))

    def sample(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n vectors u (n, d), of classes `y` (n,) if it knows classes; truncation scales the noise they begin at."""
        assert self.net is not None
        weight = self.net.out.weight
        u = truncation * torch.randn(n, len(weight), generator=generator, dtype=weight.dtype, device=weight.device)
        h = 1 / self.steps
        for i in range(self.steps):
            now = u.new_full((n,), i * h)
            v = self.net(u, now, y)
            w = self.net(u + h * v, now + h, y)
            u = u + h / 2 * (v + w)
        return u
