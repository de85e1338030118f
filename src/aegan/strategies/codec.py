"""A rate-distortion autoencoder: what it minimises is the size of the file and the error of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from aegan.config import unused
from aegan.networks.autoencoders import patch_size
from aegan.networks.entropy import CodeDensity, PixelDensity, steps_of
from aegan.networks.klt import KLTDecoder, KLTEncoder, PatchKLT
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, View, option, register, typed
from aegan.strategies._groups import Coded, WithPrior

MOST_VALUES = 100_000_000  # of the images that the transform is fitted to
GREY = 127.5  # grey levels to a unit of images, which lie in [-1, 1]; vectors are counted alike


@register
@dataclass(frozen=True)
class Codec(WithPrior, Coded):
    """L = D(x, G(ŷ)) / λ(s) + R(ŷ | s),  y = E(x),  ŷ = s [y / s],  λ(s) = λ s².

    D is the squared error in units², R the bits under a density H of codes that is learned with E and G. The step s is
    drawn anew for every image, so that one model serves all qualities: λ(s) is the slope dD/dR of a quantiser of step s.
    Gradients pass straight through the rounding [·].

    A second stage learns a density Q of pixels given the earlier ones, for the lossless codec.

    References:
        Ballé, Laparra & Simoncelli 2017, arXiv 1611.01704; Ballé et al. 2018, arXiv 1802.01436;
        Minnen, Ballé & Toderici 2018, arXiv 1809.02736 (codes given those before them).
    """

    name = "codec"
    paper = "Ballé et al. 2018, arXiv 1802.01436"
    summary = "Trained to be a codec: fewest bits for the error; behind `aegan compress`."
    where = "alone, its code made to be written in few bits"

    vectors = False

    unit: float = option(16.0, "length of a step of 1, in grey levels", least=1e-6)
    lagrange: float = option(0.115, "squared error in units² that a bit is worth; 0.115 is a fine quantiser's slope")
    steps: tuple[float, ...] = option((2.0, 12.0), "least and greatest step s that is learned", least=1e-6)
    offset: float = option(0.4, "of rounding: 0.5 is to the nearest, less favours small numbers")
    blocks: int = option(2, "residual blocks of E and of G", least=1)
    code_dim: int | None = unused(None, "a code has as many numbers as an image has values")
    code_stride: int | None = unused(None, "a code is as large as the image")
    transform_limit: int = option(5_000, "most images that the transform is fitted to", least=1)
    density_width: int = option(48, "width of H", least=1, most=65_536)
    density_places: int = option(64, "places of each plane that a step of H reads, at random; 0: all")
    pixel_width: int = option(32, "width of Q; 0 leaves the lossless density out", most=65_536)
    pixel_places: int = option(64, "pixels of an image that a step of Q reads", least=1)
    pixel_lr: float = option(4e-3, "AdamW's learning rate of Q")
    compress_share: float = option(0.75, "part of the budget", most=1)
    pixel_share: float = option(0.2, "part of the budget", most=1)
    tilt: float = option(0.5, "power of s that weighs an image's loss, which would count fine steps the most")

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """(P, h, w): as many numbers as values; it is the density that makes them cheap."""
        channels, height, width = spec.shape
        patch = patch_size(height, width)
        return channels * patch**2, height // patch, width // patch

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        code, patch, unit = self.code(spec), patch_size(*spec.shape[1:]), self.unit / GREY
        nets = {
            "E": KLTEncoder(PatchKLT(spec.channels, patch, unit), E),
            "G": KLTDecoder(PatchKLT(spec.channels, patch, unit), G, code),
            "H": CodeDensity(code, self.density_width),
        }
        Q = {"Q": PixelDensity(spec.channels, self.pixel_width)} if self.pixel_width else {}
        return {**nets, **Q, **self.prior_networks()}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        both = self.autoencode(self.rate_distortion, "RD", ("E", "G", "H"))
        own = Phase("Q", ("Q",), self.pixels, lr=self.pixel_lr, clip=1.0)
        lossless = (Stage("pixels", self.pixel_share, (own,), warmup=50, preview="reconstruct"),)
        return (
            Fit("transform", 0.01, self.fit_transform),
            Stage("compress", self.compress_share, (both,), warmup=100, preview="reconstruct"),
            *(lossless if self.pixel_width else ()),
            *self.prior_stages(self.encode),
        )

    def fit_transform(self, nets: Networks, view: View) -> dict[str, Any]:
        """Fits the linear part of E and G, and the scales that H expects."""
        # they lie in memory several times
        limit = max(1, min(self.transform_limit, MOST_VALUES // math.prod(view.spec.shape)))
        x = torch.cat([batch.x for batch in view.batches("train", limit=limit)])
        E, G = typed(nets, "E", KLTEncoder), typed(nets, "G", KLTDecoder)
        share = E.klt.fit(x)
        G.klt.load_state_dict(E.klt.state_dict())
        typed(nets, "H", CodeDensity).expect(E.klt.deviation)
        return {"first": float(share[0]), "first_half": float(share[: len(share) // 2].sum())}

    def rate_distortion(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = s^a (D(x, G(ŷ)) / (λ s²) + R(ŷ)) / values,  D = Σ (x − x̂)² / unit², R in bits."""
        y = nets["E"](batch.x).float()
        low, high = self.steps
        s = low * (high / low) ** torch.rand(len(y), device=y.device)
        rounded = y + (steps_of(y, s, self.offset) * s.view(-1, *(1,) * (y.ndim - 1)) - y).detach()
        bits = nets["H"](rounded, s, self.density_places)
        error = (GREY / self.unit * (batch.x - nets["G"](rounded).float())).square().flatten(1).sum(1)
        weight = s**self.tilt / batch.x[0].numel()
        watch = {"bits": bits.detach().mean(), "MSE": error.detach().mean() * self.unit**2 / batch.x[0].numel()}
        return Loss({"D": weight * error / (self.lagrange * s.square()), "R": weight * bits}, watch=watch)

    def pixels(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = −log₂ Q(x_i | x_1 … x_{i−1}), in bits a value, at random places i."""
        return Loss({"bits": nets["Q"](batch.x, self.pixel_places)})
