"""The flagship: compress, fit, play, sharpen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density import mmd2
from aegan.density.prior import Prior
from aegan.networks import build_autoencoder, build_critic, build_residual, default_code_shape
from aegan.objectives.adversarial import adversarial
from aegan.objectives.reconstruction import l1
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy, View
from aegan.strategies._pieces import critic_loss, fit_prior, generator_logits, noisy, reconstruction
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class Latent(Strategy):
    """A generator of codes, then of images, that begins where an autoencoder has already found the data.

    *compress*  min_{E,G} |x − G(E(x) + ε)|                          the autoencoder
    *fit*       p(u), u = W(E(x) − m)                                a mixture on whitened codes
    *play*      ũ = u + f(u), u ~ p: RpGAN + R1 + R2 on codes        f = 0 at first, and again if it has not helped
    *sharpen*   RpGAN + R1 + R2 on images G(z), E and p held         with |x − G(E(x))| to keep the codes' meaning

    References:
        Achlioptas et al. 2018 (latent GAN), arXiv 1707.02392; Ghosh et al. 2020 (density on codes), 1903.12436;
        Rombach et al. 2022 (two stages), 2112.10752; Huang et al. 2024 (the game), 2501.05441.
    """

    name = "latent"
    paper = "Achlioptas et al. 2018, arXiv 1707.02392; Ghosh et al. 2020, 1903.12436"
    summary = "Compresses, learns to make codes, then sharpens the decoder against a critic: the flagship."
    where = "as the space the generator works in, and as its starting point"
    capabilities = frozenset({"sample", "encode", "decode"})

    batch_size: int = option(128, "examples per step")
    code_dim: int | None = option(None, "numbers in a flat code; default: by the size of the data")
    width: int = option(64, "channels of the finest stage of E and G")
    blocks: int = option(1, "residual blocks a stage")
    overlap: int = option(0, "channels of the decoder's convolution at half the size")
    compress_share: float = option(0.45, "part of the budget")
    fit_share: float = option(0.1, "part of the budget")
    play_share: float = option(0.05, "part of the budget; 0 leaves the stage out")
    sharpen_share: float = option(0.4, "part of the budget; 0 leaves the stage out")
    # compress
    lr: float = option(2e-3, "AdamW's learning rate")
    weight_decay: float = option(1e-4, "AdamW's weight decay")
    w1: float = option(1.0, "weight of the L1 reconstruction")
    w2: float = option(1.0, "weight of the L2 reconstruction")
    perceptual: float = option(0.0, "weight of the Laplacian pyramid term")
    noise: float = option(0.05, "noise on codes while compressing, in standard deviations")
    # fit
    components: tuple[int, ...] = option((1, 2, 5, 10, 20, 50), "numbers of mixture components to try, per class")
    keep: int = option(128, "most leading principal components of the codes that are modelled")
    fit_limit: int = option(60_000, "most codes the mixture is fitted to")
    # play
    play_width: int = option(128, "width of f; its critic is as wide")
    play_lr: float = option(2e-4, "Adam's learning rate of f and its critic C")
    play_gamma: float = option(0.05, "γ of R1 and R2 on codes")
    # sharpen
    critic_width: int = option(64, "channels of D at a quarter of the size")
    lr_critic: float = option(6e-4, "Adam's learning rate of D")
    lr_sharpen: float = option(3e-4, "Adam's learning rate of G")
    gamma: float = option(1.0, "γ of R1 and R2 on images")
    penalty_every: int = option(4, "steps between penalties")
    anchor: float = option(5.0, "weight of |x − G(E(x))|₁ while sharpening")
    ema_decay: float = option(0.998, "of G's average while sharpening")

    def build(self, spec: DataSpec) -> Networks:
        code = (self.code_dim,) if self.code_dim else default_code_shape(spec.shape)
        E, G = build_autoencoder(spec.shape, code, width=self.width, blocks=self.blocks, overlap=self.overlap)
        classes = len(spec.classes)
        return {
            "E": E,
            "G": G,
            "P": Prior(components=self.components, keep=self.keep),
            "f": build_residual(code, width=self.play_width, classes=classes),
            "C": build_critic(code, width=self.play_width, classes=classes, codes=True),
            "D": build_critic(spec.shape, width=self.critic_width, blocks=self.blocks, classes=classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        betas = (0.0, 0.99)
        autoencode = Phase("AE", ("E", "G"), self.compress, lr=self.lr, weight_decay=self.weight_decay)
        stages: list[Stage | Fit] = [
            Stage("compress", self.compress_share, (autoencode,), preview="reconstruct"),
            Fit("fit", self.fit_share, partial(fit_prior, limit=self.fit_limit, encode=self.encode)),
        ]
        if self.play_share:
            critic = Phase("C", ("C",), self.play_critic, lr=self.play_lr, betas=betas)
            f = Phase("f", ("f",), self.play_generator, lr=self.play_lr, betas=betas, hold=True)
            stages += [Stage("play", self.play_share, (critic, f), ema=("f",)), Fit("choose", 0.01, self.choose)]
        if self.sharpen_share:
            critic = Phase("D", ("D",), self.critic, lr=self.lr_critic, betas=betas, final=0.1)
            decoder = Phase("G", ("G",), self.sharpen, lr=self.lr_sharpen, betas=betas, final=0.1, hold=True)
            stages.append(
                Stage("sharpen", self.sharpen_share, (critic, decoder), 100, ema=("G",), ema_decay=self.ema_decay)
            )
        return tuple(stages)

    # --- compress -------------------------------------------------------------------------------------------------

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²,  ε ~ N(0, noise² Var E(x))."""
        back = nets["G"](noisy(nets["E"](batch.x), self.noise))
        return Loss(reconstruction(batch.x, back, w1=self.w1, w2=self.w2, perceptual=self.perceptual))

    # --- play -----------------------------------------------------------------------------------------------------

    def draw(
        self, nets: Networks, n: int, y: Tensor | None, truncation: float = 1.0, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Normalised codes v ~ P, G's v + f(v, y), and their classes y."""
        z, y = nets["P"].sample(n, y, truncation, rng)  # type: ignore[operator]
        v = nets["P"].normalise(z)  # type: ignore[operator]
        return v, v + nets["f"](v, y).float(), y

    def play_critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_C = sp(C(v') − C(v)) + γ/2 (|∇C(v)|² + |∇C(v')|²),  v = norm E(x),  v' = u + f(u), u ~ p."""
        real, y = self.real_codes(nets, batch)
        with torch.no_grad():
            _, fake, y = self.draw(nets, len(real), y)
        g = self.play_gamma
        return critic_loss(nets["C"], adversarial("rpgan"), real, fake, y, clock, gamma1=g, gamma2=g, every=1)

    def play_generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_f = sp(C(v) − C(u + f(u)))."""
        real, y = self.real_codes(nets, batch)
        u, fake, y = self.draw(nets, len(real), y)
        moved = (fake - u).detach().square().mean().sqrt()
        loss = generator_logits(nets["C"], adversarial("rpgan"), fake, real, y)
        return Loss({"L_f": loss}, watch={"moved": moved})

    def real_codes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Normalised codes of a batch, and its classes if the prior knows classes."""
        with torch.no_grad():
            v = nets["P"].normalise(self.encode(nets, batch.x))  # type: ignore[operator]
        return v, batch.y if nets["P"].has_classes else None

    def choose(self, nets: Networks, view: View) -> dict[str, Any]:
        """Keeps f only if its codes are nearer to held-out codes than the mixture's, by the unbiased kernel distance."""
        batches = list(view.batches("held_out", 2000))
        real = torch.cat([nets["P"].normalise(self.encode(nets, b.x)) for b in batches])  # type: ignore[operator]
        u, moved, _ = self.draw(nets, max(len(real), 500), None, rng=torch.Generator(real.device).manual_seed(0))
        before, after = float(mmd2(real, u)), float(mmd2(real, moved))
        kept = after < before
        if not kept:  # f = 0 again: its last layer is linear
            for p in nets["f"].last.parameters():  # type: ignore[union-attr]
                p.zero_()
        return {"mixture": before, "latent GAN": after, "kept": "latent GAN" if kept else "mixture"}

    # --- sharpen --------------------------------------------------------------------------------------------------

    def fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Codes z for a batch, half of them E(x) and half drawn, of the batch's classes; the x of the first half."""
        half = len(batch.x) // 2
        y = batch.y if nets["P"].has_classes else None
        with torch.no_grad():
            real = self.encode(nets, batch.x[:half])
            _, v, _ = self.draw(nets, len(batch.x) - half, None if y is None else y[half:])
            made = nets["P"].restore(v)  # type: ignore[operator]
        return torch.cat((real, made)), batch.x[:half], y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = sp(D(G(z)) − D(x)) + γ/2 (|∇D(x)|² + |∇D(G(z))|²), half of the z real codes E(x), half from the prior."""
        z, _, y = self.fakes(nets, batch)
        with torch.no_grad():
            fake = self.decode(nets, z)
        return critic_loss(
            nets["D"], adversarial("rpgan"), batch.x, fake, y, clock,
            gamma1=self.gamma, gamma2=self.gamma, every=self.penalty_every,
        )  # fmt: skip

    def sharpen(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = sp(D(x) − D(G(z))) + anchor |x − G(E(x))|₁."""
        z, x, y = self.fakes(nets, batch)
        fake = nets["G"](z).float()
        loss = generator_logits(nets["D"], adversarial("rpgan"), fake, batch.x, y)
        return Loss({"L_G": loss, "anchor": self.anchor * l1(x, fake[: len(x)])})

    # --- use ------------------------------------------------------------------------------------------------------

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        _, v, _ = self.draw(nets, n, y, truncation, rng)
        return self.decode(nets, nets["P"].restore(v))  # type: ignore[operator]

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        z: Tensor = nets["E"](x)
        return z.float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        x: Tensor = nets["G"](z)
        return x.float()
