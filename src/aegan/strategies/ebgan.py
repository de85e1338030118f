"""The energy-based GAN: the critic is an autoencoder, and what it cannot reconstruct is not data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from aegan.collectives import all_gather_rows, all_reduce_mean
from aegan.objectives.regularisers import pulling_away
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._energy import Energetic, Number


@register
@dataclass(frozen=True)
class EBGAN(Energetic):
    """e(x) = |x − D(x)|ᵖ:  D keeps it low on data and above a margin m on what G makes; G makes it low.

    L_D = e(x) + [m − e(G(z))]₊
    L_G = e(G(z)) + λ m PT(E(G(z))),   PT(S) = 1/(N(N−1)) Σ_i Σ_{j≠i} (S_i·S_j / |S_i||S_j|)²

    The gradient of L_G flows through e's both sides, G(z) and D(G(z)). The paper's margins are constants for energies
    that are sums; here e is a mean over values and m = `margin` · e(x), averaged over steps, so that it holds for any
    data and falls as D learns.

    References:
        Zhao, Mathieu & LeCun 2017, arXiv 1609.03126.
    """

    name = "ebgan"
    paper = "Zhao, Mathieu & LeCun 2017, arXiv 1609.03126"
    summary = "The critic is an autoencoder; its error is the energy, pushed above a margin on what is generated."
    where = "as the discriminator"

    power: Literal[1, 2] = option(
        2, "p of the energy |x − D(x)|ᵖ: absolute or squared errors", source="ours; the paper has the root of their sum"
    )
    margin: float = option(3.0, "m in units of e(x)", source="constants of 10 to 80 for sums in the paper")
    pt: float = option(
        0.1, "λ of the pulling-away term, in units of m", source="0.1 in the paper, beside m = 10 and more"
    )

    def build(self, spec: DataSpec) -> Networks:
        return {**self.energy_networks(spec), "m": Number(0.0)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return self.energy_stages("m")

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = e(x) + [m − e(G(z))]₊."""
        with torch.no_grad():
            fake, _ = self.fakes(nets, batch)
        e_x, e_g = self.energy(nets, batch.x)[0], self.energy(nets, fake)[0]
        target = self.margin * all_reduce_mean(e_x.detach().mean())
        m = target if clock.step == 0 else torch.lerp(typed(nets, "m", Number).now(), target, 0.02)
        typed(nets, "m", Number).keep(m)
        watch = {"m": m, "margin": (e_g - e_x).detach()}
        return Loss({"e(x)": e_x, "[m-e(G)]+": F.relu(m - e_g)}, watch)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = e(G(z)) + λ m PT(E(G(z)))."""
        fake, _ = self.fakes(nets, batch)
        e_g, codes = self.energy(nets, fake)
        m = typed(nets, "m", Number).now()
        return Loss({"e(G)": e_g, "PT": self.pt * m * pulling_away(all_gather_rows(codes))})
