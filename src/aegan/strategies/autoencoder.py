"""An autoencoder alone, sampled through a mixture of Gaussians on its codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.networks import build_autoencoder
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.strategies._pieces import code_shape, fit_prior, noisy, reconstruction
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class Autoencoder(Strategy):
    """Compress, then fit a density to the codes: no adversary at all.

    Reference:
        Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020, arXiv 1903.12436 (density after training).
    """

    name = "autoencoder"
    paper = "Ghosh et al. 2020, arXiv 1903.12436"
    summary = "Compresses, then draws codes from a mixture of Gaussians: the fastest, and blurred."
    where = "alone, with a density on its codes"
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
    w1: float = option(1.0, "weight of the L1 reconstruction")
    w2: float = option(1.0, "weight of the L2 reconstruction")
    perceptual: float = option(0.0, "weight of the Laplacian pyramid term")
    noise: float = option(0.05, "noise on codes while training, in standard deviations")
    components: tuple[int, ...] = option((1, 2, 5, 10, 20, 40), "numbers of mixture components to try, per class")
    shrinkage: float = option(0.3, "pull of a component's covariance towards the pooled one, in units of d codes")
    fit_limit: int = option(60_000, "most codes the mixture is fitted to")

    def build(self, spec: DataSpec) -> Networks:
        code = code_shape(spec, self.code_dim, self.code_stride)
        E, G = build_autoencoder(spec.shape, code, width=self.width, blocks=self.blocks)
        return {"E": E, "G": G, "P": Prior(components=self.components, shrinkage=self.shrinkage)}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (
            Stage(
                "compress",
                share=0.92,
                warmup=100,
                phases=(Phase("AE", ("E", "G"), self.compress, lr=self.lr, weight_decay=self.weight_decay, clip=1.0),),
                preview="reconstruct",
            ),
            Fit("fit", share=0.08, run=partial(fit_prior, limit=self.fit_limit, encode=self.encode)),
        )

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²,  ε ~ N(0, noise² Var E(x))."""
        E, G = nets["E"], nets["G"]
        back = G(noisy(E(batch.x), self.noise))
        return Loss(reconstruction(batch.x, back, w1=self.w1, w2=self.w2, perceptual=self.perceptual))

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        z, _ = nets["P"].sample(n, y, truncation, rng)  # type: ignore[operator]
        return self.decode(nets, z)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        z: Tensor = nets["E"](x)
        return z.float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        x: Tensor = nets["G"](z)
        return x.float()
