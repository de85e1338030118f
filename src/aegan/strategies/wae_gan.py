"""The Wasserstein autoencoder with an adversarial penalty on its codes."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.collectives import all_gather_rows
from aegan.objectives.regularisers import covariance_penalty
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register, unused
from aegan.strategies._games import Matched


@register
@dataclass(frozen=True)
class WAEGAN(Matched):
    """The least transport cost from data to samples: reconstruct, under a penalty on how far q(z) is from N(0, I).

    *moments*   min_E  |mean E(x)|² + |cov E(x) − I|²          so that C has something to tell from the first step
    *match*     min_{E,G}  c(x, G(E(x) + ε)) + λ sp(−C(E(x) + ε))
                min_C      sp(−C(z)) + sp(C(E(x) + ε)) + γ/2 |∇C(z)|²,  z ~ N(0, I)

    One optimiser for E and G, where an adversarial autoencoder takes turns. The paper's c is 0.05 times the *sum* of
    squares, ours a mean per value: its λ = 10 on 28×28 digits is 0.25 here, its λ = 1 on 64×64×3 faces 0.002.

    Reference:
        Tolstikhin et al. 2018, arXiv 1711.01558 (algorithm 1; the start on moments is that of its code).
    """

    name = "wae-gan"
    paper = "Tolstikhin et al. 2018, arXiv 1711.01558"
    summary = "Reconstructs at the least cost under an adversary's penalty on codes unlike N(0, I)."
    where = "its code against a prior"

    lambda_: float = option(0.05, "λ, weight of the penalty on codes", source="between the paper's 0.25 and 0.002")
    noise: float = option(
        0.2, "noise on codes, in standard deviations; 0 is the paper's", source="ours", searchable=True
    )
    lr: float = option(
        2e-3, "AdamW's learning rate of E and G", source="ours; the paper's are 3e-4 and 1e-3", searchable=True
    )

    lr_generator: float = unused(5e-4, "one optimiser trains E and G")
    n_critic: int = unused(1, "one optimiser trains E and G, in each step")
    ema_decay: float = unused(0.998, "no average is kept")

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        start = Phase("E", ("E",), self.moments, lr=self.lr, clip=1.0, final=1.0)
        phases = (self.autoencode(self.transport, "WAE"), self.critic_phase(self.code_critic_loss, "C", ("C",)))
        return (
            Stage("moments", 0.03, (start,), warmup=10, preview="reconstruct"),
            Stage("match", 0.97, phases, warmup=100, preview=self.first_preview),
            *self.prior_stages(self.encode),
        )

    def moments(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = |mean E(x)|² / d + |cov E(x) − I|² / d over the batch."""
        z = all_gather_rows(self.encode(nets, batch.x))
        return Loss({"mean": z.mean(0).square().mean(), "cov": covariance_penalty(z)})

    def transport(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − x̂|₁ + w2 |x − x̂|₂² + λ sp(−C(E(x) + ε)),  x̂ = G(E(x) + ε)."""
        z = self.with_noise(self.encode(nets, batch.x))
        terms = self.reconstruction(batch.x, nets["G"](z))
        return Loss({**terms, "penalty": self.lambda_ * self.code_generator_loss(nets, z)})
