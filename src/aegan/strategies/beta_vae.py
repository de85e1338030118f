"""The variational autoencoder with a weight on the KL term."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.collectives import all_reduce_mean
from aegan.objectives.reconstruction import l2
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies import Batch, Clock, Loss, Networks, option, register
from aegan.strategies._groups import Bounding


@register
@dataclass(frozen=True)
class BetaVAE(Bounding):
    """L = |x − G(z)|² / 2σ² + β |KL(q(z | x) || N(0, I)) − C|,  z ~ q(z | x); C rises from 0 to `capacity`.

    A larger β gives fewer, more independent dimensions of code and blurs more; β far below 1 is the usual first stage of a
    model on codes, with a density fitted to them (prior=mixture). σ is fixed, where `vae` takes the best of each batch.

    References:
        Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl; Burgess et al. 2018 (capacity), arXiv 1804.03599.
    """

    name = "beta-vae"
    paper = "Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl; Burgess et al. 2018, arXiv 1804.03599"
    summary = "A variational autoencoder that trades sharpness for independent dimensions of code."
    where = "its code against a prior"

    beta: float = option(4.0, "weight of the KL term", source="Higgins 2017: 4 to 250", searchable=True)
    sigma: float = option(0.2, "σ, the decoder's standard deviation, the data in [-1, 1]", source="ours", least=1e-6)
    capacity: float = option(0.0, "C in nats, reached at three quarters of the training; 0: the plain KL")

    def elbo(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = mean (x − G(z))² / 2σ² + β/D |KL(q(z|x) || N(0, I)) − C|: per value, D values; times σ² so that rates hold."""
        back, mu, log_var = self.reconstruct(nets, batch.x)
        kl = kl_standard_normal(mu, log_var)
        c = self.capacity * min(1.0, clock.progress / 0.75)
        excess = (all_reduce_mean(kl.mean()) - c).abs() if self.capacity else kl
        weight = self.beta * self.sigma**2 / batch.x[0].numel()
        return Loss({"NLL": 0.5 * l2(batch.x, back), "KL": weight * excess}, watch={"nats": kl.detach()})
