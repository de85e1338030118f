"""A GAN whose noise is a mixture of Gaussians that learns with the generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.networks import MixtureNoise
from aegan.strategies._base import Clock, Fit, Loss, Networks, Stage, typed
from aegan.strategies._games import JudgedImages
from aegan.strategies._groups import Generating
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class DeLiGAN(Generating, JudgedImages):
    """z = μ_i + σ_i ε, ε ~ N(0, I), i ~ U{1 … N}:  modes of the data need not be torn out of one Gaussian.

    L_D as in the game
    L_{G,μ,σ} = L_G of the game + λ E_i (1 − σ_i)²

    Without the last term, σ falls to zero and every component makes one example. Components are drawn equally often,
    so there should be at least as many as the data have modes.

    References:
        Gurumurthy, Sarvadevabhatla & Babu 2017, arXiv 1706.02071.
    """

    name = "deligan"
    paper = "Gurumurthy, Sarvadevabhatla & Babu 2017, arXiv 1706.02071"
    summary = "Noise from a mixture of Gaussians whose means and widths are trained with the generator."
    where = "mixture latents"

    n_components: int = option(50, "N, at least the number of modes", source="Gurumurthy 2017")
    sigma: float = option(0.2, "σ at the start", source="Gurumurthy 2017: 0.2, 0.02 on toys")
    lambda_sigma: float = option(1 / 3, "λ of E (1 − σ)²", source="Gurumurthy 2017: 1/3, 0.1 on toys")
    lr_critic: float = option(4e-4, "Adam's learning rate of D", searchable=True)
    lr_generator: float = option(4e-4, "Adam's learning rate of G, μ and σ", searchable=True)

    def build(self, spec: DataSpec) -> Networks:
        return {
            **self.generator_networks(spec),
            "Z": MixtureNoise(self.z_dim, components=self.n_components, sigma=self.sigma),
            "D": self.critic_network(spec),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (self.critic_phase(self.critic), self.generator_phase(self.generator, trains=("G", "Z")))
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("G", "Z"), ema_decay=self.ema_decay))

    def noise(self, nets: Networks, n: int, truncation: float = 1.0, rng: torch.Generator | None = None) -> Tensor:
        """n times z = μ_i + σ_i ε."""
        z: Tensor = nets["Z"](n, truncation, rng)
        return z

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`, with its penalties."""
        with torch.no_grad():
            fake, y = self.fakes(nets, batch)
        return self.critic_loss(nets["D"], batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_{G,μ,σ} = L_G of `loss` + λ E_i (1 − σ_i)²."""
        fake, y = self.fakes(nets, batch)
        spread = (1 - typed(nets, "Z", MixtureNoise).sigma).square().mean()
        return Loss({"L_G": self.generator_loss(nets["D"], fake, batch.x, y), "spread": self.lambda_sigma * spread})
