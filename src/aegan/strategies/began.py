"""Boundary equilibrium: an autoencoder as critic, and a controller that keeps it level with the generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aegan.collectives import all_gather_rows, all_reduce_mean
from aegan.objectives.regularisers import pulling_away
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._energy import Energetic, Number


@register
@dataclass(frozen=True)
class BEGAN(Energetic):
    """l(v) = |v − D(v)|₁, and k keeps E l(G(z)) at γ E l(x).

    L_D = l(x) − k l(G(z))
    L_G = l(G(z)) + λ E[l(G(z))] PT(E(G(z))),   PT as in `ebgan`; λ = 0 in the paper
    k  <- clip(k + λ_k (γ l(x) − l(G(z))) / l(x), 0, 1)
    M   = l(x) + |γ l(x) − l(G(z))|,   the measure of convergence

    The controller's error is divided by l(x), so that one λ_k fits data of any scale.

    References:
        Berthelot, Schumm & Metz 2017, arXiv 1703.10717.
    """

    name = "began"
    paper = "Berthelot, Schumm & Metz 2017, arXiv 1703.10717"
    summary = "The critic is an autoencoder; a controller keeps its errors on data and on fakes in proportion."
    where = "as the discriminator"

    diversity: float = option(0.7, "γ: lower is sharper and less diverse", source="0.3 to 0.7 in the paper")
    lambda_k: float = option(
        0.01, "λ_k, the controller's step", source="0.001 of l(x) itself in the paper's longer runs"
    )
    pt: float = option(
        0.0, "λ of the pulling-away term, in units of l(G(z)): what keeps G from a few modes", source="ours, from ebgan"
    )

    def build(self, spec: DataSpec) -> Networks:
        return {**self.energy_networks(spec), "k": Number(0.0)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return self.energy_stages("k")

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = l(x) − k l(G(z)); then k <- clip(k + λ_k (γ l(x) − l(G(z))) / l(x), 0, 1)."""
        with torch.no_grad():
            fake, _ = self.fakes(nets, batch)
        l_x, l_g = self.energy(nets, batch.x)[0], self.energy(nets, fake)[0]
        k = typed(nets, "k", Number).now()
        real = all_reduce_mean(l_x.detach().mean())
        error = self.diversity * real - all_reduce_mean(l_g.detach().mean())
        typed(nets, "k", Number).keep((k + self.lambda_k * error / real.clamp_min(1e-8)).clamp(0, 1))
        return Loss({"l(x)": l_x, "-k l(G)": -k * l_g}, watch={"k": k, "M": real + error.abs()})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = l(G(z)) + λ E[l(G(z))] PT(E(G(z)))."""
        fake, _ = self.fakes(nets, batch)
        l_g, codes = self.energy(nets, fake)
        if not self.pt:
            return Loss({"l(G)": l_g})
        weight = self.pt * all_reduce_mean(l_g.detach().mean())
        return Loss({"l(G)": l_g, "PT": weight * pulling_away(all_gather_rows(codes))})
