"""A critic that must also be able to draw what it sees: self-supervision for few images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.networks import Critic, MapDecoder, build_decoder
from aegan.objectives.adversarial import Adversarial
from aegan.objectives.reconstruction import l1
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._games import GameName, Played


@register
@dataclass(frozen=True)
class FastGAN(Played):
    """D's maps f must hold enough of a real image for decoders R to draw it: D cannot live off a few details.

    L_D = [u − D(x)]₊ + [u' + D(G(z))]₊ + λ (|x↓ − R₁(f₁(x))|₁ + |crop x − R₂(crop f₂(x))|₁),   u, u' ~ U(0.8, 1)
    L_G = −D(G(z))

    f₁ are the coarsest maps and x↓ the image at four times their size; f₂ are the finest, cut to a random quadrant, and
    crop x is the same quadrant. On vectors there is one decoder, from D's last hidden layer to x. Real examples only.
    From the paper, this takes the critic: its generator (skip-layer excitation), its augmentation and its perceptual
    distance (here L1) are left out, and R1 stands for its spectral and batch normalisation.

    References:
        Liu et al. 2021, arXiv 2101.04775.
    """

    name = "fastgan"
    paper = "Liu et al. 2021, arXiv 2101.04775"
    summary = "The critic also reconstructs real examples from its own features: self-supervision for few data."
    where = "as the discriminator"

    loss: GameName = option("hinge", "the game; hinge has soft margins", source="Liu 2021")
    reconstruct: float = option(1.0, "λ of D's reconstructions", source="Liu 2021: 1, of a perceptual distance")
    lr_critic: float = option(4e-4, "Adam's learning rate of D and R", searchable=True)

    @property
    def game(self) -> Adversarial:
        return replace(super().game, critic=soft_hinge) if self.loss == "hinge" else super().game

    @property
    def fixed_networks(self) -> frozenset[str]:
        return frozenset({"D"})  # others are made for its features

    def build(self, spec: DataSpec) -> Networks:
        D = self.critic_network(spec)
        with torch.no_grad():
            maps = D.features(torch.zeros(1, *spec.shape))
        R: nn.Module
        if spec.is_vector:
            R = build_decoder(spec.shape, maps[-1].shape[1:], width=self.critic_width)
        else:
            whole, part = (MapDecoder(m.shape[1], spec.shape[0], width=self.critic_width) for m in (maps[-2], maps[0]))
            R = nn.ModuleDict({"whole": whole, "part": part})
        return {**self.generator_networks(spec), "D": D, "R": R}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        critic = self.critic_phase(self.critic, trains=("D", "R"))
        phases = (critic, self.generator_phase(self.generator))
        return (self.count_stage(), Stage("play", 1.0, phases, ema=("G",), ema_decay=self.ema_decay))

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = [u − D(x)]₊ + [u' + D(G(z))]₊ + λ (|x↓ − R₁(f₁(x))|₁ + |crop x − R₂(crop f₂(x))|₁) + R1."""
        loss = super().critic(nets, batch, clock)
        maps = typed(nets, "D", Critic).features(batch.x)
        loss.terms["L_rec"] = self.reconstruct * drawn_again(nets["R"], maps, batch.x)
        return loss


def soft_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """L_D = [u − D(x)]₊ + [u' + D(G(z))]₊, u and u' ~ U(0.8, 1) for each example."""
    u, v = 0.8 + 0.2 * torch.rand(2 * len(real), *real.shape[1:], device=real.device).view(2, *real.shape)
    return F.relu(u - real) + F.relu(v + fake)


def drawn_again(R: nn.Module, maps: list[Tensor], x: Tensor) -> Tensor:
    """How far R's pictures of D's maps are from x, (N,)."""
    if not isinstance(R, nn.ModuleDict):  # vectors
        return l1(x, R(maps[-1]).float())
    small = R["whole"](maps[-2]).float()
    fine = maps[0]
    (h, w), scale = fine.shape[2:], x.shape[2] // fine.shape[2]
    half = (h // 2, w // 2)
    top, left = (int(torch.randint(2, ())) * (side - part) for side, part in zip((h, w), half, strict=True))
    near = R["part"](fine[..., top : top + half[0], left : left + half[1]]).float()
    crop = x[..., scale * top : scale * (top + half[0]), scale * left : scale * (left + half[1])]
    return l1(F.adaptive_avg_pool2d(x, small.shape[2:]), small) + l1(F.adaptive_avg_pool2d(crop, near.shape[2:]), near)
