"""A variational autoencoder whose reconstructions are judged by a critic's features, and whose samples by the critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.collectives import all_reduce_mean
from aegan.errors import UserError
from aegan.networks import Critic
from aegan.objectives.reconstruction import feature_distance
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Stage, option, register, typed
from aegan.strategies._games import GameName, JudgedImages
from aegan.strategies._groups import Variational, WithPrior, half_drawn
from aegan.text import plural


@register
@dataclass(frozen=True)
class VAEGAN(WithPrior, JudgedImages, Variational):
    """VAE/GAN: what counts as alike is learned by D, x̃ = G(z), z ~ q(z|x), and x_p = G(z_p), z_p ~ N(0, I).

    L_like = ½ |D_l(x) − D_l(x̃)|²        a mean over the features of layer l, over the mean of |D_l(x)|²
    E: min L_prior + ½ log 2 L_like      L_prior = β/D KL(q(z|x) || N(0, I)), per value; no gradient of the game
    G: min like · L_like + L_G(x̃, x_p)
    D: min L_D(x; x̃, x_p)                the game's; no gradient of L_like

    The paper's Gaussian in D's features has variance 1; E's is the best one for the batch, as in `vae`, since D's scale
    wanders. Its γ weighs a sum over features against the game, and so is small (1e-6 to 5e-5); `like` weighs a mean.
    x̃ and x_p share the batch, half of it each.

    Reference:
        Larsen et al., Autoencoding beyond pixels using a learned similarity metric, ICML 2016, arXiv 1512.09300.
    """

    name = "vaegan"
    paper = "Larsen et al. 2016, arXiv 1512.09300"
    summary = "A VAE that compares images by a critic's features, and plays against that critic."
    where = "its reconstruction judged by an adversary"

    prior: Literal["mixture", "normal"] = option("normal", "what codes are drawn from: N(0, I), or a fitted mixture")
    loss: GameName = option("nonsaturating", "the game", source="the paper's D; G's is that of practice")
    lr: float = option(1e-3, "AdamW's learning rate of E", searchable=True)
    beta: float = option(1.0, "weight of L_prior; 1 is the bound itself", searchable=True)
    like: float = option(1.0, "weight of L_like for G; the paper's γ", source="untuned; the paper sums, 1e-6 to 5e-5")
    layer: int = option(0, "map of D that L_like compares, 0 the finest", source="the paper's l")
    equilibrium: float | None = option(
        None, "cost of D, in nats, around which D and G take turns to rest", source="public code: 0.68; default: never"
    )
    balance: float = option(0.35, "how far from the equilibrium a cost must be for one to rest", source="public code")

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        D = self.critic_network(DataSpec(spec.shape))
        with torch.no_grad():
            maps = len(D.features(torch.zeros(1, *spec.shape)))
        if not 0 <= self.layer < maps:
            raise UserError(f"layer={self.layer}: D has {plural(maps, 'map')} here.", "Take one from 0, the finest.")
        return {"E": E, "G": G, "D": D, **self.prior_networks()}

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (
            self.critic_phase(self.critic),
            self.autoencode(self.encoder, "E", ("E",)),
            self.generator_phase(self.generator),
        )
        play = Stage("play", 1.0, phases, ema=("E", "G"), ema_decay=self.ema_decay, preview=self.first_preview)
        return play, *self.prior_stages(self.posterior_sample)

    def like_loss(self, nets: Networks, x: Tensor, back: Tensor) -> Tensor:
        """L_like = ½ |D_l(x) − D_l(x̃)|², (N,), a mean, over that of |D_l(x)|² so that D's scale does not count."""
        D = typed(nets, "D", Critic)
        with torch.no_grad():
            real = D.features(x)[self.layer]
        made = D.features(back)[self.layer]
        return 0.5 * feature_distance([real], [made], power=2)

    def resting(self, costs: Tensor) -> tuple[Tensor, Tensor]:
        """Whether D, and whether G, takes part: D rests where it wins, G where D loses; never both."""
        if self.equilibrium is None:
            return torch.ones_like(costs[0]), torch.ones_like(costs[0])
        d = (costs > self.equilibrium - self.balance).all()
        g = (costs < self.equilibrium + self.balance).all() | ~d
        return (d | ~g).to(costs), g.to(costs)

    def costs(self, nets: Networks, real: Tensor, fake: Tensor) -> Tensor:
        """E −log D(x) and E −log(1 − D(x̃, x_p)), in nats."""
        with torch.no_grad():
            d_x, d_g = nets["D"](real).float(), nets["D"](fake).float()
            return all_reduce_mean(torch.stack((F.softplus(-d_x).mean(), F.softplus(d_g).mean())))

    def critic(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_D of `loss`, fakes x̃ and x_p; with nonsaturating sp(−D(x)) + sp(D(x̃, x_p)) + γ/2 |∇D(x)|²."""
        with torch.no_grad():
            fake = half_drawn(nets["G"], self.decode(nets, self.posterior_sample(nets, batch.x)))
        loss = self.critic_loss(nets["D"], batch.x, fake, None, clock)
        if self.equilibrium is None:
            return loss
        d, _ = self.resting(self.costs(nets, batch.x, fake))
        return Loss({k: d * term for k, term in loss.terms.items()}, loss.watch)

    def encoder(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_E = ½ log 2 L_like + β/D KL(q(z|x) || N(0, I))."""
        back, mu, log_var = self.reconstruct(nets, batch.x)
        kl = kl_standard_normal(mu, log_var) * (self.beta / batch.x[0].numel())
        mse = (back.detach() - batch.x).square().mean()
        like = 0.5 * (2 * all_reduce_mean(self.like_loss(nets, batch.x, back).mean()) + 1e-6).log()
        return Loss({"L_like": like, "L_prior": kl}, watch={"MSE": mse})

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = like · L_like + L_G of `loss` on x̃ and x_p; with nonsaturating sp(−D(x̃, x_p))."""
        with torch.no_grad():
            z = self.posterior_sample(nets, batch.x)
        back = nets["G"](z).float()
        fake = half_drawn(nets["G"], back)
        play = self.generator_loss(nets["D"], fake, batch.x, None)
        if self.equilibrium is not None:
            play = self.resting(self.costs(nets, batch.x, fake))[1] * play
        return Loss({"L_like": self.like * self.like_loss(nets, batch.x, back), "L_G": play})
