"""A GAN from noise whose critic sees through frozen eyes; no autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aegan.errors import UserError
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._eyes import EyesName, WithEyes
from aegan.strategies._groups import Generating


@register
@dataclass(frozen=True)
class Projected(Generating, WithEyes):
    """min_G max_F over features: the critic F judges X(x), the maps of a frozen network X, at four scales.

    L_F = E (1 − F(X(x)))₊ + E (1 + F(X(G(z))))₊,   L_G = −E F(X(G(z)))

    The maps are mixed by fixed random weights across channels and scales; F's heads are under spectral normalisation.
    With eyes=lite1+pixels a critic of pixels (RpGAN + R1 + R2) judges beside it.

    Reference:
        Sauer et al. 2021 (Projected GANs Converge Faster), arXiv 2111.01007.
    """

    name = "projected"
    paper = "Sauer et al. 2021, arXiv 2111.01007"
    summary = "A GAN from noise whose critic judges features of a frozen network; no autoencoder."
    where = "nowhere"
    uses_autoencoder = False
    vectors = False

    eyes: EyesName = option("lite1", "what critics see: pixels, features of a frozen network, or both")
    lr_generator: float = option(2e-4, "Adam's learning rate of G", source="arXiv 2111.01007", searchable=True)
    lr_critic: float = option(2e-4, "Adam's learning rate of the critics", source="arXiv 2111.01007", searchable=True)

    def build(self, spec: DataSpec) -> Networks:
        if not spec.is_image:
            raise UserError("'projected' needs images: its critic sees through a network of images.", "Try 'gan'.")
        return {**self.generator_networks(spec), **self.critic_networks(spec)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        critic = self.critic_phase(self.critic, trains=self.judging(spec))
        play = Stage("play", 1.0, (critic, self.generator_phase(self.generator)), ema=("G",), ema_decay=self.ema_decay)
        return (self.count_stage(), *self.eyes_stages(spec), play)

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_F, and L_D of the critic of pixels if there is one."""
        with torch.no_grad():
            fake, y = self.fakes(nets, batch)
        return self.critic_losses(nets, batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = −E F(X(G(z))), and that of the critic of pixels."""
        fake, y = self.fakes(nets, batch)
        return Loss(self.generator_losses(nets, fake.float(), batch.x, y))
