"""An autoencoder whose reconstructions and samples face one critic, and whose codes face another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from aegan.networks import build_critic
from aegan.objectives.reconstruction import l1
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._games import GameName, JudgedImages
from aegan.strategies._groups import Coded, WithPrior, half_drawn, standard_normal


@register
@dataclass(frozen=True)
class AlphaGAN(WithPrior, JudgedImages, Coded):
    """α-GAN: the evidence's lower bound, both of its terms replaced by critics. z ~ N(0, I); updates in this order:

    E: min λ |x − G(E(x))|₁ + L_G(C; E(x))            codes must pass for z
    G: min λ |x − G(E(x))|₁ + L_G(D; G(E(x)), G(z))   images must pass for x
    D: min L_D(x; G(E(x)), G(z))
    C: min L_D(z; E(x))

    with L_G = sp(−D(·)), L_D = sp(−D(real)) + sp(D(fake)) in the paper. G(E(x)) and G(z) share the batch, half of it
    each. The first version of the paper had the two terms of C's loss exchanged.

    Reference:
        Rosca et al., Variational Approaches for Auto-Encoding Generative Adversarial Networks, 2017, arXiv 1706.04987.
    """

    name = "alphagan"
    paper = "Rosca et al. 2017, arXiv 1706.04987"
    summary = "An autoencoder with one critic for its images and one for its codes."
    where = "its reconstruction judged by an adversary"

    prior: Literal["mixture", "normal"] = option("normal", "what codes are drawn from: N(0, I), or a fitted mixture")
    loss: GameName = option("nonsaturating", "the game, of images and of codes", source="the paper")
    lr: float = option(1e-3, "AdamW's learning rate of E", searchable=True)
    lam: float = option(10.0, "λ, weight of |x − G(E(x))|₁, a mean over values", source="public code: 1 to 10")
    code_width: int = option(
        64, "width of C; a quarter of its hidden layers where codes are flat", least=1, most=65_536
    )
    gamma_codes: float = option(
        0.05, "γ of R1 on codes", source="`latent`; 1 punishes 64 dimensions too hard", searchable=True
    )

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        return {
            "E": E,
            "G": G,
            "D": self.critic_network(DataSpec(spec.shape)),
            "C": build_critic(self.code(spec), width=self.code_width, codes=True),
            **self.prior_networks(),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (
            self.autoencode(self.encoder, "E", ("E",)),
            self.generator_phase(self.generator),
            self.critic_phase(self.critic),
            self.critic_phase(self.code_critic, "C", ("C",)),
        )
        play = Stage("play", 1.0, phases, ema=("E", "G"), ema_decay=self.ema_decay, preview=self.first_preview)
        return play, *self.prior_stages(self.encode)

    def encoder(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_E = λ |x − G(E(x))|₁ + L_G(C; E(x)); with nonsaturating sp(−C(E(x)))."""
        z = self.encode(nets, batch.x)
        play = self.generator_loss(nets["C"], z, standard_normal(nets["G"], len(z)), None)
        return Loss({"L1": self.lam * l1(batch.x, nets["G"](z).float()), "L_C": play})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = λ |x − G(E(x))|₁ + L_G(D; G(E(x)), G(z)); with nonsaturating sp(−D(G(·)))."""
        with torch.no_grad():
            z = self.encode(nets, batch.x)
        back = nets["G"](z).float()
        play = self.generator_loss(nets["D"], half_drawn(nets["G"], back), batch.x, None)
        return Loss({"L1": self.lam * l1(batch.x, back), "L_G": play})

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss` on x against G(E(x)) and G(z); with nonsaturating sp(−D(x)) + sp(D(G(·))) + γ/2 |∇D(x)|²."""
        with torch.no_grad():
            fake = half_drawn(nets["G"], self.decode(nets, self.encode(nets, batch.x)))
        return self.critic_loss(nets["D"], batch.x, fake, None, clock)

    def code_critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C of `loss` on z against E(x); with nonsaturating sp(−C(z)) + sp(C(E(x))) + γ/2 |∇C(z)|²."""
        with torch.no_grad():
            fake = self.encode(nets, batch.x)
        on_codes = replace(self, gamma=self.gamma_codes, penalty_every=1)
        loss = on_codes.critic_loss(nets["C"], standard_normal(nets["G"], len(fake)), fake, None, clock)
        return Loss({"L_C" if k == "L_D" else k: v for k, v in loss.terms.items()}, {"margin_C": loss.watch["margin"]})
