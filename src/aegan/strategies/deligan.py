"""A GAN whose noise is a mixture of Gaussians that learns with the generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.networks import MixtureNoise
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._games import Played


@register
@dataclass(frozen=True)
class DeLiGAN(Played):
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

    n_components: int = option(50, "N, at least the number of modes", source="Gurumurthy 2017", least=1)
    sigma: float = option(0.2, "σ at the start", source="Gurumurthy 2017: 0.2, 0.02 on toys", least=1e-6)
    lambda_sigma: float = option(1 / 3, "λ of E (1 − σ)²", source="Gurumurthy 2017: 1/3, 0.1 on toys")
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
        return nets["Z"](n, truncation, rng)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_{G,μ,σ} = L_G of `loss` + λ E_i (1 − σ_i)²."""
        terms = super().generator(nets, batch, clock).terms
        spread = (1 - typed(nets, "Z", MixtureNoise).sigma).square().mean()
        return Loss({**terms, "spread": self.lambda_sigma * spread})
