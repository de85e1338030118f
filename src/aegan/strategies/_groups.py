"""Options that several strategies share, with what they decide: each group is an abstract dataclass to build on.

A strategy takes the groups it needs as bases, and gives its own default where its paper has another:

    @register
    @dataclass(frozen=True)
    class Mine(Coded, Compressing, WithPrior): ...
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from aegan.collectives import all_reduce_mean
from aegan.density.mdn import MixtureDensity
from aegan.density.mixture import LOG_2PI
from aegan.density.parzen import ManifoldParzen
from aegan.density.prior import Frequencies, Prior
from aegan.networks import ConditionalGenerator, Upsampling, build_autoencoder, build_decoder, code_shape_of
from aegan.networks.autoencoders import default_code_shape
from aegan.objectives.reconstruction import l1, l2, laplacian_l1, opponent
from aegan.objectives.regularisers import kl_standard_normal
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, Strategy, option, typed
from aegan.strategies._pieces import Encode, count_classes, density_loss, fit_prior, halves, noisy, reparameterise

PhaseLoss = Callable[[Networks, Batch, Clock], Loss]
Likelihood = Literal["normal", "laplace"]
PriorName = Literal["mixture", "normal", "mdn", "parzen"]


@dataclass(frozen=True)
class Encoding(Strategy):
    """Codes are what E gives, and G decodes them."""

    capabilities = frozenset({"sample", "encode", "decode", "score"})

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        return nets["E"](x).float()

    def decode(self, nets: Networks, z: Tensor) -> Tensor:
        return nets["G"](z).float()


@dataclass(frozen=True)
class Coded(Encoding):
    """An encoder E and a decoder G: their size, their optimiser, and codes as E gives them."""

    code_dim: int | None = option(
        None,
        "numbers in a flat code, channels of a spatial one; default: by the size of the data",
        least=1,
        most=65_536,
    )
    code_stride: int | None = option(
        None, "pixels a side for each place of a spatial code; default: flat up to 32x32, else 8", least=1
    )
    width: int = option(64, "channels of the finest stage of E and G", least=1, most=65_536)
    blocks: int = option(1, "residual blocks a stage", least=1)
    upsampling: Upsampling = option(
        "shuffle",
        "how G grows a picture from a quarter of its sides: shuffles, or interpolation, which leaves no grid, "
        "and with it fixed maps of noise for fine grain",
    )
    batch_size: int = option(64, "examples per step", least=None)
    lr: float = option(4e-3, "AdamW's learning rate of E and G", searchable=True)
    weight_decay: float = option(1e-3, "AdamW's weight decay of E and G", searchable=True)
    matrix_lr: float = option(
        0.0, "Muon's learning rate of the matrices of E and G; 0: AdamW for them, too", source="arXiv 2502.16982"
    )

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        """The code's shape, (d,) or (c, h, w): the data's default, with what was asked for put in its place.

        >>> from aegan.strategies import strategy
        >>> strategy("autoencoder")(code_stride=16).code(DataSpec((3, 64, 64)))
        (8, 4, 4)
        """
        code = default_code_shape(spec.shape)
        if spec.is_image and self.code_stride:
            code = (8, *(math.ceil(side / self.code_stride) for side in spec.shape[1:]))
        return (self.code_dim, *code[1:]) if self.code_dim else code

    def build(self, spec: DataSpec) -> Networks:
        E, G = self.autoencoder(spec)
        return {"E": E, "G": G, **self.prior_networks()}

    def prior_networks(self) -> Networks:
        """What new codes are drawn from."""
        return {}

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E and G."""
        return build_autoencoder(
            spec.shape, self.code(spec), width=self.width, blocks=self.blocks, upsampling=self.upsampling
        )

    def variational_autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E, which gives μ and log σ² along the first axis of the code, and G, which takes a code z."""
        code = self.code(spec)
        E, _ = build_autoencoder(spec.shape, (2 * code[0], *code[1:]), width=self.width, blocks=self.blocks)
        G = build_decoder(spec.shape, code, width=self.width, blocks=self.blocks, upsampling=self.upsampling)
        return E, G

    def autoencode(self, loss: PhaseLoss, name: str = "AE", trains: tuple[str, ...] = ("E", "G")) -> Phase:
        """The phase that trains E and G together on `loss`."""
        return Phase(name, trains, loss, lr=self.lr, matrix_lr=self.matrix_lr, weight_decay=self.weight_decay, clip=1.0)


@dataclass(frozen=True)
class Compressing(Coded):
    """How a plain autoencoder learns: weights of its terms, and noise on its codes."""

    w1: float = option(1.0, "weight of the L1 reconstruction")
    w2: float = option(1.0, "weight of the L2 reconstruction")
    perceptual: float = option(0.0, "weight of the Laplacian pyramid term")
    chroma: float = option(1.0, "weight of errors in colour beside those in lightness")
    noise: float = option(0.05, "noise on codes while compressing, in standard deviations", searchable=True)
    noise_of: Literal["each", "all"] = option(
        "each", "standard deviations of each number of a code, or of all together"
    )

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = w1 |x − G(E(x) + ε)|₁ + w2 |x − G(E(x) + ε)|₂²,  ε ~ N(0, noise² Var E(x))."""
        return Loss(self.reconstruction(batch.x, nets["G"](self.with_noise(nets["E"](batch.x)))))

    def with_noise(self, z: Tensor) -> Tensor:
        """Codes z + ε."""
        return noisy(z, self.noise, of_all=self.noise_of == "all")

    def reconstruction(self, x: Tensor, back: Tensor) -> dict[str, Tensor]:
        """The terms w1 |x − x̂|₁, w2 |x − x̂|₂², and a perceptual term on a Laplacian pyramid, each (N,)."""
        back = back.float()
        a, b = opponent(x, self.chroma), opponent(back, self.chroma)
        terms = {"L1": self.w1 * l1(a, b), "L2": self.w2 * l2(a, b)}
        if self.perceptual and x.ndim == 4:
            terms["Llap"] = self.perceptual * laplacian_l1(x, back)
        return {k: v for k, v in terms.items() if self.w1 or k != "L1"}


@dataclass(frozen=True)
class Variational(Coded):
    """An encoder of two halves, q(z | x) = N(μ(x), σ²(x)); the code of an example is μ(x)."""

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        """E, which gives μ and log σ² along the first axis of the code, and G, which takes a code z."""
        return self.variational_autoencoder(spec)

    def posterior(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ(x) and log σ²(x) of q(z | x), each of the code's shape."""
        return halves(nets["E"](x))

    def posterior_sample(self, nets: Networks, x: Tensor) -> Tensor:
        """z ~ q(z | x)."""
        return reparameterise(*self.posterior(nets, x))

    def reconstruct(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """G(z), z ~ q(z | x), and μ(x) and log σ²(x)."""
        mu, log_var = self.posterior(nets, x)
        return nets["G"](reparameterise(mu, log_var)).float(), mu, log_var

    def evidence_bound(
        self,
        x: Tensor,
        back: Tensor,
        mu: Tensor,
        log_var: Tensor,
        beta: float = 1.0,
        likelihood: Likelihood = "normal",
    ) -> Loss:
        """−log p(x|z) + β/D KL(q(z|x) || N(0, I)): the bound per value, at the batch's best scale of the decoder.

        −log p is 1/2 log E|x − x̂|² of a normal distribution, and log E|x − x̂| of Laplace's.
        """
        mse = all_reduce_mean((back - x).square().mean())
        if likelihood == "laplace":
            nll = (all_reduce_mean((back - x).abs().mean()) + 1e-6).log()
        else:
            nll = 0.5 * (mse + 1e-6).log()
        kl = kl_standard_normal(mu, log_var) * (beta / x[0].numel())
        return Loss({"NLL": nll, "KL": kl}, watch={"MSE": mse.detach()})

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        return self.posterior(nets, x)[0]


@dataclass(frozen=True)
class Annealed(Variational):
    """A bound whose KL term comes in step by step, and the distribution of an example given its code.

    Where codes have as many numbers as examples, the bound is about as good when G ignores z: a VAE that pays for its
    codes before G can use them may end there (posterior collapse).
    """

    likelihood: Likelihood = option(
        "normal", "of an example given its code: normal is squared error, laplace is absolute error, which blurs less"
    )
    kl_warmup: float = option(
        0.0,
        "part of the stage in which the KL's weight rises from 0 to its own; 0: not at all",
        source="Bowman 2016, arXiv 1511.06349; Sønderby 2016, arXiv 1602.02282",
        most=1,
    )

    def annealed(self, clock: Clock) -> float:
        """The KL's weight so far, as a part of its own: 0 to 1."""
        return min(1.0, clock.progress / self.kl_warmup) if self.kl_warmup else 1.0


@dataclass(frozen=True)
class WithPrior(Strategy):
    """What new codes are drawn from: N(0, I), or in P a density fitted to the codes of the training examples."""

    prior: PriorName = option(
        "mixture",
        "what codes are drawn from: a fitted mixture, N(0, I), a mixture-density network (Bishop 1994), or a Gaussian "
        "around each training example's code (Vincent & Bengio 2002)",
    )
    components: tuple[int, ...] = option(
        (1, 2, 5, 10, 20, 40), "numbers of mixture components to try, per class", least=1
    )
    shrinkage: float = option(0.3, "pull of a component's covariance towards the pooled one, in units of d codes")
    keep: int = option(128, "most leading principal components of the codes that are modelled", least=1)
    fit_limit: int = option(60_000, "most codes the density is fitted to", least=1)
    fit_share: float = option(0.05, "part of the budget", most=1)
    neighbours: int = option(10, "nearest codes that a Gaussian of prior=parzen follows", least=1)
    bandwidth: float = option(
        1.0, "its width; at 1 draws are as far from the nearest training code as these are from each other"
    )
    mdn_components: int = option(8, "Gaussians a dimension of the mixture-density network", least=1)
    mdn_width: int = option(256, "width of its hidden layers", least=1, most=65_536)
    mdn_lr: float = option(1e-3, "AdamW's learning rate of it")
    mdn_share: float = option(0.15, "part of the budget that it is trained in", most=1)

    @property
    def uses_labels(self) -> bool:
        return self.prior != "normal"

    @property
    def first_preview(self) -> Literal["sample", "reconstruct"]:
        """What pictures can show before the prior is fitted."""
        return "sample" if self.prior == "normal" else "reconstruct"

    def prior_networks(self) -> Networks:
        """P, not yet fitted; nothing if codes are drawn from N(0, I)."""
        if self.prior == "normal":
            return {}
        if self.prior == "mdn":
            mdn = MixtureDensity(components=self.mdn_components, width=self.mdn_width)
            return {"P": Prior(components=(1,), keep=self.keep, mdn=mdn)}
        windows = ManifoldParzen(neighbours=self.neighbours, bandwidth=self.bandwidth)
        parzen = windows if self.prior == "parzen" else None
        return {"P": Prior(components=self.components, keep=self.keep, shrinkage=self.shrinkage, parzen=parzen)}

    def prior_stages(self, encode: Encode) -> tuple[Stage | Fit, ...]:
        """What fits P to the codes of the training examples, as `encode` gives them."""
        if self.prior == "normal":
            return ()
        fit = partial(fit_prior, limit=self.fit_limit, encode=encode)
        if self.prior != "mdn":
            return (Fit("fit", self.fit_share, fit),)
        phase = Phase("P", ("P",), partial(density_loss, encode=encode), lr=self.mdn_lr, clip=5.0)
        return Fit("fit", 0.01, fit), Stage("density", self.mdn_share, (phase,), ema=("P",))

    def draw(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator | None) -> Tensor:
        """n codes z."""
        if self.prior == "normal":
            return truncation * standard_normal(nets["G"], n, rng)
        return typed(nets, "P", Prior).sample(n, y, truncation, rng)[0]

    def code_density(self, nets: Networks, z: Tensor) -> Tensor | None:
        """log p(z) / d: of N(0, I), or as P was fitted, of the whitened codes and over all classes."""
        if self.prior == "normal":
            return log_normal(z.flatten(1)) / z[0].numel()
        P = typed(nets, "P", Prior)
        return P.log_prob(z) / P.whitening.dim if P.fitted else None

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        return self.decode(nets, self.draw(nets, n, y, truncation, rng))


@dataclass(frozen=True)
class Bounding(WithPrior, Variational):
    """One stage that minimises `elbo`, then what fits P; by default codes are drawn from N(0, I)."""

    prior: PriorName = option("normal", "what codes are drawn from: N(0, I), or what is fitted to them afterwards")

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (
            Stage("compress", 1.0, (self.autoencode(self.elbo, "VAE"),), warmup=100, preview="reconstruct"),
            *self.prior_stages(self.posterior_sample),
        )

    @abstractmethod
    def elbo(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """What E and G minimise."""


def standard_normal(G: nn.Module, n: int, rng: torch.Generator | None = None) -> Tensor:
    """n codes ε ~ N(0, I) of the shape that G takes."""
    device = next(G.parameters()).device if rng is None else rng.device
    return torch.randn(n, *code_shape_of(G), generator=rng, device=device)


def half_drawn(G: nn.Module, back: Tensor) -> Tensor:
    """Half of the reconstructions, and as many G(z), z ~ N(0, I), as the other half."""
    half = len(back) // 2
    return torch.cat((back[:half], G(standard_normal(G, len(back) - half)).float()))


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats, over the last axis."""
    return -0.5 * (z.square() + LOG_2PI).sum(-1)


@dataclass(frozen=True)
class Generating(Strategy):
    """A generator G of noise and class, as a plain GAN has it, and in Y how often each class is."""

    capabilities = frozenset({"sample"})

    z_dim: int = option(64, "dimensions of the noise", source="R3GAN", least=1, most=65_536)
    width: int = option(64, "channels of the finest stage of G", least=1, most=65_536)
    blocks: int = option(1, "residual blocks a stage", least=1)
    upsampling: Upsampling = option(
        "shuffle",
        "how G grows a picture from a quarter of its sides: shuffles, or interpolation, which leaves no grid, "
        "and with it fixed maps of noise for fine grain",
    )

    def noise_shape(self, spec: DataSpec) -> tuple[int, ...]:
        """The shape of z."""
        return (self.z_dim,)

    def decoder(self, spec: DataSpec) -> nn.Module:
        """From noise to examples."""
        return build_decoder(
            spec.shape, self.noise_shape(spec), width=self.width, blocks=self.blocks, upsampling=self.upsampling
        )

    def generator_networks(self, spec: DataSpec) -> Networks:
        """G and Y."""
        classes = len(spec.classes)
        return {"G": ConditionalGenerator(self.decoder(spec), classes=classes), "Y": Frequencies(classes)}

    def count_stage(self) -> Fit:
        """What fills Y."""
        return Fit("count", share=0.001, run=count_classes)

    def noise(self, nets: Networks, n: int, truncation: float = 1.0, rng: torch.Generator | None = None) -> Tensor:
        """n times z ~ N(0, I)."""
        return truncation * typed(nets, "G", ConditionalGenerator).noise(n, rng)

    def classes_of(self, nets: Networks, batch: Batch) -> Tensor | None:
        """The batch's classes y if G knows classes."""
        return batch.y if typed(nets, "G", ConditionalGenerator).embed is not None else None

    def fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """G(z, y) for the batch's classes y, as many as it has examples."""
        y = self.classes_of(nets, batch)
        return nets["G"](self.noise(nets, len(batch.x)), y), y

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        z = self.noise(nets, n, truncation, rng)
        y = typed(nets, "Y", Frequencies).sample(n, rng) if y is None else y
        return nets["G"](z, y).float()


@dataclass(frozen=True)
class Inverted(Encoding, Generating):
    """A generator and its inverse: E takes examples to codes c = z + e_y, of which G makes them again.

    e_y is G's embedding of the class, so that codes of class y follow N(e_y, I), and need no class to be decoded.
    """

    def code_density(self, nets: Networks, z: Tensor) -> Tensor | None:
        """log p(c) / d,  p(c) = Σ_y p(y) N(c; e_y, I)."""
        c, embed = z.flatten(1), typed(nets, "G", ConditionalGenerator).embed
        if embed is None:
            return log_normal(c) / c.shape[1]
        counts = typed(nets, "Y", Frequencies).counts
        each = log_normal(c[:, None] - embed.weight)
        return torch.logsumexp(each + (counts / counts.sum()).log(), 1) / c.shape[1]

    def encoder_network(self, spec: DataSpec, outputs: int = 1) -> nn.Module:
        """E, which gives `outputs` times `z_dim` numbers."""
        code = (outputs * self.z_dim,)
        return build_autoencoder(spec.shape, code, width=self.width, blocks=self.blocks)[0]

    def coded_fakes(self, nets: Networks, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """c, G(c) and y for the batch's classes y."""
        y = self.classes_of(nets, batch)
        G = typed(nets, "G", ConditionalGenerator)
        c = G.code(self.noise(nets, len(batch.x)), y)
        return c, G(c), y
