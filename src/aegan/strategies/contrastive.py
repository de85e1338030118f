"""An autoencoder whose codes also tell each example, however it is seen, from all others: codes as features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aegan.collectives import all_gather_rows
from aegan.objectives.views import nt_xent, view
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register
from aegan.strategies._groups import Compressing, WithPrior


@register
@dataclass(frozen=True)
class Contrastive(WithPrior, Compressing):
    """Compress, while two views of an example must be found among all views of the batch; then fit a density to the codes.

    L = contrast · L_view + w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²
    L_view = −log exp(s(h_i, h_i') / τ) / Σ_{k ≠ i} exp(s(h_i, h_k) / τ),   h = H(E(v)), v a view of x, s the cosine

    Views of images are zoomed, shifted, turned and lit anew; those of vectors carry noise. H is not used after training.
    Labels are not used for E.

    Reference:
        Chen et al. 2020 (SimCLR), arXiv 2002.05709; the reconstruction beside it is ours.
    """

    name = "contrastive"
    paper = "Chen et al. 2020, arXiv 2002.05709"
    summary = "Compresses, and learns to tell each example in any view from the others: codes as features."
    where = "alone, with a density on its codes"

    batch_size: int = option(128, "examples per step; each is told from all others of its batch", least=None)
    lr: float = option(2e-3, "AdamW's learning rate of E, G and H", searchable=True)
    contrast: float = option(1.0, "weight of L_view")
    temperature: float = option(0.2, "τ", source="Chen et al. 2020: 0.1 to 0.5", least=1e-6)
    hidden: int = option(256, "width of H's hidden layer", least=1, most=65_536)
    zoom: float = option(0.2, "most that a view enlarges an image, as a share of its side", most=1)
    light: float = option(0.4, "most that a view changes the logarithm of gamma, and the gain")
    jitter: float = option(0.1, "noise that makes a view of a vector, in standard deviations of the data")

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        H = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(self.code(spec)), self.hidden), nn.SiLU(), nn.Linear(self.hidden, 64)
        )
        return {"E": E, "G": G, "H": H, **self.prior_networks()}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phase = self.autoencode(self.learn, "AE", trains=("E", "G", "H"))
        return (
            Stage("compress", share=1.0, phases=(phase,), warmup=50, preview="reconstruct"),
            *self.prior_stages(self.encode),
        )

    def seen(self, x: Tensor) -> Tensor:
        """A view of each example."""
        if x.ndim == 2:
            return x + self.jitter * torch.randn_like(x)
        return view(x, zoom=self.zoom, light=self.light)

    def learn(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = contrast · L_view + w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²."""
        x = batch.x
        seen, code = nets["E"](torch.cat((self.seen(x), self.seen(x), x))).split((2 * len(x), len(x)))
        a, b = (all_gather_rows(h) for h in nets["H"](seen).chunk(2))
        terms = {"L_view": self.contrast * nt_xent(a, b, self.temperature)}
        return Loss({**terms, **self.reconstruction(x, nets["G"](self.with_noise(code)))})
