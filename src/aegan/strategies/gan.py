"""The control: the same decoder and critic, trained in pixel space with no autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Frequencies
from aegan.networks import ConditionalGenerator, build_decoder
from aegan.strategies._base import Clock, Fit, Loss, Networks, Stage
from aegan.strategies._groups import Judged
from aegan.strategies._pieces import count_classes
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class GAN(Judged):
    """min_G max_D V(G, D) = E log D(x) + E log(1 − D(G(z))), from random weights.

    References:
        Goodfellow et al. 2014, arXiv 1406.2661. Default loss and penalties: Huang et al. 2024 (R3GAN), arXiv 2501.05441.
    """

    name = "gan"
    paper = "Goodfellow et al. 2014, arXiv 1406.2661"
    summary = "The control: no autoencoder, the adversary alone leads the generator."
    where = "nowhere"
    capabilities = frozenset({"sample"})

    z_dim: int = option(64, "dimensions of the noise", source="R3GAN")
    width: int = option(64, "channels of the finest stage of G")
    blocks: int = option(1, "residual blocks a stage")
    critic_width: int = option(64, "channels of D at a quarter of the size")
    lr_generator: float = option(4e-4, "Adam's learning rate of G")
    lr_critic: float = option(4e-4, "Adam's learning rate of D")

    def build(self, spec: DataSpec) -> Networks:
        decoder = build_decoder(spec.shape, (self.z_dim,), width=self.width, blocks=self.blocks)
        classes = len(spec.classes)
        return {
            "G": ConditionalGenerator(decoder, classes=classes),
            "D": self.critic_network(spec),
            "Y": Frequencies(classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (self.critic_phase(self.critic), self.generator_phase(self.generator))
        return (
            Fit("count", share=0.001, run=count_classes),
            Stage("play", 1.0, phases, ema=("G",), ema_decay=self.ema_decay),
        )

    def fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """G(z, y), z ~ N(0, I), of the batch's classes y."""
        y = batch.y if nets["G"].embed is not None else None
        fake: Tensor = nets["G"](nets["G"].noise(len(batch.x)), y)  # type: ignore[operator]
        return fake, y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`; + γ/2 (|∇D(x)|² + |∇D(G(z))|²) with rpgan, γ/2 |∇D(x)|² with the others but wgan's."""
        with torch.no_grad():
            fake, y = self.fakes(nets, batch)
        return self.judge(nets["D"], batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss`."""
        fake, y = self.fakes(nets, batch)
        return Loss({"L_G": self.fool(nets["D"], fake, batch.x, y)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        z = truncation * nets["G"].noise(n, rng)  # type: ignore[operator]
        x: Tensor = nets["G"](z, nets["Y"].sample(n, rng) if y is None else y)  # type: ignore[operator]
        return x.float()
