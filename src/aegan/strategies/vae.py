"""The variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.strategies._base import Clock, Fit, Loss, Networks, Stage
from aegan.strategies._groups import PriorName, Variational, WithPrior
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class VAE(WithPrior, Variational):
    """Maximises the evidence's lower bound, with the one decoder variance that is best for the batch.

    References:
        Kingma & Welling 2014, arXiv 1312.6114. Variance: Rybkin et al. 2021 (σ-VAE), arXiv 2006.13202.
    """

    name = "vae"
    paper = "Kingma & Welling 2014, arXiv 1312.6114"
    summary = "Codes pulled towards N(0, I) while compressing, and drawn from it."
    where = "its code against a prior"

    prior: PriorName = option("normal", "what codes are drawn from: N(0, I), or what is fitted to them afterwards")
    beta: float = option(1.0, "weight of the KL term; 1 is the bound itself")

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        return {"E": E, "G": G, **self.prior_networks()}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (
            Stage("compress", 1.0, (self.autoencode(self.elbo, "VAE"),), warmup=100, preview="reconstruct"),
            *self.prior_stages(self.posterior_sample),
        )

    def elbo(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = 1/2 log E|x − G(z)|² + β/D KL(q(z|x) || N(0, I)),  z ~ q(z|x): the bound per value, at its best variance."""
        mu, log_var = self.posterior(nets, batch.x)
        z = self.reparameterise(mu, log_var)
        return self.evidence_bound(batch.x, nets["G"](z), mu, log_var, self.beta)
