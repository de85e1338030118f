"""An encoder and a generator alone at play: the encoder pulls the codes of real and made examples apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.collectives import all_gather_rows
from aegan.density.kernel import kernel_distance
from aegan.objectives.reconstruction import l1
from aegan.objectives.regularisers import kl_of_moments
from aegan.strategies import Batch, Clock, DataSpec, Fit, Loss, Networks, Phase, Stage, option, register
from aegan.strategies._groups import Coded, PhaseLoss, standard_normal


def on_sphere(z: Tensor) -> Tensor:
    """√d z/|z|: codes on the sphere whose uniform distribution has variance 1 along each of the d axes."""
    flat = F.normalize(z.flatten(1), dim=1) * z[0].numel() ** 0.5
    return flat.view_as(z)


@register
@dataclass(frozen=True)
class AGE(Coded):
    """Adversarial generator-encoder: no discriminator. Codes lie on a sphere, z uniformly.

    KL(q) = mean_j ½ (s_j² + m_j²) − log s_j − ½      of a batch of codes, by its means m and deviations s, to N(0, I)

    E: min KL(E(x)) − KL(E(G(z))) + μ |x − G(E(x))|₁
    G: min KL(E(G(z))) + λ (1 − cos(z, E(G(z)))) + μ_G |x − G(E(x))|₁      `n_generator` times for each of E

    With `kernel` w, KL(q) is w MMD²(q, z): moments do not tell clumps of codes on a ring from the whole ring.
    With `compress_share` E and G first minimise KL(E(x)) + μ |x − G(E(x))|₁ together: a game that begins where codes are
    uniform already and G draws data has less to find.

    The paper's G has no μ_G. Without it nothing holds G to the data but a difference of moments; with our networks it left.
    The sphere's radius is √d, not the paper's 1, so that N(0, I) is what its moments are compared with.

    Reference:
        Ulyanov et al., It Takes (Only) Two: Adversarial Generator-Encoder Networks, AAAI 2018, arXiv 1704.02304.
    """

    name = "age"
    paper = "Ulyanov et al. 2018, arXiv 1704.02304"
    summary = "Encoder against generator, no critic: batches of codes are compared by their moments."
    where = "its reconstruction judged by an adversary"

    uses_labels = False

    batch_size: int = option(64, "examples per step, over which moments are taken", source="the paper", least=None)
    lr: float = option(
        4e-3, "Adam's learning rate of E and G", source="ours; the paper's 2e-4 is for many more steps", searchable=True
    )
    weight_decay: float = option(0.0, "AdamW's weight decay of E and G", searchable=True)
    mu: float = option(10.0, "μ, weight of |x − G(E(x))|₁, a mean over values", source="public code")
    mu_generator: float = option(10.0, "μ_G, the same weight for G; 0 is the paper's")
    lam: float = option(10.0, "λ, weight of the cosine distance of codes", source="public code: 1000")
    kernel: float = option(
        0.0, "weight of MMD² between codes and z, which takes the place of KL(q); 0: KL of moments", source="ours"
    )
    compress_share: float = option(
        0.0,
        "part of the budget in which E and G first learn KL(E(x)) + μ |x − G(E(x))|₁ together",
        source="ours",
        most=1,
    )
    lr_game: float | None = option(None, "Adam's learning rate of E and G in the game; default: lr", searchable=True)
    adversarial: float = option(1.0, "weight of −KL(E(G(z))) for E", source="the paper's 1", searchable=True)
    n_generator: int = option(2, "steps of G for each of E", source="public code", least=1)
    ema_decay: float = option(0.998, "of the averages of E and G", most=0.999999)

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        phases = (replace(self.side(self.encoder, "E"), every=self.n_generator), self.side(self.generator, "G"))
        play = Stage("play", 1 - self.compress_share, phases, warmup=100, ema=("E", "G"), ema_decay=self.ema_decay)
        if not self.compress_share:
            return (play,)
        return Stage("compress", self.compress_share, (self.autoencode(self.compress),), warmup=100), play

    def side(self, loss: PhaseLoss, name: str) -> Phase:
        """E's or G's turn in the game: at `lr_game`, if there is one, and Muon's rate in proportion."""
        phase = self.autoencode(loss, name, (name,))
        if self.lr_game is None:
            return phase
        slower = self.lr_game / self.lr if self.lr else 1.0
        return replace(phase, lr=self.lr_game, matrix_lr=slower * self.matrix_lr)

    def encode(self, nets: Networks, x: Tensor) -> Tensor:
        return on_sphere(nets["E"](x).float())

    def divergence(self, codes: Tensor) -> Tensor:
        """KL(q) of a batch of codes, or what takes its place; ()."""
        z = all_gather_rows(codes)
        if not self.kernel:
            return kl_of_moments(z)
        return self.kernel * kernel_distance(z, all_gather_rows(on_sphere(torch.randn_like(codes))))

    def compress(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L = KL(E(x)) + μ |x − G(E(x))|₁."""
        real = self.encode(nets, batch.x)
        return Loss({"KL_x": self.divergence(real), "L1": self.mu * l1(batch.x, self.decode(nets, real))})

    def encoder(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_E = KL(E(x)) − w KL(E(G(z))) + μ |x − G(E(x))|₁,  w = `adversarial`."""
        real = self.encode(nets, batch.x)
        with torch.no_grad():
            made = self.decode(nets, on_sphere(standard_normal(nets["G"], len(real))))
        kl, kl_made = (self.divergence(z) for z in (real, self.encode(nets, made)))
        rec = l1(batch.x, self.decode(nets, real))
        watch = {"KL(made)−KL(x)": (kl_made - kl).detach(), "L1": rec.detach()}
        return Loss({"KL_x": kl, "−KL_made": -self.adversarial * kl_made, "L1": self.mu * rec}, watch)

    def generator(self, nets: Networks, batch: Batch, clock: Clock) -> Loss:
        """L_G = KL(E(G(z))) + λ (1 − cos(z, E(G(z)))) + μ_G |x − G(E(x))|₁."""
        z = on_sphere(standard_normal(nets["G"], len(batch.x)))
        back = self.encode(nets, self.decode(nets, z))
        cosine = F.cosine_similarity(z.flatten(1), back.flatten(1), dim=1)
        terms = {"KL_made": self.divergence(back), "cos": self.lam * (1 - cosine)}
        if self.mu_generator:
            with torch.no_grad():
                code = self.encode(nets, batch.x)
            terms["L1"] = self.mu_generator * l1(batch.x, self.decode(nets, code))
        return Loss(terms)

    def sample(self, nets: Networks, n: int, y: Tensor | None, truncation: float, rng: torch.Generator) -> Tensor:
        """G(z), z uniform on the sphere; truncation moves it towards the centre, which G has not seen."""
        return self.decode(nets, truncation * on_sphere(standard_normal(nets["G"], n, rng)))
