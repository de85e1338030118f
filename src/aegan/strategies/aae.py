"""The adversarial autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, unused
from aegan.strategies._games import Matched


@register
@dataclass(frozen=True)
class AAE(Matched):
    """An autoencoder whose encoder also plays a game: its codes against z ~ N(0, I), told apart by C. In each step

    (1) reconstruct     min_{E,G} |x − G(E(x) + ε)|
    (2) critic          min_C     sp(−C(z)) + sp(C(E(x) + ε)) + γ/2 |∇C(z)|²
    (3) encoder         min_E     sp(−C(E(x) + ε))

    each with an optimiser of its own. The noise ε makes q(z | x) a Gaussian of fixed width, since an encoder without any
    leaves holes between its codes, from which G then draws.

    Reference:
        Makhzani et al. 2015, arXiv 1511.05644.
    """

    name = "aae"
    paper = "Makhzani et al. 2015, arXiv 1511.05644"
    summary = "An autoencoder whose codes a critic drives to N(0, I), from which new ones are drawn."
    where = "its code against a prior"

    noise: float = option(0.2, "noise on codes, in standard deviations", source="ours", searchable=True)
    ema_decay: float = unused(0.998, "no average is kept")

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (
            self.autoencode(self.compress),
            self.critic_phase(self.code_critic_loss, "C", ("C",)),
            self.generator_phase(self.encoder, "E", ("E",)),
        )
        return Stage("compress", 1.0, phases, warmup=100, preview=self.first_preview), *self.prior_stages(self.encode)

    def encoder(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_E = sp(−C(E(x) + ε))."""
        return Loss({"L_E": self.code_generator_loss(nets, self.with_noise(self.encode(nets, batch.x)))})
