"""The variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.strategies import Batch, Clock, Loss, Networks, option, register
from aegan.strategies._groups import Annealed, Bounding


@register
@dataclass(frozen=True)
class VAE(Annealed, Bounding):
    """Maximises the evidence's lower bound, with the one scale of the decoder's distribution that is best for the batch.

    References:
        Kingma & Welling 2014, arXiv 1312.6114. Variance: Rybkin et al. 2021 (σ-VAE), arXiv 2006.13202.
    """

    name = "vae"
    paper = "Kingma & Welling 2014, arXiv 1312.6114"
    summary = "Codes pulled towards N(0, I) while compressing, and drawn from it."
    where = "its code against a prior"

    beta: float = option(1.0, "weight of the KL term; 1 is the bound itself", searchable=True)

    def elbo(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = 1/2 log E|x − G(z)|² + β/D KL(q(z|x) || N(0, I)),  z ~ q(z|x): the bound per value, at its best variance.

        With the likelihood of Laplace the first term is log E|x − G(z)|. β rises from 0 during `kl_warmup`.
        """
        beta = self.beta * self.annealed(clock)
        return self.evidence_bound(batch.x, *self.reconstruct(nets, batch.x), beta, self.likelihood)
