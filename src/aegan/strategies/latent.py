"""The flagship: compress, fit, play, sharpen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from aegan.config import option
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.networks import build_autoencoder, build_critic, build_residual
from aegan.objectives.adversarial import adversarial
from aegan.objectives.reconstruction import l1
from aegan.strategies._base import Clock, Fit, Loss, Networks, Phase, Stage, Strategy
from aegan.strategies._code_game import CodeGame, draw
from aegan.strategies._pieces import code_shape, critic_loss, fit_prior, generator_logits, noisy, reconstruction
from aegan.strategies._registry import register


@register
@dataclass(frozen=True)
class Latent(Strategy):
    """A generator of codes, then of images, that begins where an autoencoder has already found the data.

    *compress*  min_{E,G} |x − G(E(x) + ε)|                          the autoencoder
    *fit*       p(u), u = W(E(x) − m)                                a mixture on whitened codes
    *play*      ũ = u + f(u), u ~ p: RpGAN + R1 + R2 on codes        f = 0 at first, and again if it has not helped
    *sharpen*   RpGAN + R1 + R2 on images G(z), E and p held         with |x − G(E(x))| to keep the codes' meaning
    sampling    G(E(G(z))), z ~ p, f                                 one step of the walk back to the data

    References:
        Achlioptas et al. 2018 (latent GAN), arXiv 1707.02392; Ghosh et al. 2020 (density on codes), 1903.12436;
        Bengio et al. 2013 (walking back through a denoising autoencoder), 1305.6663; Rombach et al. 2022 (two stages),
        2112.10752; Huang et al. 2024 (the game), 2501.05441.
    """

    name = "latent"
    paper = "Achlioptas et al. 2018, arXiv 1707.02392; Ghosh et al. 2020, 1903.12436"
    summary = "Compresses, learns to make codes, then sharpens the decoder against a critic: the flagship."
    where = "as the space the generator works in, and as its starting point"
    capabilities = frozenset({"sample", "encode", "decode"})

    batch_size: int = option(64, "examples per step")
    code_dim: int | None = option(
        None, "numbers in a flat code, channels of a spatial one; default: by the size of the data"
    )
    code_stride: int | None = option(
        None, "pixels a side for each place of a spatial code; default: flat up to 32x32, else 8"
    )
    width: int = option(64, "channels of the finest stage of E and G")
    blocks: int = option(1, "residual blocks a stage")
    compress_share: float = option(0.6, "part of the budget")
    fit_share: float = option(0.05, "part of the budget")
    play_share: float = option(0.03, "part of the budget; 0 leaves the stage out")
    sharpen_share: float = option(0.32, "part of the budget; 0 leaves the stage out")
    # compress
    lr: float = option(4e-3, "AdamW's learning rate")
    weight_decay: float = option(1e-3, "AdamW's weight decay")
    w1: float = option(1.0, "weight of the L1 reconstruction")
    w2: float = option(1.0, "weight of the L2 reconstruction")
    perceptual: float = option(0.0, "weight of the Laplacian pyramid term")
    noise: float = option(0.05, "noise on codes while compressing, in standard deviations")
    # fit
    components: tuple[int, ...] = option((1, 2, 5, 10, 20, 40), "numbers of mixture components to try, per class")
    shrinkage: float = option(0.3, "pull of a component's covariance towards the pooled one, in units of d codes")
    keep: int = option(128, "most leading principal components of the codes that are modelled")
    fit_limit: int = option(60_000, "most codes the mixture is fitted to")
    trips: int = option(2, "times that G's samples pass through E and G again", source="walkback, arXiv 1305.6663")
    # play
    play_width: int = option(128, "width of f; its critic is as wide")
    play_lr: float = option(2e-4, "Adam's learning rate of f and its critic C")
    play_gamma: float = option(0.05, "γ of R1 and R2 on codes")
    # sharpen
    critic_width: int = option(48, "channels of D at a quarter of the size")
    lr_critic: float = option(1e-3, "Adam's learning rate of D")
    lr_sharpen: float = option(5e-4, "Adam's learning rate of G")
    gamma: float = option(1.0, "γ of R1 and R2 on images")
    penalty_every: int = option(4, "steps between penalties")
    anchor: float = option(5.0, "weight of |x − G(E(x))|₁ while sharpening")
    ema_decay: float = option(0.995, "of G's average while sharpening")

    def build(self, spec: DataSpec) -> Networks:
        code = code_shape(spec, self.code_dim, self.code_stride)
        E, G = build_autoencoder(spec.shape, code, width=self.width, blocks=self.blocks)
        classes = len(spec.classes)
        return {
            "E": E,
            "G": G,
            "P": Prior(components=self.components, keep=self.keep, shrinkage=self.shrinkage),
            "f": build_residual(code, width=self.play_width, classes=classes),
            "C": build_critic(code, width=self.play_width, classes=classes, codes=True),
            "D": build_critic(spec.shape, width=self.critic_width, blocks=self.blocks, classes=classes),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        autoencode = Phase("AE", ("E", "G"), self.compress, lr=self.lr, weight_decay=self.weight_decay, clip=1.0)
        stages: list[Stage | Fit] = [
            Stage("compress", self.compress_share, (autoencode,), warmup=100, preview="reconstruct"),
            Fit("fit", self.fit_share, partial(fit_prior, limit=self.fit_limit, encode=self.encode)),
        ]
        if self.play_share:
            stages += CodeGame(self.encode, self.play_lr, self.play_gamma).stages(self.play_share)
        if self.sharpen_share:
            critic = Phase("D", ("D",), self.critic, lr=self.lr_critic, betas=(0.0, 0.99), final=0.1, clip=2.0)
            decoder = Phase(
                "G", ("G",), self.sharpen, lr=self.lr_sharpen, betas=(0.0, 0.99), final=0.1, clip=10.0, hold=True
            )
            stages.append(Stage("sharpen", self.sharpen_share, (critic, decoder), ema=("G",), ema_decay=self.ema_decay))
        return tuple(stages)

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²,  ε ~ N(0, noise² Var E(x))."""
        back = nets["G"](noisy(nets["E"](batch.x), self.noise))
        return Loss(reconstruction(batch.x, back, w1=self.w1, w2=self.w2, perceptual=self.perceptual))

    def fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Codes z for a batch, half of them E(x) and half drawn, of the batch's classes; the x of the first half."""
        half = len(batch.x) // 2
        y = batch.y if nets["P"].has_classes else None
        with torch.no_grad():
            real = self.encode(nets, batch.x[:half])
            _, v, _ = draw(nets, len(batch.x) - half, None if y is None else y[half:])
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

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """G(z_k), z_{i+1} = E(G(z_i)), z_0 from the prior: E pulls codes that no image has towards those of images."""
        _, v, _ = draw(nets, n, y, truncation, rng)
        z: Tensor = nets["P"].restore(v)  # type: ignore[operator]
        for _ in range(self.trips):
            z = self.encode(nets, self.decode(nets, z))
        return self.decode(nets, z)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        z: Tensor = nets["E"](x)
        return z.float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        x: Tensor = nets["G"](z)
        return x.float()
