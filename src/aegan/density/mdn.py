"""A mixture-density network: one-dimensional mixtures whose parameters a network gives, trained by gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.density._fitted import Fitted
from aegan.density.mixture import LOG_2PI

LEAST = 1e-3  # σ, in units of u


class MixtureDensity(Fitted):
    """p(u | y) = ∏_i p(u_i | u_1 … u_{i−1}, y),  p(u_i | ·) = Σ_k π_ik N(u_i; μ_ik, σ_ik²).

    One pass through a masked MLP gives π, μ and σ of all d dimensions: hidden unit j sees inputs up to its degree, output i
    only hidden units of a lower degree than i (MADE). Drawing takes d passes. The network has no weights until `begin` says
    how many dimensions and classes there are, and a state_dict brings its own sizes.

    References:
        Bishop 1994, Mixture density networks, https://publications.aston.ac.uk/id/eprint/373;
        Germain et al. 2015 (MADE), arXiv 1502.03509.

    Args:
        components: K, Gaussians a dimension.
        width: of the two hidden layers.
    """

    w1: nn.Parameter
    w2: nn.Parameter
    w3: nn.Parameter
    b1: nn.Parameter
    b2: nn.Parameter
    b3: nn.Parameter
    embed: nn.Parameter  # (C, width): what each class adds to the first hidden layer

    def __init__(self, *, components: int = 8, width: int = 256) -> None:
        super().__init__()
        self.components, self.width = components, width
        for name, shape in self._shapes(0, 0).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    def _shapes(self, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
        h, out = (self.width, 3 * self.components * dim) if dim else (0, 0)
        weights = {"w1": (h, dim), "w2": (h, h), "w3": (out, h)}
        return {**weights, "b1": (h,), "b2": (h,), "b3": (out,), "embed": (classes, h)}

    def begin(self, dim: int, classes: int, like: Tensor) -> None:
        """Weights for `dim` dimensions and `classes` classes (0: none), on the device and in the precision of `like`.

        At first p is the same whatever was before: K Gaussians over the middle of N(0, 1), in every dimension.
        """
        rng = torch.Generator().manual_seed(0)
        for name, shape in self._shapes(dim, classes).items():
            scale = (2 / shape[1]) ** 0.5 if name in ("w1", "w2") else 0.0
            setattr(self, name, nn.Parameter(scale * torch.randn(shape, generator=rng).to(like)))
        means = torch.linspace(-1.5, 1.5, self.components) if self.components > 1 else torch.zeros(1)
        with torch.no_grad():
            self.b3.view(dim, 3, self.components)[:, 1].copy_(means.to(like))

    @property
    def fitted(self) -> bool:
        """Whether there are weights."""
        return self.w1.numel() > 0

    def parts(self, u: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """log π, μ and σ, each (N, d, K), of every dimension of u (N, d) given those before it and classes y (N,)."""
        d = u.shape[1]
        inputs = torch.arange(1, d + 1, device=u.device)
        hidden = torch.arange(self.width, device=u.device) % d
        outputs = inputs.repeat_interleave(3 * self.components)
        h = F.linear(u, self.w1 * (hidden[:, None] >= inputs), self.b1)
        if y is not None and len(self.embed):
            h = h + self.embed[y]
        h = F.silu(h)
        h = h + F.silu(F.linear(h, self.w2 * (hidden[:, None] >= hidden), self.b2))
        out = F.linear(h, self.w3 * (outputs[:, None] > hidden), self.b3).view(-1, d, 3, self.components)
        logits, mu, width = out.unbind(2)
        return logits.log_softmax(2), mu, F.softplus(width) + LEAST

    def log_prob(self, u: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(u | y) in nats, (N,)."""
        log_pi, mu, sigma = self.parts(u, y)
        log_n = -0.5 * ((u[..., None] - mu) / sigma).square() - sigma.log() - 0.5 * LOG_2PI
        return torch.logsumexp(log_pi + log_n, 2).sum(1)

    def sample(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n vectors u (n, d), of classes `y` (n,) if it knows classes.

        `truncation` scales the deviation from the component's mean, dimension by dimension.
        """
        d = self.w1.shape[1]
        u = self.w1.new_zeros(n, d)
        for i in range(d):
            log_pi, mu, sigma = (t[:, i] for t in self.parts(u, y))
            k = torch.multinomial(log_pi.exp(), 1, generator=generator)
            e = torch.randn(n, 1, dtype=u.dtype, device=u.device, generator=generator)
            u[:, i] = (mu.gather(1, k) + truncation * sigma.gather(1, k) * e).squeeze(1)
        return u
