"""Options that several strategies share, with what they decide: each group is an abstract dataclass to build on.

A strategy takes the groups it needs as bases, and gives its own default where its paper has another:

    @register
    @dataclass(frozen=True)
    class Mine(Coded, Compressing, WithPrior): ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.networks import build_autoencoder, build_critic, build_decoder
from aegan.objectives.adversarial import Adversarial, adversarial
from aegan.objectives.penalties import gradient_penalty
from aegan.objectives.reconstruction import l1, l2, laplacian_l1
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.strategies._pieces import (
    Encode,
    Logits,
    code_shape,
    critic_loss,
    fit_prior,
    generator_logits,
    in_fp32,
    noisy,
)

PhaseLoss = Callable[[Networks, Batch, Clock], Loss]


@dataclass(frozen=True)
class Coded(Strategy):
    """An encoder E and a decoder G: their size, their optimiser, and codes as E gives them."""

    capabilities = frozenset({"sample", "encode", "decode"})

    code_dim: int | None = option(
        None, "numbers in a flat code, channels of a spatial one; default: by the size of the data"
    )
    code_stride: int | None = option(
        None, "pixels a side for each place of a spatial code; default: flat up to 32x32, else 8"
    )
    width: int = option(64, "channels of the finest stage of E and G")
    blocks: int = option(1, "residual blocks a stage")
    batch_size: int = option(64, "examples per step")
    lr: float = option(4e-3, "AdamW's learning rate of E and G")
    weight_decay: float = option(1e-3, "AdamW's weight decay of E and G")

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """The code's shape, (d,) or (c, h, w)."""
        return code_shape(spec, self.code_dim, self.code_stride)

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E and G."""
        return build_autoencoder(spec.shape, self.code(spec), width=self.width, blocks=self.blocks)

    def autoencode(self, loss: PhaseLoss, name: str = "AE", trains: tuple[str, ...] = ("E", "G")) -> Phase:
        """The phase that trains E and G together on `loss`."""
        return Phase(name, trains, loss, lr=self.lr, weight_decay=self.weight_decay, clip=1.0)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        z: Tensor = nets["E"](x)
        return z.float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        x: Tensor = nets["G"](z)
        return x.float()


@dataclass(frozen=True)
class Compressing(Strategy):
    """How a plain autoencoder learns: weights of its terms, and noise on its codes."""

    w1: float = option(1.0, "weight of the L1 reconstruction")
    w2: float = option(1.0, "weight of the L2 reconstruction")
    perceptual: float = option(0.0, "weight of the Laplacian pyramid term")
    noise: float = option(0.05, "noise on codes while compressing, in standard deviations")

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²,  ε ~ N(0, noise² Var E(x))."""
        return Loss(self.reconstruction(batch.x, nets["G"](noisy(nets["E"](batch.x), self.noise))))

    def reconstruction(self, x: Tensor, back: Tensor) -> dict[str, Tensor]:
        """The terms w1 |x − x̂|₁, w2 |x − x̂|₂², and a perceptual term on a Laplacian pyramid, each (N,)."""
        back = back.float()
        terms = {"L1": self.w1 * l1(x, back), "L2": self.w2 * l2(x, back)}
        if self.perceptual and x.ndim == 4:
            terms["Llap"] = self.perceptual * laplacian_l1(x, back)
        return {k: v for k, v in terms.items() if self.w1 or k != "L1"}


@dataclass(frozen=True)
class Variational(Coded):
    """An encoder of two halves, q(z | x) = N(μ(x), σ²(x)); the code of an example is μ(x)."""

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E, which gives μ and log σ² along the first axis of the code, and G, which takes a code z."""
        code = self.code(spec)
        E, _ = build_autoencoder(spec.shape, (2 * code[0], *code[1:]), width=self.width, blocks=self.blocks)
        return E, build_decoder(spec.shape, code, width=self.width, blocks=self.blocks)

    def posterior(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ(x) and log σ²(x) of q(z | x), each of the code's shape."""
        mu, log_var = nets["E"](x).float().chunk(2, dim=1)
        return mu, log_var.clamp(-20, 10)

    def posterior_sample(self, nets: Networks, x: Tensor) -> Tensor:
        """z ~ q(z | x)."""
        return self.reparameterise(*self.posterior(nets, x))

    def reparameterise(self, mu: Tensor, log_var: Tensor) -> Tensor:
        """z = μ + σ ε, ε ~ N(0, I)."""
        return mu + (0.5 * log_var).exp() * torch.randn_like(mu)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        return self.posterior(nets, x)[0]


@dataclass(frozen=True)
class WithPrior(Strategy):
    """What new codes are drawn from: N(0, I), or in P a density fitted to the codes of the training examples."""

    prior: Literal["mixture", "normal"] = option("mixture", "what codes are drawn from: a fitted mixture, or N(0, I)")
    components: tuple[int, ...] = option((1, 2, 5, 10, 20, 40), "numbers of mixture components to try, per class")
    shrinkage: float = option(0.3, "pull of a component's covariance towards the pooled one, in units of d codes")
    keep: int = option(128, "most leading principal components of the codes that are modelled")
    fit_limit: int = option(60_000, "most codes the density is fitted to")
    fit_share: float = option(0.05, "part of the budget")

    @property
    def uses_labels(self) -> bool:
        return self.prior != "normal"

    def prior_networks(self) -> Networks:
        """P, not yet fitted; nothing if codes are drawn from N(0, I)."""
        if self.prior == "normal":
            return {}
        return {"P": Prior(components=self.components, keep=self.keep, shrinkage=self.shrinkage)}

    def prior_stages(self, encode: Encode) -> tuple[Stage | Fit, ...]:
        """What fits P to the codes of the training examples, as `encode` gives them."""
        if self.prior == "normal":
            return ()
        return (Fit("fit", self.fit_share, partial(fit_prior, limit=self.fit_limit, encode=encode)),)

    def draw(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator | None) -> Tensor:
        """n codes z."""
        if self.prior == "normal":
            return truncation * standard_normal(nets["G"], n, rng)
        z: Tensor = nets["P"].sample(n, y, truncation, rng)[0]  # type: ignore[operator]
        return z

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        return self.decode(nets, self.draw(nets, n, y, truncation, rng))


def standard_normal(G: nn.Module, n: int, rng: torch.Generator | None = None) -> Tensor:
    """n codes ε ~ N(0, I) of the shape that G takes."""
    device = next(G.parameters()).device if rng is None else rng.device
    return torch.randn(n, *G.code_shape, generator=rng, device=device)  # type: ignore[misc]


@dataclass(frozen=True)
class Judged(Strategy):
    """A critic D of examples, and the game that G plays against it: one loss for both, and what keeps D smooth."""

    loss: Literal["minimax", "nonsaturating", "lsgan", "hinge", "wgan", "wgan-gp", "rpgan"] = option(
        "rpgan", "the game", source="R3GAN, arXiv 2501.05441"
    )
    critic_width: int = option(48, "channels of D at a quarter of the size")
    lr_critic: float = option(1e-3, "Adam's learning rate of D")
    lr_generator: float = option(5e-4, "Adam's learning rate of G in the game")
    beta1: float = option(0.0, "Adam's β₁ in the game", source="R3GAN")
    beta2: float = option(0.99, "Adam's β₂ in the game", source="R3GAN")
    gamma: float = option(1.0, "γ of R1, and with rpgan of R2; wgan and wgan-gp have none", source="R3GAN: 0.05 to 150")
    penalty_every: int = option(4, "steps between penalties of R1 and R2")
    gp: float = option(10.0, "λ of the gradient penalty of wgan-gp", source="Gulrajani 2017, arXiv 1704.00028")
    clip: float = option(0.01, "bound on D's weights with wgan", source="Arjovsky 2017, arXiv 1701.07875")
    n_critic: int = option(1, "steps of D for each of G")
    ema_decay: float = option(0.998, "of G's average")

    @property
    def game(self) -> Adversarial:
        """The losses of both sides."""
        return adversarial("wgan" if self.loss == "wgan-gp" else self.loss)

    def critic_network(self, spec: DataSpec) -> nn.Module:
        """D, with one logit an example; it knows the class where the data has classes and the strategy uses them."""
        return build_critic(spec.shape, width=self.critic_width, classes=len(spec.classes))

    def critic_phase(self, loss: PhaseLoss, name: str = "D", trains: tuple[str, ...] = ("D",)) -> Phase:
        """D's turn in each step."""
        return Phase(name, trains, loss, lr=self.lr_critic, betas=(self.beta1, self.beta2), final=0.1)

    def generator_phase(self, loss: PhaseLoss, name: str = "G", trains: tuple[str, ...] = ("G",)) -> Phase:
        """G's turn, in every `n_critic`-th step."""
        betas = (self.beta1, self.beta2)
        return Phase(name, trains, loss, lr=self.lr_generator, betas=betas, final=0.1, every=self.n_critic)

    def judge(self, D: Logits, real: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Loss:
        """L_D of the game; + γ/2 |∇D(x)|², and with rpgan γ/2 |∇D(G(z))|²; wgan's clipping, wgan-gp's penalty.

        Args:
            D: from examples and classes to logits (N,).
            real, fake: (N, ...), pair by pair of the same class `y` (N,); no gradient flows into `fake`.
        """
        fake = fake.detach()
        if self.loss == "wgan":  # the clipping that follows D's last step, done as the next one begins
            with torch.no_grad():
                for p in D.parameters():  # type: ignore[attr-defined]
                    p.clamp_(-self.clip, self.clip)
        gamma = 0.0 if self.loss.startswith("wgan") else self.gamma
        gamma2 = gamma if self.game.relative else 0.0
        loss = critic_loss(D, self.game, real, fake, y, clock, gamma1=gamma, gamma2=gamma2, every=self.penalty_every)
        if self.loss == "wgan-gp":
            with in_fp32(real):
                loss.terms["GP"] = gradient_penalty(lambda x: D(x, y), real, fake.float(), self.gp)
        return loss

    def fool(self, D: Logits, fake: Tensor, real: Tensor, y: Tensor | None) -> Tensor:
        """L_G of the game, (N,)."""
        return generator_logits(D, self.game, fake, real, y)
