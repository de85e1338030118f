"""Denoising feature matching: what the critic sees in an example is drawn towards what it sees in data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.networks import Critic, build_residual
from aegan.objectives.reconstruction import l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register, typed
from aegan.strategies._games import Played
from aegan.strategies._pieces import noisy


@register
@dataclass(frozen=True)
class DFM(Played):
    """An autoencoder r of the critic's last features Φ(x) learns to take noise off them; G follows where it points.

    L_D as in the game
    L_r = |Φ(x) − r(Φ(x) + ε)|²
    L_G = λ_adv L_G of the game + λ_dn |Φ(G(z)) − r(Φ(G(z)))|²,   no gradient through r(Φ(G(z)))

    As r(Φ) − Φ is in proportion to ∇ log p(Φ) of data, G climbs the density of features, beside fooling D. r is
    residual, r(Φ) = Φ + f(Φ, y), and so points nowhere at the start. Distances are means over features.

    References:
        Warde-Farley & Bengio, Improving generative adversarial networks with denoising feature matching, ICLR 2017.
    """

    name = "dfm"
    paper = "Warde-Farley & Bengio 2017, https://openreview.net/forum?id=S1X7nhsxl"
    summary = "A denoising autoencoder of the critic's features shows the generator where data's features are."
    where = "as a loss on features"

    lambda_adv: float = option(1.0, "λ_adv, weight of the game", source="Warde-Farley & Bengio 2017")
    lambda_dn: float = option(0.03, "λ_dn, weight of the denoising term", source="the same: 0.03 / n_h, of a sum")
    lr_denoiser: float = option(1e-3, "Adam's learning rate of r", searchable=True)
    noise_dn: float = option(0.5, "ε in standard deviations of the features", searchable=True)
    denoiser_width: int = option(128, "half the width of r", least=1, most=65_536)

    @property
    def fixed_networks(self) -> frozenset[str]:
        return frozenset({"D"})  # others are made for its features

    def build(self, spec: DataSpec) -> Networks:
        D = self.critic_network(spec)
        f = build_residual((D.linear.in_features,), width=self.denoiser_width, classes=len(spec.classes))
        return {**self.generator_networks(spec), "D": D, "f": f}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        denoiser = Phase("r", ("f",), self.denoise, lr=self.lr_denoiser, final=0.1)
        phases = (self.critic_phase(self.critic), denoiser, self.generator_phase(self.generator))
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("G",), ema_decay=self.ema_decay))

    def denoise(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_r = |Φ(x) − r(Φ(x) + ε)|²."""
        with torch.no_grad():
            phi = self.features(nets, batch.x)
        y = self.classes_of(nets, batch)
        return Loss({"L_r": l2(phi, self.denoised(nets, noisy(phi, self.noise_dn), y))})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = λ_adv L_G of `loss` + λ_dn |Φ(G(z)) − r(Φ(G(z)))|²."""
        fake, y = self.fakes(nets, batch)
        phi = self.features(nets, fake)
        with torch.no_grad():
            target = self.denoised(nets, phi, y)
        adversarial = self.lambda_adv * self.generator_loss(nets["D"], fake, batch.x, y)
        return Loss({"L_G": adversarial, "L_dn": self.lambda_dn * l2(target, phi)})

    def features(self, nets: Networks, x: Tensor) -> Tensor:
        """Φ(x), the vector that D's head reads."""
        return typed(nets, "D", Critic).features(x)[-1].float()

    def denoised(self, nets: Networks, phi: Tensor, y: Tensor | None) -> Tensor:
        """r(Φ) = Φ + f(Φ, y)."""
        return phi + nets["f"](phi, y).float()
