"""A GAN of transformers on spatial codes, judged at several levels of noise at once; the autoencoder held."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aegan.density.prior import Prior
from aegan.errors import UserError
from aegan.fp32 import in_fp32
from aegan.networks.transformer import TokenGenerator, build_token_critic
from aegan.objectives.adversarial import adversarial, value
from aegan.objectives.noise_levels import noise_levels
from aegan.objectives.penalties import finite_difference
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register, typed
from aegan.strategies._on_codes import OnCodes
from aegan.strategies._pieces import game_generator_loss, normalised_codes

BASE_WIDTH = 768  # for which the paper states its learning rate
GAME = adversarial("rpgan")


@register
@dataclass(frozen=True)
class GAT(OnCodes):
    """Transformers H and C on normalised codes v; H gives a code at every level, C sees all, each in its own noise.

    *compress*  min_{E,G} |x − G(E(x) + ε)|
    *fit*       v = norm(E(x)), and a Gaussian of them for each class, from which u is drawn; how often each class is
    *play*      L_C = sp(C(N(H(u))) − C(N(v))) + γ/2 (|∇C(N(v))|² + |∇C(N(H(u)))|²),  L_H = sp(C(N(v)) − C(N(H(u))))
                N(v) = ((1 − t_1) v_1 + t_1 n_1, …, (1 − t_L) v_L + t_L n_L),  t_1 > … > t_L,  v_i = v for real codes
    sampling    G(norm⁻¹ H(u)_L)

    H(u) = u at the start; the paper's H begins with learned places alone (docs/strategies/gat.md). The gradients of the
    penalties are estimated by differences. Learning rates are `rate` times 768 / width, as the paper's. Its C also learns
    to predict features of DINOv2, and sees augmented codes; ours does not.

    References:
        Hyun, Lee & Heo 2025, arXiv 2509.24935; Lin et al. 2025 (differences), 2501.08316.
    """

    name = "gat"
    paper = "Hyun, Lee & Heo 2025, arXiv 2509.24935"
    summary = "Compresses, then transformers play for codes, judged at several levels of noise at once."
    where = "as the space the generator works in"

    vectors = False

    code_stride: int | None = option(8, "pixels a side for each place of a spatial code, which is a token", least=1)
    play_share: float = option(0.6, "part of the budget", most=1)
    play_width: int = option(64, "numbers of a token in H and C", source="Hyun 2025: 384 to 1152", least=1, most=65_536)
    play_blocks: int = option(4, "blocks of H, and of C", source="Hyun 2025: 12 to 28", least=1)
    levels: int = option(4, "codes that H gives, from rough to fine; divides play_blocks", source="Hyun 2025", least=1)
    least_signal: float = option(0.125, "1 − t₁, what is left of a code at the first level", source="Hyun 2025", most=1)
    gamma: float = option(0.1, "γ of both penalties", source="public code", searchable=True)
    penalty_every: int = option(4, "steps between penalties, which are then that many times as heavy", least=1)
    difference: float = option(
        0.01, "σ of the noise by which gradients are estimated", source="public code", least=1e-6
    )
    rate: float = option(2e-4, "AdamW's learning rate at a width of 768", source="public code", searchable=True)
    ema_decay: float = option(0.999, "of H's average", source="public code", most=0.999999)

    def build(self, spec: DataSpec) -> Networks:
        if self.play_blocks % self.levels or self.levels < 2:
            raise UserError(
                f"{self.play_blocks} blocks cannot be read out at {self.levels} levels.",
                "Set levels to 2 or more, and play_blocks to a multiple of it.",
            )
        if len(self.code(spec)) != 3:
            how = "Take a space whose codes have places." if self.space else "Set code_stride, as to 8."
            raise UserError("Transformers need a code with places, and this one is flat.", how)
        code, width, depth, classes = self.code(spec), self.play_width, self.play_blocks, len(spec.classes)
        return {
            **super().build(spec),
            "H": TokenGenerator(code, width=width, depth=depth, levels=self.levels, classes=classes),
            "C": build_token_critic(code, width=width, depth=depth, levels=self.levels, classes=classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        lr, betas = self.rate * BASE_WIDTH / self.play_width, (0.0, 0.99)
        critic = Phase("C", ("C",), self.critic, lr=lr, betas=betas, final=0.1, critic=True)
        maker = Phase("H", ("H",), self.generator, lr=lr, betas=betas, final=0.1)
        return (
            *self.first_stages(),
            Stage("play", self.play_share, (critic, maker), warmup=100, ema=("H",), ema_decay=self.ema_decay),
        )

    def make(
        self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """H(u, y) at all levels, (n, levels · c, h, w), and the classes y, drawn if None."""
        P = typed(nets, "P", Prior)
        z, y = P.sample(n, y, truncation, rng)
        made: Tensor = nets["H"](P.normalise(z), y)
        return made.float(), y

    def seen(self, v: Tensor) -> Tensor:
        """N(v): codes at all levels, (n, levels · c, h, w), each level in its own noise."""
        return noise_levels(v, self.levels, self.least_signal)

    def pairs(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """N(v), N(H(u, y)) and y, pair by pair of the same class."""
        v, y = normalised_codes(nets, batch, self.encode)
        made, y = self.make(nets, len(v), y, 1.0)
        return self.seen(v.repeat(1, self.levels, 1, 1)), self.seen(made), y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C = sp(C(N(H(u))) − C(N(v))) + γ/2 (|∇C(N(v))|² + |∇C(N(H(u)))|²)."""
        with torch.no_grad():
            real, fake, y = self.pairs(nets, batch)
        shown = [real, fake]
        if penalised := clock.step % self.penalty_every == 0:
            shown += [x + self.difference * torch.randn_like(x) for x in (real, fake)]
        with in_fp32(real):  # logits of neighbours differ by little
            logits = nets["C"](torch.cat(shown), None if y is None else y.repeat(len(shown))).chunk(len(shown))
        c_v, c_h = logits[:2]
        terms = {"L_C": GAME.critic(c_v, c_h)}
        if penalised:
            gamma = self.penalty_every * self.gamma
            terms["R1"] = finite_difference(c_v, logits[2], gamma, self.difference)
            terms["R2"] = finite_difference(c_h, logits[3], gamma, self.difference)
        return Loss(terms, watch={"V(G,D)": value(c_v.detach(), c_h.detach()), "margin": (c_v - c_h).detach()})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_H = sp(C(N(v)) − C(N(H(u))))."""
        real, fake, y = self.pairs(nets, batch)
        return Loss({"L_H": game_generator_loss(nets["C"], GAME, fake, real, y)})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        finest = self.make(nets, n, y, truncation, rng)[0].chunk(self.levels, 1)[-1]
        return self.decode(nets, typed(nets, "P", Prior).restore(finest))
