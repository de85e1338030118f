"""A pixel GAN whose generator begins as the decoder of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aegan.density.prior import Prior
from aegan.errors import UserError
from aegan.objectives.reconstruction import l1
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._games import JudgedImages
from aegan.strategies._groups import Compressing, WithPrior


@register
@dataclass(frozen=True)
class DecoderInit(WithPrior, Compressing, JudgedImages):
    """Compress; let noise cover the codes; then play the usual game, the decoder as G, with the autoencoder to hold on to.

    *compress*  min_{E,G} |x − G(E(x) + ε)|
    *fit*       z = m_y + L_y ε, ε ~ N(0, I): the mean and covariance of the codes, of each class where there are classes
    *play*      D alone for `head_start` steps; then
                L_D = sp(D(G(z)) − D(x)) + γ/2 (|∇D(x)|² + |∇D(G(z))|²)
                L_G = sp(D(x) − D(G(z))) + anchor |x − G(E(x))|₁,   E held

    Without the head start and the small rate a fresh critic takes the decoder apart within a hundred steps.

    References:
        Larsen et al. 2016 (a decoder as a GAN's generator), arXiv 1512.09300; Huang et al. 2024 (the game), 2501.05441.
    """

    name = "decoder-init"
    paper = "after Larsen et al. 2016, arXiv 1512.09300; Huang et al. 2024, 2501.05441"
    summary = "A GAN on images whose generator starts as a trained decoder, its noise fitted to the codes."
    where = "as the generator's starting point"

    components: tuple[int, ...] = option(
        (1,), "numbers of mixture components to try, per class; 1: an affine map of N(0, I)", least=1
    )
    compress_share: float = option(0.4, "part of the budget", most=1)
    play_share: float = option(0.6, "part of the budget", most=1)
    head_start: int = option(200, "steps that D trains alone, at most; then the rate of G rises over as many")
    lr_generator: float = option(
        2.5e-4, "Adam's learning rate of G in the game", source="a quarter of D's", searchable=True
    )
    clip_critic: float = option(2.0, "norm that D's gradient is clipped to; 0: none")
    clip_generator: float = option(10.0, "norm that G's gradient is clipped to in the game; 0: none")
    anchor: float = option(1.0, "weight of |x − G(E(x))|₁ in the game")
    anchored: float = option(0.25, "share of the batch that the anchor is measured on", most=1)

    def build(self, spec: DataSpec) -> Networks:
        if self.prior == "normal":
            raise UserError(
                "'decoder-init' needs noise that is fitted to the codes.",
                "Use prior=mixture (one component is N(m, S)).",
            )
        return {**super().build(spec), "D": self.critic_network(spec)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        compress = self.autoencode(self.compress)
        critic = self.critic_phase(self.critic)
        generator = replace(self.generator_phase(self.generator), hold=True)
        return (
            Stage("compress", self.compress_share, (compress,), warmup=100, preview="reconstruct"),
            *self.prior_stages(self.encode),
            Stage(
                "play", self.play_share, (critic, generator),
                warmup=self.head_start, ema=("G",), ema_decay=self.ema_decay,
            ),
        )  # fmt: skip

    def codes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Noise z from the prior, of the batch's classes where the prior knows classes."""
        y = batch.y if typed(nets, "P", Prior).has_classes else None
        with torch.no_grad():
            return self.draw(nets, len(batch.x), y, 1.0, None), y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = sp(D(G(z)) − D(x)) + γ/2 (|∇D(x)|² + |∇D(G(z))|²),  z ~ P."""
        z, y = self.codes(nets, batch)
        with torch.no_grad():
            fake = self.decode(nets, z)
        return self.critic_loss(nets["D"], batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = sp(D(x) − D(G(z))) + anchor |x − G(E(x))|₁,  z ~ P."""
        z, y = self.codes(nets, batch)
        x = batch.x[: max(1, round(self.anchored * len(batch.x)))]
        with torch.no_grad():
            code = self.encode(nets, x)
        fake, back = nets["G"](torch.cat((z, code))).float().split((len(z), len(x)))
        return Loss({"L_G": self.generator_loss(nets["D"], fake, batch.x, y), "anchor": self.anchor * l1(x, back)})
