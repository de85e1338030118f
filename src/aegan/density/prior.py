"""What a strategy draws from: whitened codes under a mixture, and classes as often as the data has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aegan.density.mdn import MixtureDensity
from aegan.density.mixture import Mixture
from aegan.density.parzen import ManifoldParzen
from aegan.density.whitening import Whitening
from aegan.fp32 import in_fp32


class Prior(nn.Module):
    """p(z): codes (N, ...) are whitened to u (N, k), and u follows a mixture of Gaussians, per class if there are labels.

    With a mixture-density network u follows that instead; the mixture still knows how often each class is. With Parzen
    windows u is drawn from those, which have no density: `log_prob` stays the mixture's.

    Args:
        components: numbers of components to try, ascending; held-out likelihood chooses.
        keep: leading principal components of the codes that are modelled; 0: all that are alive.
        shrinkage: of the components' covariances, in units of k codes.
        mdn: a mixture-density network, if there shall be one.
        parzen: a Gaussian around every code, if there shall be those.
    """

    spread: Tensor

    def __init__(
        self,
        *,
        components: tuple[int, ...],
        keep: int = 0,
        shrinkage: float = 0.3,
        mdn: MixtureDensity | None = None,
        parzen: ManifoldParzen | None = None,
    ) -> None:
        super().__init__()
        self.mdn = mdn
        self.parzen = parzen
        self.whitening = Whitening(keep=keep)
        self.mixture = Mixture(components=components, shrinkage=shrinkage)
        self.register_buffer("spread", torch.ones(()))  # standard deviation of a code's numbers, all together

    def fit(self, codes: Tensor, labels: Tensor | None) -> dict[str, Any]:
        """Fits to codes (N, ...) and labels (N,); returns what was found, for the report."""
        self.whitening.fit(codes)
        self.spread.copy_((codes.flatten(1) - self.whitening.mean).square().mean().sqrt())
        u = self.whitening.encode(codes)
        self.mixture.fit(u, labels)
        if self.parzen is not None:
            # distances as between codes: whitened, dimensions without meaning would weigh as much as others
            self.parzen.fit(u, labels, self.whitening.scale)
        if self.mdn is not None:
            self.mdn.begin(self.whitening.dim, 0 if labels is None else int(labels.max()) + 1, u)
        return {"dimensions": self.whitening.dim, "components": len(self.mixture), "codes": len(codes)}

    @property
    def has_classes(self) -> bool:
        """Whether the codes it was fitted to had labels."""
        return bool((self.mixture.classes >= 0).all())

    @property
    def fitted(self) -> bool:
        """Whether there is something to sample from."""
        return self.mixture.fitted

    def draw(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """n whitened codes u (n, k) and their classes (n,), None if the prior has no classes."""
        with in_fp32(self.whitening.mean):
            source = self.mixture if self.parzen is None else self.parzen
            u, classes = source.sample_with_classes(n, y, truncation, rng)
            if self.mdn is not None:
                u = self.mdn.sample(n, classes, truncation, rng)
        return u, (None if bool((classes < 0).any()) else classes)

    def log_prob(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(u | y), (N,), of the whitened codes u = W(z), in nats; without y, or classes, log p(u)."""
        u = self.whitening.encode(z)
        if self.mdn is None:
            return self.mixture.log_prob(u, y if self.has_classes else None)
        if y is not None or not self.has_classes:
            return self.mdn.log_prob(u, y if self.has_classes else None)
        known = torch.unique(self.mixture.classes)
        each = [
            self.mdn.log_prob(u, c.expand(len(u))) + self.mixture.weights[self.mixture.classes == c].sum().log()
            for c in known
        ]
        return torch.logsumexp(torch.stack(each), 0)

    def sample(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """n codes (n, ...) and their classes."""
        u, classes = self.draw(n, y, truncation, rng)
        with in_fp32(u):
            return self.whitening.decode(u), classes

    def normalise(self, z: Tensor) -> Tensor:
        """Codes as a latent GAN should see them: flat ones whitened, (N, d) with zeros in dead dimensions; spatial ones
        centred and of unit variance, in their own shape."""
        if z.ndim == 2:
            with in_fp32(z):
                u = self.whitening.encode(z)
            return nn.functional.pad(u, (0, z.shape[1] - u.shape[1]))
        return (z - self.whitening.mean.view(z.shape[1:])) / self.spread

    def restore(self, v: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        if v.ndim == 2:
            with in_fp32(v):
                return self.whitening.flat(v[:, : self.whitening.dim].to(self.whitening.mean.dtype))
        return v * self.spread + self.whitening.mean.view(v.shape[1:])


class Frequencies(nn.Module):
    """p(y): how often each class is, for strategies that draw noise and class apart; without classes it draws None."""

    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.ones(classes))

    def fit(self, labels: Tensor) -> dict[str, Any]:
        """Counts labels (N,)."""
        self.counts.copy_(torch.bincount(labels, minlength=len(self.counts)).float())
        return {"classes": len(self.counts)}

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor | None:
        """n classes (n,), or None if there are none."""
        if not len(self.counts):
            return None
        return torch.multinomial(self.counts, n, replacement=True, generator=rng)
