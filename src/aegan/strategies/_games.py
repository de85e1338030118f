"""The adversary's part of strategies: the game, critics of examples and of codes, and what keeps them from winning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from aegan.config import SMALL
from aegan.errors import UserError
from aegan.fp32 import in_fp32
from aegan.networks import Augment, Critic, build_critic
from aegan.objectives.adversarial import Adversarial, adversarial
from aegan.objectives.penalties import gradient_penalty
from aegan.strategies import Batch, Clock, DataSpec, Loss, Networks, Phase, Strategy, option
from aegan.strategies._groups import Compressing, Generating, PhaseLoss, PriorName, WithPrior, standard_normal
from aegan.strategies._pieces import Logits, game_critic_loss, game_generator_loss

GameName = Literal["minimax", "nonsaturating", "lsgan", "hinge", "wgan", "wgan-gp", "rpgan"]
Self = TypeVar("Self", bound="JudgedImages")


@dataclass(frozen=True)
class Judged(Strategy):
    """A critic D of examples, and the game that G plays against it: one loss for both, and what keeps D smooth."""

    loss: GameName = option("rpgan", "the game", source="R3GAN, arXiv 2501.05441")
    critic_width: int = option(48, "channels of D at a quarter of the size", least=1, most=65_536)
    lr_critic: float = option(1e-3, "Adam's learning rate of D", searchable=True)
    lr_generator: float = option(5e-4, "Adam's learning rate of G in the game", searchable=True)
    beta1: float = option(0.0, "Adam's β₁ in the game", source="R3GAN", most=0.999999)
    beta2: float = option(0.99, "Adam's β₂ in the game", source="R3GAN", most=0.999999)
    gamma: float = option(
        1.0, "γ of R1, and with rpgan of R2; wgan and wgan-gp have none", source="R3GAN: 0.05 to 150", searchable=True
    )
    penalty_every: int = option(4, "steps between penalties of R1 and R2", least=1)
    gp: float = option(10.0, "λ of the gradient penalty of wgan-gp", source="Gulrajani 2017, arXiv 1704.00028")
    clip: float = option(0.01, "bound on D's weights with wgan", source="Arjovsky 2017, arXiv 1701.07875")
    n_critic: int = option(1, "steps of D for each of G", least=1)
    clip_critic: float = option(0.0, "norm that D's gradient is clipped to; 0: none")
    clip_generator: float = option(0.0, "norm that G's gradient is clipped to in the game; 0: none")
    ema_decay: float = option(0.998, "of G's average", most=0.999999)

    @property
    def game(self) -> Adversarial:
        """The losses of both sides."""
        return adversarial("wgan" if self.loss == "wgan-gp" else self.loss)

    @property
    def penalised(self) -> bool:
        """Whether D pays for its gradient, so that it must judge each example alone."""
        return self.loss == "wgan-gp" or (self.loss != "wgan" and self.gamma > 0)

    def critic_network(self, spec: DataSpec) -> Critic:
        """D, with one logit an example; it knows the class where the data has classes and the strategy uses them."""
        return build_critic(spec.shape, width=self.critic_width, classes=len(spec.classes))

    def critic_phase(self, loss: PhaseLoss, name: str = "D", trains: tuple[str, ...] = ("D",)) -> Phase:
        """D's turn in each step."""
        betas = (self.beta1, self.beta2)
        clip = self.clip_critic or None
        return Phase(name, trains, loss, self.lr_critic, betas, final=0.1, critic=True, clip=clip)

    def generator_phase(self, loss: PhaseLoss, name: str = "G", trains: tuple[str, ...] = ("G",)) -> Phase:
        """G's turn, in every `n_critic`-th step."""
        betas = (self.beta1, self.beta2)
        clip = self.clip_generator or None
        return Phase(name, trains, loss, self.lr_generator, betas, final=0.1, every=self.n_critic, clip=clip)

    def critic_loss(self, D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Loss:
        """L_D of the game; + γ/2 |∇D(x)|², and with rpgan γ/2 |∇D(G(z))|²; wgan's clipping, wgan-gp's penalty.

        Args:
            D: from examples and classes to logits (N,).
            real, fake: (N, ...), pair by pair of the same class `y` (N,); no gradient flows into `fake`.
        """
        fake = fake.detach()
        if self.loss == "wgan":  # the clipping that follows D's last step, done as the next one begins
            with torch.no_grad():
                for p in D.parameters():
                    p.clamp_(-self.clip, self.clip)
        gamma = 0.0 if self.loss.startswith("wgan") else self.gamma
        gamma2 = gamma if self.game.relative else 0.0
        loss = game_critic_loss(
            D, self.game, real, fake, y, clock, gamma1=gamma, gamma2=gamma2, every=self.penalty_every
        )
        if self.loss == "wgan-gp":
            with in_fp32(real):
                loss.terms["GP"] = gradient_penalty(lambda x: D(x, y), real, fake.float(), self.gp)
        augment = getattr(D, "augment", None)
        if augment is not None:
            augment.adapt(loss.watch["margin"])
            loss.watch["p"] = augment.p.clone()
        return loss

    def generator_loss(self, D: Logits, fake: Tensor, real: Tensor, y: Tensor | None) -> Tensor:
        """L_G of the game, (N,)."""
        return game_generator_loss(D, self.game, fake, real, y)


@dataclass(frozen=True)
class JudgedImages(Judged):
    """A critic that judges examples alone, and where they are few sees them, and G's, changed at random."""

    augment: Literal["auto", "on", "off"] = option(
        "auto",
        "D sees images changed at random, more the better it knows them; auto: with under 1,000 of them",
        source="arXiv 2006.06676, 2006.10738",
    )

    def resolve_auto(self: Self, spec: DataSpec) -> Self:
        if self.augment == "on" and not spec.is_image:
            raise UserError("augment=on changes images, and this data is vectors.", "Leave it at auto.")
        small = spec.is_image and 0 < spec.count < SMALL
        chosen = super().resolve_auto(spec)
        return replace(chosen, augment="on" if small else "off") if self.augment == "auto" else chosen

    def critic_network(self, spec: DataSpec) -> Critic:
        return self.augmented(super().critic_network(spec))

    def augmented(self, D: Critic) -> Critic:
        """D, which from here on sees changed images if they are to be."""
        if self.augment == "on":
            D.augment = Augment()
        return D


@dataclass(frozen=True)
class Played(Generating, JudgedImages):
    """G, from noise and class, against D."""

    lr_critic: float = option(4e-4, "Adam's learning rate of D", searchable=True)
    lr_generator: float = option(4e-4, "Adam's learning rate of G", searchable=True)

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`, with its penalties."""
        with torch.no_grad():
            fake, y = self.fakes(nets, batch)
        return self.critic_loss(nets["D"], batch.x, fake, y, clock)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss`."""
        fake, y = self.fakes(nets, batch)
        return Loss({"L_G": self.generator_loss(nets["D"], fake, batch.x, y)})


@dataclass(frozen=True)
class Matched(WithPrior, Compressing, Judged):
    """A critic C of codes tells z ~ N(0, I) from E(x) + ε, until E leaves it no difference to see."""

    loss: GameName = option("nonsaturating", "the game on codes", source="Makhzani 2015; Tolstikhin 2018")
    prior: PriorName = option("normal", "what codes are drawn from: N(0, I), or what is fitted to them afterwards")
    critic_width: int = option(64, "width of C", least=1, most=65_536)
    gamma: float = option(
        0.1, "γ of R1 on codes, which the papers have not: without it C wins in 16 dimensions and more", searchable=True
    )

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        C = build_critic(self.code(spec), width=self.critic_width, codes=True)
        return {"E": E, "G": G, "C": C, **self.prior_networks()}

    def code_critic_loss(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C of `loss`: of nonsaturating sp(−C(z)) + sp(C(E(x) + ε)) + γ/2 |∇C(z)|²,  z ~ N(0, I)."""
        with torch.no_grad():
            made = self.with_noise(self.encode(nets, batch.x))
        return self.critic_loss(nets["C"], standard_normal(nets["G"], len(made)), made, None, clock)

    def code_generator_loss(self, nets: Networks, z: Tensor) -> Tensor:
        """What codes z pay for being told from N(0, I), (N,): of nonsaturating sp(−C(z))."""
        return self.generator_loss(nets["C"], z, standard_normal(nets["G"], len(z)), None)
