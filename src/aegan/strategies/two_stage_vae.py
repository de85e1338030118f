"""Two variational autoencoders: of examples, then of the first one's codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aegan.networks import build_autoencoder, build_decoder, code_shape_of
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, View, option, register, typed
from aegan.strategies._energy import Number
from aegan.strategies._groups import Annealed, standard_normal
from aegan.strategies._pieces import halves, reparameterise


@register
@dataclass(frozen=True)
class TwoStageVAE(Annealed):
    """A VAE whose decoder variance is free finds the data's manifold, but not the density on it; a second VAE finds that.

    *first*     max  log N(x; G(z), γ_x² I) − KL(q(z | x) || N(0, I)),  z ~ q(z | x)
    *second*    max  log N(z; G₂(u), γ_z² I) − KL(q(u | z) || N(0, I)),  u ~ q(u | z) of as many dimensions
    *spread*    γ_z² = E|z − G₂(u)|² / d
    sampling    u ~ N(0, I),  z = G₂(u) + γ_z ε,  x = G(z)

    Both variances are the batch's best, which is where learning them by gradient ends.

    Reference:
        Dai & Wipf 2019, arXiv 1903.05789.
    """

    name = "two-stage-vae"
    paper = "Dai & Wipf 2019, arXiv 1903.05789"
    summary = "A variational autoencoder, and a second one that learns to make its codes."
    where = "as the space the generator works in"
    uses_labels = False

    first_share: float = option(0.7, "part of the budget", most=1)
    second_share: float = option(
        0.3, "part of the budget", source="ours: steps on codes are cheap; the paper's has twice the epochs", most=1
    )
    second_width: int = option(
        256, "half the width of E₂ and G₂", source="Dai & Wipf 2019: 1024 wide", least=1, most=65_536
    )
    second_lr: float = option(
        1e-3, "AdamW's learning rate of E₂ and G₂", source="ours, for a short budget; the paper's is 1e-4"
    )
    fit_limit: int = option(20_000, "most codes that γ is measured on", least=1)

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        d = math.prod(self.code(spec))
        E2, _ = build_autoencoder((d,), (2 * d,), width=self.second_width, blocks=2)
        G2 = build_decoder((d,), (d,), width=self.second_width, blocks=2)
        return {"E": E, "G": G, "E2": E2, "G2": G2, "S": Number(1.0)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        second = Phase("VAE2", ("E2", "G2", "S"), self.second, lr=self.second_lr, clip=1.0)
        return (
            Stage("first", self.first_share, (self.autoencode(self.first, "VAE"),), warmup=100, preview="reconstruct"),
            Stage("second", self.second_share, (second,), warmup=100),
            Fit("spread", 0.01, self.spread),
        )

    def first(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = 1/2 log E|x − G(z)|² + 1/D KL(q(z|x) || N(0, I)),  z ~ q(z|x); of Laplace's likelihood log E|x − G(z)|."""
        beta = self.annealed(clock)
        return self.evidence_bound(batch.x, *self.reconstruct(nets, batch.x), beta, self.likelihood)

    def second(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = 1/2 log E|z − G₂(u)|² + 1/d KL(q(u|z) || N(0, I)),  z ~ q(z|x), u ~ q(u|z)."""
        with torch.no_grad():
            z = self.posterior_sample(nets, batch.x).flatten(1)
        loss = self.evidence_bound(z, *self.again(nets, z), self.annealed(clock))
        typed(nets, "S", Number).keep(loss.watch["MSE"].sqrt())  # γ_z as the batch has it, for samples until *spread*
        return loss

    def again(self, nets: Networks, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """G₂(u), u ~ q(u | z), and μ(z) and log σ²(z) of q(u | z)."""
        mu, log_var = halves(nets["E2"](z))
        return nets["G2"](reparameterise(mu, log_var)).float(), mu, log_var

    def spread(self, nets: Networks, view: View) -> dict[str, Any]:
        """γ_z over the training examples."""
        errors = []
        for batch in view.batches("train", self.fit_limit):
            z = self.posterior_sample(nets, batch.x).flatten(1)
            errors.append((z - self.again(nets, z)[0]).square().mean(1))
        gamma = torch.cat(errors).mean().sqrt()
        typed(nets, "S", Number).keep(gamma)
        return {"gamma": float(gamma)}

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        u = truncation * standard_normal(nets["G2"], n, rng)
        z = nets["G2"](u).float()
        e = torch.randn(z.shape, generator=rng, device=z.device)
        z = z + truncation * typed(nets, "S", Number).value * e
        return self.decode(nets, z.view(n, *code_shape_of(nets["G"])))
