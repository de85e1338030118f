"""A latent GAN that starts exactly at the prior: G(z) = z + f(z), against a critic C of codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aegan.collectives import all_reduce_mean
from aegan.density import mmd2
from aegan.density.prior import Prior
from aegan.objectives.adversarial import adversarial
from aegan.strategies import Batch, Clock, Fit, Loss, Networks, Phase, Stage, View, typed
from aegan.strategies._pieces import game_critic_loss, game_generator_loss, normalised_codes

PARTS = 10  # of the held-out codes, for the error of a difference


def draw(
    nets: Networks, n: int, y: Tensor | None, truncation: float = 1.0, rng: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Normalised codes v of the prior P, the moved v + f(v, y), and their classes y."""
    P = typed(nets, "P", Prior)
    z, y = P.sample(n, y, truncation, rng)
    v = P.normalise(z)
    return v, v + nets["f"](v, y).float(), y


@dataclass(frozen=True)
class CodeGame:
    """RpGAN + R1 + R2 on normalised codes v, and the decision whether it was worth it.

    Args:
        encode: networks and examples to codes.
        lr: Adam's learning rate of f and C.
        gamma: γ of R1 and R2.
    """

    encode: Callable[[Networks, Tensor], Tensor]
    lr: float
    gamma: float

    def stages(self, share: float) -> list[Stage | Fit]:
        """*play*, then *choose*."""
        critic = Phase("C", ("C",), self.critic, lr=self.lr, betas=(0.0, 0.99), critic=True)
        mover = Phase("f", ("f",), self.generator, lr=self.lr, betas=(0.0, 0.99), hold=True)
        return [Stage("play", share, (critic, mover), ema=("f",)), Fit("choose", 0.01, self.choose)]

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C = sp(C(v + f(v)) − C(v')) + γ/2 (|∇C(v')|² + |∇C(v + f(v))|²),  v' = norm E(x),  v ~ P."""
        real, y = normalised_codes(nets, batch, self.encode)
        with torch.no_grad():
            _, fake, y = draw(nets, len(real), y)
        return game_critic_loss(
            nets["C"], adversarial("rpgan"), real, fake, y, clock, gamma1=self.gamma, gamma2=self.gamma, every=1
        )

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_f = sp(C(v') − C(v + f(v)))."""
        real, y = normalised_codes(nets, batch, self.encode)
        v, fake, y = draw(nets, len(real), y)
        loss = game_generator_loss(nets["C"], adversarial("rpgan"), fake, real, y)
        return Loss({"L_f": loss}, watch={"moved": all_reduce_mean((fake - v).detach().square().mean()).sqrt()})

    def choose(self, nets: Networks, view: View) -> dict[str, Any]:
        """Keeps f only if its codes are nearer to held-out codes than the prior's, by the unbiased kernel distance.

        By two standard errors over parts of the codes: what is within chance is as likely to be worse.
        """
        real = torch.cat([normalised_codes(nets, batch, self.encode)[0] for batch in view.batches("held_out", 2000)])
        parts = min(PARTS, len(real) // 2)
        notes: dict[str, Any]
        if parts < 2:
            kept, notes = False, {"kept": "", "because": "there were too few held-out examples to choose by"}
        else:
            v, moved, _ = draw(nets, max(len(real), 500), None, rng=torch.Generator(real.device).manual_seed(0))
            sides = zip(*(codes.tensor_split(parts) for codes in (real, v, moved)), strict=True)
            found = torch.tensor([(float(mmd2(r, a)), float(mmd2(r, b))) for r, a, b in sides])
            before, after = found.mean(0).tolist()
            gain = found[:, 0] - found[:, 1]
            notes, kept = {"mixture": before, "latent GAN": after}, bool(gain.mean() > 2 * gain.std() / parts**0.5)
        if not kept:  # f = 0 again: its last layer is linear
            for p in nets["f"].get_submodule("last").parameters():
                p.zero_()
        return {**notes, "kept": "latent GAN" if kept else "mixture"}
