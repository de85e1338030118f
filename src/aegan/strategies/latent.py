"""The default strategy: compress, fit, play, sharpen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.density.prior import Prior
from aegan.errors import UserError
from aegan.networks import build_critic, build_residual
from aegan.networks.augment import gaussian_blur
from aegan.objectives.reconstruction import l1, opponent
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._code_game import CodeGame, draw
from aegan.strategies._eyes import WithEyes
from aegan.strategies._groups import WithPrior
from aegan.strategies._pieces import codes_of
from aegan.strategies._principal import FromComponents


@register
@dataclass(frozen=True)
class Latent(WithPrior, WithEyes, FromComponents):
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
    summary = "Compresses, learns to make codes, then sharpens the decoder against a critic: the default."
    where = "as the space the generator works in, and as its starting point"

    compress_share: float = option(0.6, "part of the budget", most=1)
    play_share: float = option(0.03, "part of the budget; 0 leaves the stage out", most=1)
    sharpen_share: float = option(0.32, "part of the budget; 0 leaves the stage out", most=1)
    walkback_steps: int = option(
        2, "times that samples pass through E and G again", source="Bengio et al. 2013, arXiv 1305.6663"
    )
    # play
    play_width: int = option(128, "width of f; its critic is as wide", least=1, most=65_536)
    play_lr: float = option(2e-4, "Adam's learning rate of f and its critic C")
    play_gamma: float = option(0.05, "γ of R1 and R2 on codes")
    # sharpen
    anchor: float = option(5.0, "weight of |x − G(E(x))|₁ while sharpening")
    anchor_scale: int = option(
        1, "pixels a side that are averaged before the anchor compares; finer detail is then free", least=1
    )
    feature_anchor: float = option(
        0.0,
        "weight of the same distance between features of networks that critics see through",
        source="arXiv 1801.03924",
    )
    blur: float = option(
        0.0,
        "σ in pixels of a Gaussian blur, through which critics see images as *sharpen* begins; it falls to 0",
        source="Karras et al. 2021, arXiv 2106.12423",
    )
    blur_share: float = option(0.6, "part of *sharpen* after which critics see sharp images", most=1)
    real_share: float = option(
        0.5, "part of the codes in *sharpen* that are E(x); the others are drawn from the prior", most=1
    )
    clip_critic: float = option(2.0, "norm that D's gradient is clipped to; 0: none")
    clip_generator: float = option(10.0, "norm that G's gradient is clipped to while sharpening; 0: none")
    ema_decay: float = option(0.995, "of G's average while sharpening", most=0.999999)
    matrix_lr_generator: float = option(
        0.0, "Muon's learning rate of G's matrices while sharpening; 0: Adam for them, too", source="arXiv 2502.16982"
    )

    def resolve_auto(self, spec: DataSpec) -> Latent:
        chosen = super().resolve_auto(spec)
        if chosen.feature_anchor and not chosen.feature_networks:  # nothing else would hold the detail
            chosen = replace(chosen, anchor_scale=1)
        return chosen

    def build(self, spec: DataSpec) -> Networks:
        if self.prior == "normal":
            raise UserError("'latent' needs a prior that is fitted to the codes.", "For N(0, I), try 'vae' or 'aae'.")
        code, classes = self.code(spec), len(spec.classes)
        return {
            **super().build(spec),
            "f": build_residual(code, width=self.play_width, classes=classes),
            "C": build_critic(code, width=self.play_width, classes=classes, codes=True),
            **self.critic_networks(spec),
        }

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        stages = [
            *self.principal_stages(spec),
            *self.compress_stages(self.compress_share),
            *self.prior_stages(self.encode),
        ]
        if self.play_share:
            stages += CodeGame(self.encode, self.play_lr, self.play_gamma).stages(self.play_share)
        if self.sharpen_share:
            stages += self.eyes_stages(spec)
            critic = self.critic_phase(self.critic, trains=self.judging(spec))
            decoder = replace(self.generator_phase(self.sharpen), hold=True, matrix_lr=self.matrix_lr_generator)
            stages.append(Stage("sharpen", self.sharpen_share, (critic, decoder), ema=("G",), ema_decay=self.ema_decay))
        return tuple(stages)

    def fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Codes z for a batch, some of them E(x), the rest drawn, of the batch's classes; and the x of the former."""
        n = min(max(int(len(batch.x) * self.real_share), 1), len(batch.x) - 1)
        P = typed(nets, "P", Prior)
        y = batch.y if P.has_classes else None
        with torch.no_grad():
            real = codes_of(nets, batch, self.encode, n)
            _, v, _ = draw(nets, len(batch.x) - n, None if y is None else y[n:])
            made = P.restore(v)
        return torch.cat((real, made)), batch.x[:n], y

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D = sp(D(G(z)) − D(x)) + γ/2 (|∇D(x)|² + |∇D(G(z))|²), some of the z codes E(x), the others from the prior.

        D sees x and G(z) `blurred`.
        """
        z, _, y = self.fakes(nets, batch)
        with torch.no_grad():
            fake = self.decode(nets, z)
        return self.critic_losses(nets, self.blurred(batch.x, clock), self.blurred(fake, clock), y, clock)

    def sharpen(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = sp(D(x) − D(G(z))) + anchor |x − G(E(x))|₁, and that distance between features X(x), X(G(E(x)))."""
        z, x, y = self.fakes(nets, batch)
        fake = nets["G"](z).float()
        shown, real = self.blurred(fake, clock), self.blurred(batch.x, clock)
        back = None if shown is fake else fake[: len(x)]  # critics see no fine detail then, but the anchor does
        terms = self.generator_losses(nets, shown, real, y, of=x, back=back, anchor=self.feature_anchor)
        return Loss({**terms, "anchor": self.anchor * self.drift(x, fake[: len(x)])})

    def blurred(self, x: Tensor, clock: Clock) -> Tensor:
        """Images (N, C, H, W) as critics see them at this time; vectors as they are.

        At first G's images differ from others most in that they are blurred, and G would answer with any fine lines.
        """
        if x.ndim != 4 or not self.blur or clock.progress >= self.blur_share:
            return x
        return gaussian_blur(x, self.blur * (1 - clock.progress / self.blur_share))

    def drift(self, x: Tensor, back: Tensor) -> Tensor:
        """|x − G(E(x))|₁ as the anchor measures it, (N,): colour weighed by `chroma`, at `anchor_scale`."""
        a, b = opponent(x, self.chroma), opponent(back, self.chroma)
        if self.anchor_scale > 1 and x.ndim == 4:
            a, b = (F.avg_pool2d(t, self.anchor_scale, ceil_mode=True) for t in (a, b))
        return l1(a, b)

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """G(z_k), z_{i+1} = E(G(z_i)), z_0 from the prior: E pulls codes that no image has towards those of images."""
        _, v, _ = draw(nets, n, y, truncation, rng)
        z = typed(nets, "P", Prior).restore(v)
        for _ in range(self.walkback_steps):
            z = self.encode(nets, self.decode(nets, z))
        return self.decode(nets, z)
