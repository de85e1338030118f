"""Generator and inverse learned together: one critic judges examples with their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from aegan.networks import build_joint_critic, join
from aegan.objectives.reconstruction import l1
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._games import Judged
from aegan.strategies._groups import Inverted
from aegan.strategies._pieces import halves, reparameterise


@register
@dataclass(frozen=True)
class BiGAN(Inverted, Judged):
    """D tells pairs (x, E(x)) from pairs (G(z), z); where it cannot, E and G are inverses.

    L_D     = sp(−D(x, E(x))) + sp(D(G(z), z))
    L_{E,G} = sp(D(x, E(x))) + sp(−D(G(z), z)) + λ |x − G(E(x))|₁

    for loss nonsaturating; the default plays the relativistic game on pairs, L_{E,G} = sp(D(x, E(x)) − D(G(z), z)), with
    R1 and R2 on x and z together. E(x) is a number for each z (BiGAN), or drawn from N(μ(x), σ²(x)) (ALI). λ = 0 is
    the papers' game, in which reconstructions are of the right kind but seldom faithful; λ > 0 is ALICE. E and G move
    after D, not at once with it. With classes, codes are z + e_y.

    References:
        Donahue et al. 2017 (BiGAN), arXiv 1605.09782; Dumoulin et al. 2017 (ALI), arXiv 1606.00704;
        Li et al. 2017 (ALICE), arXiv 1709.01215.
    """

    name = "bigan"
    paper = "Donahue et al. 2017, arXiv 1605.09782; Dumoulin et al. 2017, 1606.00704"
    summary = "An encoder learns to invert the generator: one critic judges examples and codes together."
    where = "as the generator's inverse"

    encoder: Literal["deterministic", "stochastic"] = option(
        "deterministic", "E(x) itself (BiGAN), or a draw from N(μ(x), σ²(x)) (ALI)"
    )
    cycle: float = option(1.0, "λ of |x − G(E(x))|₁; 0 is BiGAN and ALI as published", source="ALICE, arXiv 1709.01215")
    critic_width: int = option(64, "channels of D at a quarter of the size", least=1, most=65_536)
    lr_critic: float = option(4e-4, "Adam's learning rate of D", searchable=True)
    lr_generator: float = option(4e-4, "Adam's learning rate of E and G", searchable=True)

    def build(self, spec: DataSpec) -> Networks:
        classes = len(spec.classes)
        return {
            **self.generator_networks(spec),
            "E": self.encoder_network(spec, outputs=2 if self.encoder == "stochastic" else 1),
            "D": build_joint_critic(spec.shape, self.z_dim, width=self.critic_width, classes=classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        both = self.generator_phase(self.inverses, "EG", trains=("E", "G"))
        phases = (self.critic_phase(self.critic), both)
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("E", "G"), ema_decay=self.ema_decay))

    def infer(self, nets: Networks, x: Tensor) -> Tensor:
        """z = E(x), or a draw of it."""
        z = nets["E"](x).float()
        return reparameterise(*halves(z)) if self.encoder == "stochastic" else z

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        z = nets["E"](x).float()
        return halves(z)[0] if self.encoder == "stochastic" else z

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = sp(−D(x, E(x))) + sp(D(G(z), z)), or that of `loss`, with its penalties."""
        with torch.no_grad():
            c, fake, y = self.coded_fakes(nets, batch)
            real = join(batch.x, self.infer(nets, batch.x))
        return self.critic_loss(nets["D"], real, join(fake, c), y, clock)

    def inverses(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_{E,G} = sp(D(x, E(x))) + sp(−D(G(z), z)) + λ |x − G(E(x))|₁, or that of `loss`."""
        c, fake, y = self.coded_fakes(nets, batch)
        z = self.infer(nets, batch.x)
        d_x, d_g = (nets["D"](pair, y).float() for pair in (join(batch.x, z), join(fake, c)))
        if self.game.relative:
            terms = {"L_EG": self.game.generator(d_g, d_x)}
        else:  # each side takes the other's label: 0 and 1 with lsgan, a change of sign elsewhere
            mirrored = 1 - d_x if self.loss == "lsgan" else -d_x
            terms = {"L_G": self.game.generator(d_g, None), "L_E": self.game.generator(mirrored, None)}
        if self.cycle:
            terms["cycle"] = self.cycle * l1(batch.x, nets["G"](z).float())
        return Loss(terms)
