"""The adversarial games: what critic and generator minimise, given the critic's logits.

D(x) and D(G(z)) are logits, (N,); sp(t) = log(1 + e^t); sigma the logistic function. Every function returns one
value per sample, (N,), to be averaged by the caller.

============== ======================================= ============================ =================================
name           critic minimises                        generator minimises          source
============== ======================================= ============================ =================================
minimax        sp(-D(x)) + sp(D(G(z)))                 -sp(D(G(z)))                 Goodfellow 2014, arXiv 1406.2661
nonsaturating  sp(-D(x)) + sp(D(G(z)))                 sp(-D(G(z)))                 the same, section 3
lsgan          ((D(x) - 1)^2 + D(G(z))^2) / 2          (D(G(z)) - 1)^2 / 2          Mao 2017, arXiv 1611.04076
hinge          (1 - D(x))_+ + (1 + D(G(z)))_+          -D(G(z))                     Lim & Ye 2017, arXiv 1705.02894
wgan           D(G(z)) - D(x)                          -D(G(z))                     Arjovsky 2017, arXiv 1701.07875
rpgan          sp(D(G(z)) - D(x))                      sp(D(x) - D(G(z)))           Jolicoeur-Martineau 2018, 1807.00734
============== ======================================= ============================ =================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from aegan.errors import UserError, unknown

sp = F.softplus


@dataclass(frozen=True)
class Adversarial:
    """One game: `critic(real, fake)` and `generator(fake, real)`, logits (N,) to values (N,).

    The generator's value depends on `real` only where `relative` is true; elsewhere it may be None.
    """

    name: str
    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor | None], Tensor]
    relative: bool = False


def rpgan_generator(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """L_G = sp(-(D(G(z)) - D(x))); D(x) scales the gradient, so it must be given."""
    if real is None:
        raise ValueError("rpgan needs the real samples' logits for the generator too")
    return sp(real - fake)


ADVERSARIAL = {
    game.name: game
    for game in (
        Adversarial("minimax", lambda real, fake: sp(-real) + sp(fake), lambda fake, _: -sp(fake)),
        Adversarial("nonsaturating", lambda real, fake: sp(-real) + sp(fake), lambda fake, _: sp(-fake)),
        Adversarial(
            "lsgan",
            lambda real, fake: 0.5 * ((real - 1).square() + fake.square()),
            lambda fake, _: 0.5 * (fake - 1).square(),
        ),
        Adversarial("hinge", lambda real, fake: F.relu(1 - real) + F.relu(1 + fake), lambda fake, _: -fake),
        Adversarial("wgan", lambda real, fake: fake - real, lambda fake, _: -fake),
        Adversarial("rpgan", lambda real, fake: sp(fake - real), rpgan_generator, relative=True),
    )
}


def adversarial(name: str) -> Adversarial:
    """The game called `name`; `UserError` if there is none.

    >>> adversarial("rpgan").relative
    True
    """
    if name not in ADVERSARIAL:
        raise unknown("adversarial loss", name, ADVERSARIAL)
    return ADVERSARIAL[name]


def smoothed(game: Adversarial, s: float) -> Adversarial:
    """One-sided label smoothing: real examples' target is 1 − s, that of generated ones stays 0.

    minimax and nonsaturating: L_D = (1 − s) sp(−D(x)) + s sp(D(x)) + sp(D(G(z))); lsgan: (D(x) − (1 − s))² in the place
    of (D(x) − 1)². The other games have no targets. Salimans et al. 2016 (arXiv 1606.03498), s = 0.1.
    """
    if not 0 <= s < 1:
        raise UserError(f"Label smoothing takes a share of the target 1, not {s:g}.", "Salimans et al. 2016 take 0.1.")
    if not s:
        return game
    if game.name == "lsgan":
        return replace(game, critic=lambda real, fake: 0.5 * ((real - (1 - s)).square() + fake.square()))
    if game.name in ("minimax", "nonsaturating"):
        return replace(game, critic=lambda real, fake: (1 - s) * sp(-real) + s * sp(real) + sp(fake))
    raise UserError(
        f"The game '{game.name}' has no targets that could be smoothed.", "Set loss=nonsaturating, minimax or lsgan."
    )


def value(real: Tensor, fake: Tensor) -> Tensor:
    """V(G, D) = log D(x) + log(1 - D(G(z))) per pair, in nats, where D is sigma of the logits given here.

    Its mean lies between -inf (the critic is always wrong) and 0 (always right); a critic that cannot tell the two
    apart gets -log 4 = -1.386.
    """
    return -sp(-real) - sp(fake)
