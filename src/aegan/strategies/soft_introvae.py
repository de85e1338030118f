"""A variational autoencoder whose encoder is its own critic: it gives real examples a high bound, and fakes a low one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from aegan.objectives.reconstruction import l2
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._groups import Variational, WithPrior, standard_normal


@register
@dataclass(frozen=True)
class SoftIntroVAE(WithPrior, Variational):
    """Soft-IntroVAE: no critic beside E. x_r = G(z), z ~ q(z|x), and x_f = G(z_p), z_p ~ N(0, I).

    rec(x) = |x − G(z)|², KL(x) = KL(q(z|x) || N(0, I)); both per value of x: the paper's sums times its s = 1/D

    E: min β_rec rec(x) + β_kl KL(x) + ¼ Σ_{x' ∈ {x_r, x_f}} E exp(−2 (β_rec rec(x') + β_neg KL(x')))
    G: min β_rec rec(x) + ½ β_kl (KL(x_r) + KL(x_f))

    preceded by a VAE, E and G: min β_rec rec(x) + β_kl KL(x). The public code gives G a term of weight 1e-8 more
    (reconstructing fakes), which costs two more passes through G; it is left out.

    Reference:
        Daniel & Tamar, Soft-IntroVAE: Analyzing and Improving the Introspective Variational Autoencoder, CVPR 2021,
        arXiv 2012.13253.
    """

    name = "soft-introvae"
    paper = "Daniel & Tamar 2021, arXiv 2012.13253"
    summary = "A VAE whose encoder tells real from made by the bound it gives them: no other critic."
    where = "its reconstruction judged by an adversary"

    prior: Literal["mixture", "normal"] = option("normal", "what codes are drawn from: N(0, I), or a fitted mixture")
    beta_rec: float = option(
        1.0, "β_rec, weight of the reconstruction", source="the paper's, for pixels in [0, 1]", searchable=True
    )
    beta_kl: float = option(
        1.0, "β_kl, weight of the KL terms", source="the paper's, CIFAR-10 and Fashion-MNIST", searchable=True
    )
    beta_neg: float = option(
        256.0, "β_neg, weight of the KL of fakes, for E", source="the paper's, CIFAR-10", searchable=True
    )
    vae_share: float = option(0.2, "part of the budget that the VAE takes first", most=1)
    lr_game: float = option(
        1e-3, "Adam's learning rate of E and G in the game", source="the paper's 2e-4, longer", searchable=True
    )
    ema_decay: float = option(0.998, "of the averages of E and G in the game", most=0.999999)

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        encoder, generator = (
            replace(self.autoencode(loss, name, (name,)), lr=self.lr_game, weight_decay=0.0, final=0.1)
            for name, loss in (("E", self.encoder), ("G", self.generator))
        )
        game, kept = (encoder, generator), ("E", "G")
        play = Stage("play", 1 - self.vae_share, game, ema=kept, ema_decay=self.ema_decay, preview=self.first_preview)
        return (
            Stage("compress", self.vae_share, (self.autoencode(self.vae, "VAE"),), preview="reconstruct"),
            play,
            *self.prior_stages(self.posterior_sample),
        )

    def bound(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """rec(x) and KL(x), (N,), per value."""
        back, mu, log_var = self.reconstruct(nets, x)
        return l2(x, back), kl_standard_normal(mu, log_var) / x[0].numel()

    def fakes(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_r and x_f; E gets no gradient."""
        with torch.no_grad():
            z = self.posterior_sample(nets, x)
        made = self.decode(nets, torch.cat((z, standard_normal(nets["G"], len(x)))))
        return made[: len(x)], made[len(x) :]

    def vae(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = β_rec rec(x) + β_kl KL(x)."""
        rec, kl = self.bound(nets, batch.x)
        return Loss({"rec": self.beta_rec * rec, "KL": self.beta_kl * kl})

    def encoder(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_E = β_rec rec(x) + β_kl KL(x) + ¼ Σ_{x' ∈ {x_r, x_f}} E exp(−2 (β_rec rec(x') + β_neg KL(x')))."""
        rec, kl = self.bound(nets, batch.x)
        with torch.no_grad():
            fake = torch.cat(self.fakes(nets, batch.x))
        rec_f, kl_f = self.bound(nets, fake)
        exp = (-2 * (self.beta_rec * rec_f + self.beta_neg * kl_f)).exp()
        half = 0.5 * exp.mean()  # of 2N: ¼ for each half
        terms = {"rec": self.beta_rec * rec, "KL": self.beta_kl * kl, "expELBO": half}
        gap = (kl_f.mean() - kl.mean()) * batch.x[0].numel()
        return Loss(terms, watch={"KL(fake)−KL(x)": gap.detach(), "MSE": rec.detach()})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = β_rec rec(x) + ½ β_kl (KL(x_r) + KL(x_f))."""
        back, made = self.fakes(nets, batch.x)
        kl = kl_standard_normal(*self.posterior(nets, torch.cat((back, made)))) / batch.x[0].numel()
        return Loss({"rec": self.beta_rec * l2(batch.x, back), "KL": self.beta_kl * kl.mean()})
