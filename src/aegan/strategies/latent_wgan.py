"""The latent GAN of Achlioptas et al.: a generator of codes H against a critic C of codes, the autoencoder held."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.density.prior import Prior
from aegan.networks import ConditionalGenerator, build_critic, build_decoder, code_shape_of
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed, unused
from aegan.strategies._games import GameName, Judged
from aegan.strategies._on_codes import OnCodes
from aegan.strategies._pieces import normalised_codes


@register
@dataclass(frozen=True)
class LatentWGAN(OnCodes, Judged):
    """WGAN-GP on whitened codes: the generator never sees an example.

    *compress*  min_{E,G} |x − G(E(x) + ε)|
    *fit*       v = norm(E(x)): whitened if flat, centred and of unit variance if spatial; how often each class is
    *play*      L_C = C(H(ε)) − C(v) + λ (|∇C(v̂)| − 1)²,  L_H = −C(H(ε)),  ε ~ N(0, I), E and G held
    sampling    G(norm⁻¹ H(ε))

    The paper's codes are not whitened, and its noise is N(0, 0.2² I); after whitening λ means the same for any data.

    References:
        Achlioptas et al. 2018 (l-GAN, l-WGAN), arXiv 1707.02392; Gulrajani et al. 2017 (WGAN-GP), 1704.00028.
    """

    name = "latent-wgan"
    paper = "Achlioptas et al. 2018, arXiv 1707.02392"
    summary = "Compresses, then a WGAN-GP learns to make codes from noise; the decoder stays as it is."
    where = "as the space the generator works in"

    play_share: float = option(0.4, "part of the budget", most=1)
    noise_dim: int = option(128, "dimensions of the noise", source="Achlioptas 2018", least=1, most=65_536)
    play_width: int = option(
        128,
        "half the width of H's and a quarter of C's hidden layers",
        source="Achlioptas 2018: 128 to 512",
        least=1,
        most=65_536,
    )
    critic_width: int = unused(48, "C is as wide as play_width says")
    loss: GameName = option("wgan-gp", "the game on codes", source="Achlioptas 2018")
    lr_critic: float = option(
        5e-4, "Adam's learning rate of C", source="ours, for a short budget; the paper's is 1e-4", searchable=True
    )
    lr_generator: float = option(
        3e-4, "Adam's learning rate of H", source="ours, for a short budget; the paper's is 1e-4", searchable=True
    )
    beta1: float = option(0.5, "Adam's β₁ in the game", source="Achlioptas 2018", most=0.999999)
    beta2: float = option(0.9, "Adam's β₂ in the game", source="Gulrajani 2017, arXiv 1704.00028", most=0.999999)
    n_critic: int = option(2, "steps of C for each of H", source="ours, for a short budget; the paper's is 5", least=1)
    ema_decay: float = option(0.999, "of H's average", most=0.999999)

    def build(self, spec: DataSpec) -> Networks:
        nets, code, classes = super().build(spec), self.code(spec), len(spec.classes)
        maker = build_decoder((math.prod(code),), (self.noise_dim,), width=self.play_width, blocks=2)
        return {
            **nets,
            "H": ConditionalGenerator(maker, classes=classes),
            "C": build_critic(code, width=self.play_width, classes=classes, codes=True),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        critic = self.critic_phase(self.critic, "C", ("C",))
        maker = self.generator_phase(self.generator, "H", ("H",))
        return (
            *self.first_stages(),
            Stage("play", self.play_share, (critic, maker), ema=("H",), ema_decay=self.ema_decay),
        )

    def make(self, nets: Networks, n: int, y: Tensor | None, scale: float, rng: torch.Generator | None) -> Tensor:
        """H(ε, y), ε ~ N(0, scale² I), in the shape of codes."""
        e = scale * typed(nets, "H", ConditionalGenerator).noise(n, rng)
        return nets["H"](e, y).float().view(n, *code_shape_of(nets["G"]))

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C = C(H(ε)) − C(v) + λ (|∇C(v̂)| − 1)²,  v̂ = u v + (1 − u) H(ε)."""
        real, y = normalised_codes(nets, batch, self.encode)
        with torch.no_grad():
            fake = self.make(nets, len(real), y, 1.0, None)
        return self.critic_loss(nets["C"], real, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_H = −C(H(ε))."""
        real, y = normalised_codes(nets, batch, self.encode)
        return Loss({"L_H": self.generator_loss(nets["C"], self.make(nets, len(real), y, 1.0, None), real, y)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        P = typed(nets, "P", Prior)
        _, y = P.draw(n, y, 1.0, rng)
        return self.decode(nets, P.restore(self.make(nets, n, y, truncation, rng)))
