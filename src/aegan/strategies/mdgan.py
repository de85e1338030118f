"""Mode-regularised GAN in two steps: first onto the data's manifold, then along it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.objectives.reconstruction import l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._games import JudgedImages
from aegan.strategies._groups import Inverted


@register
@dataclass(frozen=True)
class MDGAN(Inverted, JudgedImages):
    """Reconstructions have the data's modes; D₂ compares samples with them, on one manifold, where they overlap.

    manifold:   D₁ tells x from G(E(x));       L_{E,G} = |x − G(E(x))|² + λ L_G of the game with D₁
    diffusion:  D₂ tells G(E(x)) from G(z);    L_G = L_G of the game with D₂

    In each step D₁, (E, G), D₂, G, in this order. |·|² is a mean over values. The classes of the data are not used: E
    would have to know them.

    References:
        Che et al. 2017, arXiv 1612.02136.
    """

    name = "mdgan"
    paper = "Che et al. 2017, arXiv 1612.02136"
    summary = "Two critics: one brings reconstructions to the data, one brings samples to the reconstructions."
    where = "as the generator's inverse"
    uses_labels = False

    weight: float = option(0.01, "λ of the game with D₁, beside |x − G(E(x))|²", source="0.01 in the authors' search")
    lr_critic: float = option(4e-4, "Adam's learning rate of D₁ and D₂", searchable=True)
    lr_generator: float = option(4e-4, "Adam's learning rate of E and G", searchable=True)

    def build(self, spec: DataSpec) -> Networks:
        return {
            **self.generator_networks(spec),
            "E": self.encoder_network(spec),
            "D1": self.critic_network(spec),
            "D2": self.critic_network(spec),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (
            self.critic_phase(self.manifold_critic, "D1", trains=("D1",)),
            self.generator_phase(self.manifold, "EG", trains=("E", "G")),
            self.critic_phase(self.diffusion_critic, "D2", trains=("D2",)),
            self.generator_phase(self.diffusion, "G"),
        )
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("E", "G"), ema_decay=self.ema_decay))

    def back(self, nets: Networks, x: Tensor) -> Tensor:
        """G(E(x))."""
        return self.decode(nets, self.encode(nets, x))

    def manifold_critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss` with D₁, on x against G(E(x))."""
        with torch.no_grad():
            fake = self.back(nets, batch.x)
        return self.critic_loss(nets["D1"], batch.x, fake, None, clock)

    def manifold(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_{E,G} = |x − G(E(x))|² + λ L_G of `loss` with D₁."""
        back = self.back(nets, batch.x)
        fooled = self.generator_loss(nets["D1"], back, batch.x, None)
        return Loss({"L_rec": l2(batch.x, back), "L_G1": self.weight * fooled})

    def diffusion_critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss` with D₂, on G(E(x)) against G(z)."""
        with torch.no_grad():
            fake, _ = self.fakes(nets, batch)
            real = self.back(nets, batch.x)
        return self.critic_loss(nets["D2"], real, fake, None, clock)

    def diffusion(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss` with D₂."""
        fake, _ = self.fakes(nets, batch)
        with torch.no_grad():
            real = self.back(nets, batch.x)
        return Loss({"L_G2": self.generator_loss(nets["D2"], fake, real, None)})
