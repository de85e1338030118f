"""The control: the same decoder and critic, trained in pixel space with no autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Frequencies
from aegan.networks import ConditionalGenerator, build_critic, build_decoder
from aegan.objectives.adversarial import adversarial
from aegan.objectives.penalties import gradient_penalty
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.strategies._pieces import count_classes, critic_loss, generator_logits, in_fp32
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class GAN(Strategy):
    """min_G max_D V(G, D) = E log D(x) + E log(1 − D(G(z))), from random weights.

    References:
        Goodfellow et al. 2014, arXiv 1406.2661. Default loss and penalties: Huang et al. 2024 (R3GAN), arXiv 2501.05441.
    """

    name = "gan"
    paper = "Goodfellow et al. 2014, arXiv 1406.2661"
    summary = "The control: no autoencoder, the adversary alone leads the generator."
    where = "nowhere"
    capabilities = frozenset({"sample"})

    loss: Literal["minimax", "nonsaturating", "lsgan", "hinge", "wgan", "wgan-gp", "rpgan"] = option(
        "rpgan", "the game", source="R3GAN"
    )
    z_dim: int = option(64, "dimensions of the noise", source="R3GAN")
    width: int = option(64, "channels of the finest stage of G")
    blocks: int = option(1, "residual blocks a stage")
    critic_width: int = option(64, "channels of D at a quarter of the size")
    batch_size: int = option(128, "examples per step")
    lr: float = option(4e-4, "Adam's learning rate for G")
    lr_critic: float = option(4e-4, "Adam's learning rate for D")
    beta1: float = option(0.0, "Adam's β₁ of both", source="R3GAN")
    beta2: float = option(0.99, "Adam's β₂ of both", source="R3GAN")
    gamma: float = option(1.0, "γ of R1, and with rpgan of R2; wgan and wgan-gp have none", source="R3GAN: 0.05 to 150")
    penalty_every: int = option(4, "steps between penalties")
    gp: float = option(10.0, "λ of the gradient penalty of wgan-gp", source="Gulrajani 2017")
    clip: float = option(0.01, "bound on D's weights with wgan", source="Arjovsky 2017")
    n_critic: int = option(1, "steps of D for each of G")
    ema_decay: float = option(0.998, "of G's average")

    def build(self, spec: DataSpec) -> Networks:
        decoder = build_decoder(spec.shape, (self.z_dim,), width=self.width, blocks=self.blocks)
        classes = len(spec.classes)
        return {
            "G": ConditionalGenerator(decoder, classes=classes),
            "D": build_critic(spec.shape, width=self.critic_width, blocks=self.blocks, classes=classes),
            "Y": Frequencies(classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        betas = (self.beta1, self.beta2)
        return (
            Fit("count", share=0.001, run=count_classes),
            Stage(
                "play",
                share=1.0,
                phases=(
                    Phase("D", ("D",), self.critic, lr=self.lr_critic, betas=betas, final=0.1),
                    Phase("G", ("G",), self.generator, lr=self.lr, betas=betas, final=0.1, every=self.n_critic),
                ),
                ema=("G",),
                ema_decay=self.ema_decay,
            ),
        )

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`; + γ/2 (|∇D(x)|² + |∇D(G(z))|²) with rpgan, γ/2 |∇D(x)|² with the others but wgan's."""
        D, game = nets["D"], adversarial("wgan" if self.loss == "wgan-gp" else self.loss)
        y = batch.y if nets["G"].embed is not None else None
        with torch.no_grad():
            fake = nets["G"](nets["G"].noise(len(batch.x)), y)  # type: ignore[operator]
            if self.loss == "wgan":  # the clipping that follows D's last step, done as the next one begins
                for p in D.parameters():
                    p.clamp_(-self.clip, self.clip)
        gamma = 0.0 if self.loss.startswith("wgan") else self.gamma
        gamma2 = gamma if game.relative else 0.0
        loss = critic_loss(
            D, game, batch.x, fake, y, clock, gamma1=gamma, gamma2=gamma2, every=self.penalty_every
        )  # fmt: skip
        if self.loss == "wgan-gp":
            with in_fp32(batch.x):
                loss.terms["GP"] = gradient_penalty(lambda x: D(x, y), batch.x, fake.float(), self.gp)
        return loss

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss`."""
        y = batch.y if nets["G"].embed is not None else None
        fake = nets["G"](nets["G"].noise(len(batch.x)), y)  # type: ignore[operator]
        game = adversarial("wgan" if self.loss == "wgan-gp" else self.loss)
        return Loss({"L_G": generator_logits(nets["D"], game, fake, batch.x, y)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        z = truncation * nets["G"].noise(n, rng)  # type: ignore[operator]
        x: Tensor = nets["G"](z, nets["Y"].sample(n, rng) if y is None else y)  # type: ignore[operator]
        return x.float()
