"""The variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.networks import build_autoencoder, build_decoder
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.strategies._pieces import code_shape, fit_prior
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class VAE(Strategy):
    """Maximises the evidence's lower bound, with the one decoder variance that is best for the batch.

    References:
        Kingma & Welling 2014, arXiv 1312.6114. Variance: Rybkin et al. 2021 (σ-VAE), arXiv 2006.13202.
    """

    name = "vae"
    paper = "Kingma & Welling 2014, arXiv 1312.6114"
    summary = "Codes pulled towards N(0, I) while compressing; then the same mixture on them."
    where = "its code against a prior"
    capabilities = frozenset({"sample", "encode", "decode"})

    code_dim: int | None = option(
        None, "numbers in a flat code, channels of a spatial one; default: by the size of the data"
    )
    code_stride: int | None = option(
        None, "pixels a side for each place of a spatial code; default: flat up to 32x32, else 8"
    )
    width: int = option(64, "channels of the finest stage")
    blocks: int = option(1, "residual blocks a stage")
    batch_size: int = option(64, "examples per step")
    lr: float = option(4e-3, "AdamW's learning rate")
    weight_decay: float = option(1e-3, "AdamW's weight decay")
    beta: float = option(1.0, "weight of the KL term; 1 is the bound itself")
    prior: Literal["mixture", "normal"] = option("mixture", "what codes are drawn from")
    components: tuple[int, ...] = option((1, 2, 5, 10, 20, 40), "numbers of mixture components to try, per class")
    shrinkage: float = option(0.3, "pull of a component's covariance towards the pooled one, in units of d codes")
    fit_limit: int = option(60_000, "most codes the mixture is fitted to")

    def build(self, spec: DataSpec) -> Networks:
        code = code_shape(spec, self.code_dim, self.code_stride)
        E, _ = build_autoencoder(spec.shape, (2 * code[0], *code[1:]), width=self.width, blocks=self.blocks)
        G = build_decoder(spec.shape, code, width=self.width, blocks=self.blocks)
        return {"E": E, "G": G, "P": Prior(components=self.components, shrinkage=self.shrinkage)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        elbo = Phase("VAE", ("E", "G"), self.elbo, lr=self.lr, weight_decay=self.weight_decay, clip=1.0)
        return (
            Stage("compress", share=0.92, phases=(elbo,), warmup=100, preview="reconstruct"),
            Fit("fit", share=0.08, run=partial(fit_prior, limit=self.fit_limit, encode=self.posterior_sample)),
        )

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

    def elbo(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = 1/2 log E|x − G(z)|² + β/D KL(q(z|x) || N(0, I)),  z ~ q(z|x): the bound per value, at its best variance."""
        mu, log_var = self.posterior(nets, batch.x)
        z = self.reparameterise(mu, log_var)
        mse = (nets["G"](z).float() - batch.x).square().mean()
        kl = kl_standard_normal(mu, log_var) * (self.beta / batch.x[0].numel())
        return Loss({"NLL": 0.5 * (mse + 1e-6).log(), "KL": kl}, watch={"MSE": mse.detach()})

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        if self.prior == "normal":
            z = truncation * torch.randn(n, *nets["G"].code_shape, generator=rng, device=rng.device)  # type: ignore[misc]
        else:
            z, _ = nets["P"].sample(n, y, truncation, rng)  # type: ignore[operator]
        return self.decode(nets, z)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        return self.posterior(nets, x)[0]

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        x: Tensor = nets["G"](z)
        return x.float()
