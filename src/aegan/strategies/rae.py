"""The regularised autoencoder: deterministic, smooth by a penalty on its decoder, sampled through a mixture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aegan.fp32 import in_fp32
from aegan.objectives.penalties import squared_norm
from aegan.objectives.reconstruction import l2
from aegan.objectives.regularisers import code_l2
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._groups import Coded, WithPrior


@register
@dataclass(frozen=True)
class RAE(WithPrior, Coded):
    """L = |x − G(E(x))|² + β/2 |E(x)|² + λ R(G): a penalty for a VAE's noise, a density fitted afterwards for its prior.

    R is the sum of squared weights (`theta_l2`), the decoder's squared Jacobian |∂G/∂z|² (`gp`), or a decoder whose every
    layer has spectral norm 1 (`spectral`); they combine. All terms are means per value or per number of the code.

    Reference:
        Ghosh et al. 2020, arXiv 1903.12436.
    """

    name = "rae"
    paper = "Ghosh et al. 2020, arXiv 1903.12436"
    summary = "A smooth, deterministic autoencoder, sampled through a mixture on its codes."
    where = "its code against a prior"

    beta: float = option(
        1e-3, "β, weight of the codes' squares", source="ours, per value; the paper's: 1e-4, 1e-3", searchable=True
    )
    theta_l2: float = option(1e-6, "λ of half the sum of G's squared weights", source="Ghosh 2020: 1e-7, 1e-6")
    gp: float = option(0.0, "λ of the squared Jacobian of G, as a mean over its values")
    spectral: bool = option(False, "spectral normalisation of every layer of G")
    weight_decay: float = option(0.0, "AdamW's weight decay of E and G; λ is that of G", searchable=True)

    def build(self, spec: DataSpec) -> Networks:
        nets = super().build(spec)
        if self.spectral:
            for layer in [m for m in nets["G"].modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
                if not bool(layer.weight.any()):  # zero has no norm to divide by
                    nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
                spectral_norm(layer)
        return nets

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phase = self.autoencode(self.regularised, "RAE")
        return (Stage("compress", 1.0, (phase,), warmup=100, preview="reconstruct"), *self.prior_stages(self.encode))

    def regularised(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = mean (x − G(z))² + β/2 mean z² + λ_l2/2 Σ θ_G² + λ_gp/D |∂G(z)/∂z|²,  z = E(x)."""
        z = self.encode(nets, batch.x)
        terms = {"L2": l2(batch.x, nets["G"](z).float()), "code": self.beta * code_l2(z)}
        if self.theta_l2:
            terms["theta"] = 0.5 * self.theta_l2 * torch.stack([p.square().sum() for p in nets["G"].parameters()]).sum()
        if self.gp:
            with in_fp32(z):
                terms["Jacobian"] = self.gp * jacobian(nets["G"], z.detach())
        return Loss(terms)


def jacobian(G: nn.Module, z: Tensor) -> Tensor:
    """|∂G(z)/∂z|² / D, (N,), D values an example: unbiased, as |vᵀJ|² has that mean for v ~ N(0, I) (Hutchinson 1989)."""
    z = z.requires_grad_(True)
    x = G(z)
    (g,) = torch.autograd.grad((x * torch.randn_like(x)).sum(), z, create_graph=True)
    return squared_norm(g, len(z)) / x[0].numel()
