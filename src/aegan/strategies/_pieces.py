"""What several strategies do in the same words: compress, fit a density to the codes, play the game."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aegan.collectives import all_gather_rows
from aegan.density.prior import Frequencies, Prior
from aegan.fp32 import in_fp32
from aegan.objectives.adversarial import Adversarial, value
from aegan.objectives.penalties import r1, r2
from aegan.strategies import Batch, Clock, Loss, Networks, View, typed


def noisy(z: Tensor, sigma: float, *, of_all: bool = False) -> Tensor:
    """z + sigma · sd(z) · ε: codes nearby must decode alike, so that a density has no holes to fall into.

    sd is of each number over the batch, or of all numbers together: then those that vary little drown, and E must make
    room for what matters.
    """
    codes = all_gather_rows(z.detach())
    sd = codes.std() if of_all else codes.std(0, keepdim=True)
    return z + sigma * sd * torch.randn_like(z)


def halves(h: Tensor) -> tuple[Tensor, Tensor]:
    """μ and log σ² from what an encoder of both gives, the latter kept where its exponential is finite."""
    mu, log_var = h.float().chunk(2, dim=1)
    return mu, log_var.clamp(-20, 10)


def reparameterise(mu: Tensor, log_var: Tensor) -> Tensor:
    """z = μ + σ ε, ε ~ N(0, I)."""
    return mu + (0.5 * log_var).exp() * torch.randn_like(mu)


Encode = Callable[[Networks, Tensor], Tensor]
Logits = Callable[[Tensor, Tensor | None], Tensor]


def codes_of(nets: Networks, batch: Batch, encode: Encode, n: int | None = None) -> Tensor:
    """Codes of a batch, or of its first `n` examples: those that were made before, or what `encode` makes now."""
    return encode(nets, batch.x[:n]) if batch.z is None else batch.z[:n]


def normalised_codes(nets: Networks, batch: Batch, encode: Encode) -> tuple[Tensor, Tensor | None]:
    """Codes of a batch as the prior P normalises them, without a gradient; and its classes if P knows classes."""
    P = typed(nets, "P", Prior)
    with torch.no_grad():
        v = P.normalise(codes_of(nets, batch, encode))
    return v, batch.y if P.has_classes else None


def fit_prior(nets: Networks, view: View, limit: int, encode: Encode) -> dict[str, Any]:
    """Fits the prior P to the codes of at most `limit` training examples."""
    codes, labels = [], []
    for batch in view.batches("train", limit):
        codes.append(codes_of(nets, batch, encode).float())
        if view.spec.classes and batch.y is not None:
            labels.append(batch.y)
    return typed(nets, "P", Prior).fit(torch.cat(codes), torch.cat(labels) if labels else None)


def density_loss(nets: Networks, batch: Batch, clock: Clock, encode: Encode) -> Loss:
    """L = −log p(W(E(x)) | y) / k, in nats a dimension: the loss of a mixture-density prior P."""
    with torch.no_grad():
        z = codes_of(nets, batch, encode).float()
    P = typed(nets, "P", Prior)
    with in_fp32(z):
        return Loss({"NLL": -P.log_prob(z, batch.y) / P.whitening.dim})


def count_classes(nets: Networks, view: View) -> dict[str, Any]:
    """Fills the class frequencies Y, from which a generator without a prior of codes draws its classes."""
    if not view.spec.classes:
        return {"classes": 0}
    labels = [batch.y for batch in view.batches("train") if batch.y is not None]
    if not labels:
        return {"classes": 0}
    return typed(nets, "Y", Frequencies).fit(torch.cat(labels))


def game_critic_loss(
    D: Logits,
    game: Adversarial,
    real: Tensor,
    fake: Tensor,
    y: Tensor | None,
    clock: Clock,
    *,
    gamma1: float,
    gamma2: float,
    every: int,
) -> Loss:
    """L_D of the game, with R1 = γ₁/2 |∇D(x)|² and R2 = γ₂/2 |∇D(G(z))|² at every `every`-th step, that many times as heavy.

    Args:
        D: from examples and classes to logits.
        real, fake: (N, ...), pair by pair of the same class `y` (N,).
    """
    d_x, d_g = D(real, y).float(), D(fake, y).float()
    terms = {"L_D": game.critic(d_x, d_g)}
    if clock.step % every == 0:
        with in_fp32(real):
            if gamma1:
                terms["R1"] = every * r1(lambda x: D(x, y), real.float(), gamma1)
            if gamma2:
                terms["R2"] = every * r2(lambda x: D(x, y), fake.float(), gamma2)
    return Loss(terms, watch={"V(G,D)": value(d_x.detach(), d_g.detach()), "margin": (d_x - d_g).detach()})


def game_generator_loss(D: Logits, game: Adversarial, fake: Tensor, real: Tensor, y: Tensor | None) -> Tensor:
    """L_G of the game, (N,). The relativistic game also needs D(x), which sends no gradient to the generator."""
    d_x = D(real, y).float().detach() if game.relative else None
    return game.generator(D(fake, y).float(), d_x)
