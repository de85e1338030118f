"""A reconstructor of the noise: where G has dropped a mode, no one can tell which noise it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aegan.networks import build_joint_critic, join
from aegan.objectives.adversarial import Adversarial, adversarial
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._games import GameName, Judged
from aegan.strategies._groups import Inverted


@register
@dataclass(frozen=True)
class VEEGAN(Inverted, Judged):
    """F (named E here) maps data to noise and inverts G; D compares pairs (x, F(x) + ε) with pairs (G(z), z).

    L_D = sp(−D(x, F(x) + ε)) + sp(D(G(z), z)),   ε ~ N(0, I), as F(x) is the mean of a unit Gaussian
    L_F = λ ½ |z − F(G(z))|²
    L_G = −D(G(z), z) + λ ½ |z − F(G(z))|²

    |·|² is a sum over z's dimensions, the code's negative log-likelihood. In the paper, D's logit is that of a generated
    pair, and G lowers it; here it is that of a real pair, and G raises it. F gets no gradient from D. With classes, codes
    are z + e_y.

    References:
        Srivastava et al. 2017, arXiv 1705.07761.
    """

    name = "veegan"
    paper = "Srivastava et al. 2017, arXiv 1705.07761"
    summary = "A reconstructor maps data to noise and inverts the generator, so that no mode may be dropped."
    where = "as the generator's inverse"

    loss: GameName = option(
        "minimax", "the game; with minimax, G raises the logit itself", source="Srivastava 2017, algorithm 1"
    )
    weight: float = option(1.0, "λ of the reconstruction of z", source="Srivastava 2017: 1, with z of 254 numbers")
    critic_width: int = option(64, "channels of D at a quarter of the size", least=1, most=65_536)
    lr_critic: float = option(4e-4, "Adam's learning rate of D", searchable=True)
    lr_generator: float = option(4e-4, "Adam's learning rate of F and G", searchable=True)

    @property
    def game(self) -> Adversarial:
        game = super().game
        return replace(game, generator=adversarial("wgan").generator) if self.loss == "minimax" else game

    def build(self, spec: DataSpec) -> Networks:
        classes = len(spec.classes)
        return {
            **self.generator_networks(spec),
            "E": self.encoder_network(spec),
            "D": build_joint_critic(spec.shape, self.z_dim, width=self.critic_width, classes=classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        both = self.generator_phase(self.inverses, "FG", trains=("E", "G"))
        phases = (self.critic_phase(self.critic), both)
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("E", "G"), ema_decay=self.ema_decay))

    def real_pairs(self, nets: Networks, x: Tensor) -> Tensor:
        """(x, F(x) + ε), without gradient."""
        with torch.no_grad():
            z = self.encode(nets, x)
            return join(x, z + torch.randn_like(z))

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = sp(−D(x, F(x) + ε)) + sp(D(G(z), z)) + R1."""
        with torch.no_grad():
            c, fake, y = self.coded_fakes(nets, batch)
        return self.critic_loss(nets["D"], self.real_pairs(nets, batch.x), join(fake, c), y, clock)

    def inverses(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G + L_F = −D(G(z), z) + λ ½ |z − F(G(z))|²."""
        c, fake, y = self.coded_fakes(nets, batch)
        c = c.detach()  # it is what F aims at, and no reason for classes to move together
        lost = 0.5 * (c - self.encode(nets, fake)).square().sum(1)
        fooled = self.generator_loss(nets["D"], join(fake, c), self.real_pairs(nets, batch.x), y)
        return Loss({"L_G": fooled, "L_F": self.weight * lost})
