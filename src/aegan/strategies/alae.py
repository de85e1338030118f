"""An autoencoder of the generator's inner space: encoder and critic share a body, and both ends of the game meet in w."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aegan.density.prior import Frequencies
from aegan.networks import build_critic, build_residual
from aegan.objectives.reconstruction import l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed, unused
from aegan.strategies._games import GameName, Judged
from aegan.strategies._groups import Coded, standard_normal
from aegan.strategies._pieces import count_classes


class Through(nn.Module):
    """D(E(x), y): critic and encoder as one critic of examples."""

    def __init__(self, nets: Networks) -> None:
        super().__init__()
        self.E, self.D = nets["E"], nets["D"]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.D(self.E(x), y)


@register
@dataclass(frozen=True)
class ALAE(Judged, Coded):
    """Adversarial latent autoencoder: reconstruction in w, not in pixels. w = F(z), x̃ = G(w), z ~ N(0, I).

    E, D: min sp(D(E(x̃))) + sp(−D(E(x))) + γ/2 |∇_x D(E(x))|²    the critic is D∘E
    F, G: min sp(−D(E(x̃)))
    E, G: min |F(z) − E(G(F(z)))|²                               a mean over w; F gets no gradient

    Nothing compares x with G(E(x)), so that reconstructions keep the meaning before the pixels. F and D know the class
    where the data has classes. Our F begins as the identity.

    Reference:
        Pidhorskyi et al., Adversarial Latent Autoencoders, CVPR 2020, arXiv 2004.04946.
    """

    name = "alae"
    paper = "Pidhorskyi et al. 2020, arXiv 2004.04946"
    summary = "A GAN whose critic begins with an encoder, made to invert the generator in a learned code space."
    where = "its reconstruction judged by an adversary"

    loss: GameName = option("nonsaturating", "the game", source="the paper")
    lr: float = option(5e-4, "AdamW's learning rate of E and G where they autoencode w", searchable=True)
    weight_decay: float = option(0.0, "AdamW's weight decay there", searchable=True)
    lr_critic: float = option(
        1e-3, "Adam's learning rate of E and D in the game", source="the paper's 2e-3, LREQAdam", searchable=True
    )
    gamma: float = option(1.0, "γ of R1 through E", source="the paper's 10, for its sizes", searchable=True)
    code_width: int = option(64, "width of F and D", least=1, most=65_536)
    critic_width: int = unused(48, "D is as wide as code_width says")
    w_weight: float = option(1.0, "weight of |F(z) − E(G(F(z)))|²", source="the paper")

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        code, classes = self.code(spec), len(spec.classes)
        return {
            "F": build_residual(code, width=self.code_width, classes=classes),
            "G": G,
            "E": E,
            "D": build_critic(code, width=self.code_width, classes=classes, codes=True),
            "Y": Frequencies(classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (
            self.critic_phase(self.critic, "ED", ("E", "D")),
            self.generator_phase(self.generator, "FG", ("F", "G")),
            self.autoencode(self.inverse, "EG", ("E", "G")),
        )
        return (
            Fit("count", share=0.001, run=count_classes),
            Stage("play", 1.0, phases, ema=("F", "G", "E"), ema_decay=self.ema_decay),
        )

    def codes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """w = z + F(z, y) of the batch's classes y."""
        y = batch.y if nets["F"].embed is not None else None
        z = standard_normal(nets["G"], len(batch.x))
        return z + nets["F"](z, y).float(), y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss` with D∘E; with nonsaturating sp(D(E(x̃))) + sp(−D(E(x))) + γ/2 |∇_x D(E(x))|²."""
        with torch.no_grad():
            w, y = self.codes(nets, batch)
            fake = self.decode(nets, w)
        return self.critic_loss(Through(nets), batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss` with D∘E; with nonsaturating sp(−D(E(x̃)))."""
        w, y = self.codes(nets, batch)
        return Loss({"L_G": self.generator_loss(Through(nets), self.decode(nets, w), batch.x, y)})

    def inverse(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_w = |sg[F(z)] − E(G(F(z)))|²."""
        with torch.no_grad():
            w, _ = self.codes(nets, batch)
        back = self.encode(nets, self.decode(nets, w))
        return Loss({"L_w": self.w_weight * l2(w, back)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """G(F(z, y)); truncation shortens z."""
        z = truncation * standard_normal(nets["G"], n, rng)
        y = typed(nets, "Y", Frequencies).sample(n, rng) if y is None else y
        return self.decode(nets, z + nets["F"](z, y).float())
