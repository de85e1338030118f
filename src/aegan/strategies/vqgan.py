"""An autoencoder with a codebook, or with faintly variational codes, whose reconstructions face a critic of patches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from aegan.collectives import all_reduce_mean
from aegan.networks.autoencoders import grids
from aegan.networks.patches import PatchCritic
from aegan.networks.quantiser import Quantiser
from aegan.objectives.reconstruction import l2
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed, unused
from aegan.strategies._games import GameName, Judged
from aegan.strategies._groups import Compressing, WithPrior
from aegan.strategies._pieces import halves, reparameterise
from aegan.terms import kind


@register
@dataclass(frozen=True)
class VQGAN(WithPrior, Compressing, Judged):
    """The first stage of VQGAN and of latent diffusion; new codes come from a mixture instead of a transformer.

    *compress*  min_{E,G} L_rec + L_code                    D does not take part yet
    *sharpen*   min_{E,G} L_rec + L_code + λ L_G(D; x̂)      λ = adversary |∇ L_rec| / |∇ L_G|, ∇ in G's last layer
                min_D L_D(x, x̂)                             hinge, a logit a patch
    *fit*       p(z_e)

    "vq"  x̂ = G(Q(z_e)), z_e = E(x)                 L_code = β |z_e − sg[Q(z_e)]|²; gradients pass Q as if it were not
                                                    there; the codebook follows by averages instead of |sg[z_e] − e|²
    "kl"  x̂ = G(z), z ~ N(μ(x), σ²(x))              L_code = kl/D KL(q(z|x) || N(0, I))

    The density is one of z_e, before rounding, and samples are G(Q(z_e)): it sees that neighbouring entries are alike, and
    knows no more of how indices depend on each other than their means and correlations. A transformer would.

    References:
        Esser et al., Taming Transformers, CVPR 2021, arXiv 2012.09841; van den Oord et al. 2017, 1711.00937; "kl": Rombach
        et al., Latent Diffusion, CVPR 2022, 2112.10752.
    """

    name = "vqgan"
    paper = "Esser et al. 2021, arXiv 2012.09841; Rombach et al. 2022, 2112.10752"
    summary = "Compresses through a codebook (or faint noise), and has a patch critic judge what comes back."
    where = "its reconstruction judged by an adversary"

    bottleneck: Literal["vq", "kl"] = option("vq", "a codebook, or a faintly variational code")
    entries: int = option(512, "K, entries of the codebook", source="the papers' 512 to 16,384", least=1)
    commit: float = option(0.25, "β, weight of |z_e − sg[e]|², a mean", source="van den Oord 2017")
    code_decay: float = option(0.99, "of the averages that are the codebook", source="van den Oord 2017", most=0.999999)
    kl: float = option(0.01, "weight of the KL term", source="Rombach: 1e-6, with a density that learns by gradient")
    noise: float = option(0.0, "noise on codes while compressing, in standard deviations", searchable=True)
    adversary: float = option(0.8, "strength of the critic's gradient beside the reconstruction's", source="Esser")
    start: float = option(
        0.5, "part of the budget after which D takes part", source="Esser: after 250,000 steps", most=1
    )
    clip_generator: float = option(1.0, "norm that the gradient of E and G is clipped to; 0: none")
    ema_decay: float = unused(0.998, "no average is kept")
    loss: GameName = option("hinge", "the game", source="Esser")
    gamma: float = option(
        0.02, "γ of R1 on the sum of an image's logits; Esser has batch normalisation instead", searchable=True
    )

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """A grid of about 4x4 places for small images, since a flat code has no places to round."""
        if spec.is_image and self.code_stride is None and max(spec.shape[1:]) <= 32:
            return (self.code_dim or 8, *grids(*spec.shape[1:])[-1])
        return super().code(spec)

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        return super().autoencoder(spec) if self.bottleneck == "vq" else self.variational_autoencoder(spec)

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        patches = PatchCritic(spec.channels, width=self.critic_width) if spec.is_image else None
        nets: Networks = {"E": E, "G": G, "D": patches or self.critic_network(DataSpec(spec.shape))}
        if self.bottleneck == "vq":
            nets["Q"] = Quantiser(self.code(spec), entries=self.entries, decay=self.code_decay)
        return {**nets, **self.prior_networks()}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        trains = ("E", "G", "Q") if self.bottleneck == "vq" else ("E", "G")
        before = replace(self.autoencode(self.compress, "AE", trains), final=0.3)
        after = self.generator_phase(self.sharpen, "AE", trains)
        return (
            Stage("compress", self.start, (before,), warmup=100, preview="reconstruct"),
            Stage("sharpen", 1 - self.start, (self.critic_phase(self.critic), after), preview="reconstruct"),
            *self.prior_stages(self.encode),
        )

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        """z_e, or μ(x)."""
        z = super().encode(nets, x)
        return z if "Q" in nets else halves(z)[0]

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        return super().decode(nets, nets["Q"](z) if "Q" in nets else z)

    def autoencode_loss(self, nets: Networks, x: Tensor) -> tuple[Tensor, Loss]:
        """x̂, and the terms L_rec and L_code."""
        if "Q" not in nets:
            mu, log_var = halves(nets["E"](x))
            z = reparameterise(mu, log_var)
            back = nets["G"](self.with_noise(z) if self.noise else z).float()
            kl = kl_standard_normal(mu, log_var) * (self.kl / x[0].numel())
            return back, Loss({**self.reconstruction(x, back), "KL": kl})
        z = self.encode(nets, x)
        z = self.with_noise(z) if self.noise else z
        rounded = nets["Q"](z)
        back = nets["G"](z + (rounded - z).detach()).float()  # straight through
        terms = {**self.reconstruction(x, back), "commit": self.commit * l2(z, rounded)}
        return back, Loss(terms, {"in use": typed(nets, "Q", Quantiser).learn(z)})

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − x̂|₁ + w2 |x − x̂|₂² + L_code; L_code = β |z_e − sg[e]|² or kl/D KL."""
        return self.autoencode_loss(nets, batch.x)[1]

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`, mean over patches; with hinge (1 − D(x))₊ + (1 + D(x̂))₊ + γ/2 |∇ Σ D(x)|²."""
        with torch.no_grad():
            back = self.decode(nets, self.encode(nets, batch.x))
        loss = self.critic_loss(nets["D"], batch.x, back, None, clock)
        mean = {k: v.flatten(1).mean(1) if v.ndim > 1 else v for k, v in {**loss.terms, **loss.watch}.items()}
        return Loss({k: mean[k] for k in loss.terms}, {k: mean[k] for k in loss.watch})

    def sharpen(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = L_rec + L_code + λ L_G;  with hinge L_G = −mean D(x̂)."""
        back, loss = self.autoencode_loss(nets, batch.x)
        play = self.generator_loss(nets["D"], back, batch.x, None).mean()
        rec = torch.stack([v.mean() for k, v in loss.terms.items() if kind(k) == "reconstruction"]).sum()
        lam = self.adversary * gradient_ratio(rec, play, nets["G"])
        return Loss({**loss.terms, "L_G": lam * play}, {**loss.watch, "λ": lam})


def gradient_ratio(a: Tensor, b: Tensor, G: nn.Module) -> Tensor:
    """|∇a| / (|∇b| + 1e-4) in the weights of G's last layer, at most 1e4; 1 where these are frozen."""
    last = [p for p in G.parameters() if p.ndim > 1][-1]
    if not (last.requires_grad and torch.is_grad_enabled()):
        return torch.ones_like(a)
    (of_a,), (of_b,) = (torch.autograd.grad(loss, last, retain_graph=True) for loss in (a, b))
    of_a, of_b = all_reduce_mean(of_a), all_reduce_mean(of_b)
    return (of_a.float().norm() / (of_b.float().norm() + 1e-4)).clamp(max=1e4).detach()
