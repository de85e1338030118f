"""The control: a generator and a critic in pixel space with no autoencoder, and what GANs were steadied with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch

from aegan.collectives import all_reduce_mean
from aegan.density.prior import Frequencies
from aegan.errors import UserError
from aegan.networks import ConditionalGenerator, Critic, build_critic, published_critic, published_decoder
from aegan.networks.layers import History, mixes_batch, settle
from aegan.objectives.adversarial import Adversarial, smoothed
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, View, option, register, typed
from aegan.strategies._games import Played


@register
@dataclass(frozen=True)
class GAN(Played):
    """min_G max_D V(G, D) = E log D(x) + E log(1 − D(G(z))), from random weights.

    Options that combine (Salimans et al. 2016; with f the last features of D):

    *feature matching*         L_G = w |E f(x) − E f(G(z))|², in the place of the game's
    *minibatch discrimination* D sees o_b(i) = mean_{j≠i} exp(−|M_ib − M_jb|₁), M = f T, beside f(x_i)
    *historical averaging*     + w |θ − 1/t Σ θ_i|² for both players
    *label smoothing*          D's target of real examples is 1 − s
    *virtual batch norm*       G is normalised with a fixed reference batch and the example itself
    *packing*                  D judges m examples at once: D(x_1, …, x_m)   (PacGAN, Lin et al. 2018)

    References:
        Goodfellow et al. 2014, arXiv 1406.2661. Default loss and penalties: Huang et al. 2024 (R3GAN), arXiv 2501.05441.
        Options: Salimans et al. 2016, 1606.03498; Lin et al. 2018, 1712.04086. Networks: Radford et al. 2016, 1511.06434;
        Huang et al. 2024.
    """

    name = "gan"
    paper = "Goodfellow et al. 2014, arXiv 1406.2661"
    summary = "The control: no autoencoder, the adversary alone leads the generator."
    where = "nowhere"
    uses_autoencoder = False

    networks: Literal["ours", "dcgan", "pacgan", "r3gan"] = option(
        "ours",
        "ours; DCGAN's or R3GAN's for images, or PacGAN's for vectors, as published",
        source="arXiv 1511.06434, 2501.05441, 1712.04086",
    )
    z_kind: Literal["normal", "uniform"] = option("normal", "noise from N(0, I), or U(-1, 1) as in DCGAN")
    critic_width: int = option(
        64,
        "channels of D at a quarter of the size; with dcgan at half, with r3gan at all sizes, with pacgan units a layer",
        least=1,
        most=65_536,
    )
    final: float = option(0.1, "last learning rates as a share of the first; 1 keeps them constant", most=1)
    # Salimans et al. 2016, and PacGAN
    feature_matching: float = option(0.0, "weight of feature matching, which replaces G's loss; 0: none")
    minibatch: int = option(
        0, "numbers of minibatch discrimination; 0: none", source="Salimans 2016's code: 100", most=65_536
    )
    history: float = option(0.0, "weight of historical averaging for both players; 0: none")
    label_smoothing: float = option(
        0.0, "taken from D's target 1 for real examples", source="Salimans 2016: 0.1", most=1
    )
    vbn: int = option(0, "examples in the reference batch of virtual batch normalisation in G; 0: none")
    pack: int = option(1, "m, examples that D judges together", source="PacGAN: 2 to 4", least=1)

    @property
    def game(self) -> Adversarial:
        """The losses of both sides, with the smoothed target."""
        return smoothed(super().game, self.label_smoothing)

    def build(self, spec: DataSpec) -> Networks:
        classes = len(spec.classes)
        self.game  # noqa: B018  refuses targets that the game does not have
        if self.batch_size % self.pack:
            raise UserError(f"A batch of {self.batch_size} cannot be packed by {self.pack}.", "Set batch_size=, pack=.")
        decoder: torch.nn.Module
        if self.networks == "ours":
            decoder = self.decoder(spec)
        else:
            decoder = published_decoder(self.networks, spec.shape, self.z_dim, width=self.width)
        G = ConditionalGenerator(decoder, classes=classes, noise=self.z_kind, reference=self.vbn)
        nets: Networks = {"G": G, "D": self.critic_network(spec), "Y": Frequencies(classes)}
        if self.history:
            nets |= {f"H{name}": History(nets[name]) for name in "GD"}
        return nets

    def critic_network(self, spec: DataSpec) -> Critic:
        make = build_critic if self.networks == "ours" else partial(published_critic, self.networks)
        classes = len(spec.classes)
        D = make(spec.shape, width=self.critic_width, classes=classes, pack=self.pack, minibatch=self.minibatch)
        if self.penalised and mixes_batch(D):
            raise UserError(
                "Penalties on gradients need a D that judges each example alone; batch normalisation (dcgan) and "
                "minibatch discrimination mix a batch.",
                "Set gamma=0, and another loss than wgan-gp.",
            )
        return self.augmented(D)

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        D = self.critic_phase(self.critic, trains=("D", "HD") if self.history else ("D",))
        G = self.generator_phase(self.generator, trains=("G", "HG") if self.history else ("G",))
        phases = (replace(D, final=self.final), replace(G, final=self.final))
        play = Stage("play", 1.0, phases, ema=("G",), ema_decay=self.ema_decay)
        return (self.count_stage(), play, *([Fit("settle", 0.001, self.settle)] if self.batch_norm else []))

    @property
    def batch_norm(self) -> bool:
        """Whether G has batch normalisation."""
        return self.networks in ("dcgan", "pacgan") and not self.vbn

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`; + γ/2 (|∇D(x)|² + |∇D(G(z))|²) with rpgan, γ/2 |∇D(x)|² with the others but wgan's; + history."""
        return self.remember(nets, "D", super().critic(nets, batch, clock))

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G of `loss`, or w |E f(x) − E f(G(z))|² of feature matching; + history."""
        if not self.feature_matching:
            return self.remember(nets, "G", super().generator(nets, batch, clock))
        fake, _ = self.fakes(nets, batch)
        real, made = (typed(nets, "D", Critic).features(x)[-1].float().mean(0) for x in (batch.x, fake))
        matched = all_reduce_mean(real.detach() - made).square().sum()
        return self.remember(nets, "G", Loss({"FM": self.feature_matching * matched}))

    def remember(self, nets: Networks, name: str, loss: Loss) -> Loss:
        """The loss of a player with w |θ − 1/t Σ θ_i|², if there is historical averaging."""
        if self.history:
            loss.terms["history"] = self.history * nets[f"H{name}"](nets[name])
        return loss

    def settle(self, nets: Networks, view: View) -> dict[str, Any]:
        """Batch normalisation's means and variances for the averaged weights, which training has not seen."""
        if not self.batch_norm:
            return {}
        rng = torch.Generator(next(nets["G"].parameters()).device).manual_seed(0)
        size = self.batch_size
        Y = typed(nets, "Y", Frequencies)
        batches = ((self.noise(nets, size, 1.0, rng), Y.sample(size, rng)) for _ in range(50))
        return {"layers": settle(nets["G"], batches)}
