"""vaegan, alphagan, vqgan, soft-introvae, age and alae: their mathematics, against values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

from aegan.config import RunConfig
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.engine import Engine
from aegan.errors import UserError
from aegan.networks.patches import PatchCritic
from aegan.networks.quantiser import Quantiser
from aegan.objectives.regularisers import kl_of_moments
from aegan.strategies import Clock, Loss, Networks, strategy
from aegan.strategies.age import on_sphere
from aegan.strategies.vqgan import gradient_ratio

START = Clock(0, 0.0)
ROWS = [[1.0, -3.0], [2.0, 0.0], [1.0, -3.0], [2.0, 0.0]]


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


def batch_of(rows: list[list[float]] = ROWS) -> Batch:
    return Batch(torch.tensor(rows), None, np.arange(len(rows)))


def means(loss: Loss) -> dict[str, float]:
    return {k: float(v.detach().mean()) for k, v in loss.terms.items()}


def make(name: str, **options: Any) -> Any:
    return strategy(name)(**options)


class Times(nn.Module):
    """x to a · x: encoder, generator, or with `total` a critic of the sum."""

    code_shape = (2,)
    embed = None

    def __init__(self, a: float, *, total: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), a))
        self.total = total

    def features(self, x: Tensor) -> list[Tensor]:
        return [self.weight * x]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.features(x)[0]
        return h.sum(1) if self.total else h


class Always(nn.Module):
    """G(z) = value, whatever z."""

    code_shape = (2,)

    def __init__(self, value: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))

    def forward(self, z: Tensor) -> Tensor:
        return self.weight.expand(len(z), -1) + 0 * z[:, : len(self.weight)]


class Posterior(nn.Module):
    """q(z | x) = N(a x, e^−30 I): next to no noise."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = a

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.a * x, torch.full_like(x, -20.0)), 1)


def kl(mu2: float) -> float:
    """KL of N(mu, e^−20 I) in two dimensions, |mu|² = mu2."""
    return 0.5 * (mu2 + 2 * (math.exp(-20) + 20 - 1))


@pytest.mark.parametrize("name", ["vaegan", "alphagan", "vqgan", "soft-introvae", "age", "alae"])
def test_losses_are_fp32_where_networks_are_bf16(name: str, make_narrow: Any) -> None:
    spec = DataSpec((1, 16, 16))
    torch.manual_seed(0)
    chosen = make_narrow(name)
    nets, batch = chosen.build(spec), Batch(torch.rand(16, 1, 16, 16) * 2 - 1, None, np.arange(16))
    for stage in chosen.stages(spec):
        for phase in getattr(stage, "phases", ()):
            for key, net in nets.items():
                net.requires_grad_(key in phase.trains)
            with torch.autocast("cpu", torch.bfloat16):
                loss = phase.loss(nets, batch, START)
            assert all(v.dtype == torch.float32 and v.isfinite().all() for v in loss.terms.values()), phase.name
            loss.total().backward()


# --- vaegan -----------------------------------------------------------------------------------------------------------


def vaegan_networks(d: float = 0.5) -> Networks:
    return {"E": Posterior(0.5), "G": Times(1.0), "D": Times(d, total=True)}


def test_vaegan_compares_in_the_critics_features() -> None:
    """D_l(x) = d x and x̃ = x/2: E|D_l(x) − D_l(x̃)|² / E|D_l(x)|² = 1/4 for every d; and no game in E's loss."""
    chosen = make("vaegan", beta=3.0)
    for d in (0.5, -7.0):
        terms = means(chosen.encoder(vaegan_networks(d), batch_of(), START))
        assert set(terms) == {"L_like", "L_prior"}
        assert terms["L_like"] == pytest.approx(0.5 * math.log(0.25), abs=1e-3)
        assert terms["L_prior"] == pytest.approx(3 / 2 * (kl(2.5) + kl(1.0)) / 2, rel=1e-4)


def test_vaegan_judges_reconstructions_and_samples() -> None:
    chosen, nets = make("vaegan", like=2.0, gamma=0.2, penalty_every=1), vaegan_networks()
    nets["G"] = Always([2.0, -1.0])  # D(x̃) = D(x_p) = 0.5; D(x) = −1 or 1
    assert means(chosen.critic(nets, batch_of(), START)) == pytest.approx(
        {"L_D": (sp(1) + sp(-1)) / 2 + sp(0.5), "R1": 0.1 * 0.5}
    )
    terms = means(chosen.generator(nets, batch_of(), START))
    like = (1 + 4 + 0 + 1) / (1 + 9 + 4 + 0)
    assert terms == pytest.approx({"L_like": 2 * 0.5 * like, "L_G": sp(-0.5)}, abs=1e-4)


@pytest.mark.parametrize(
    ("costs", "d", "g"), [((0.7, 0.7), 1, 1), ((0.1, 0.7), 0, 1), ((0.7, 2.0), 1, 0), ((0.1, 2.0), 0, 1)]
)
def test_who_rests_at_the_equilibrium(costs: tuple[float, float], d: float, g: float) -> None:
    assert [float(t) for t in make("vaegan", equilibrium=0.68).resting(torch.tensor(costs))] == [d, g]
    assert [float(t) for t in make("vaegan").resting(torch.tensor(costs))] == [1, 1]


def test_a_critic_that_rests_learns_nothing() -> None:
    """D(x) = ±1 and D(x̃) = 0.5 cost it log 2 or so each: far below 3, so that it rests, and G plays."""
    chosen, nets = make("vaegan", equilibrium=3.0, balance=0.1), vaegan_networks()
    assert all(v == 0 for v in means(chosen.critic(nets, batch_of(), START)).values())
    assert means(chosen.generator(nets, batch_of(), START))["L_G"] != 0


# --- alphagan ---------------------------------------------------------------------------------------------------------


def test_alphagan_by_hand() -> None:
    chosen = make("alphagan", lam=3.0, gamma=0.2, penalty_every=1, gamma_codes=0.4)
    nets: Networks = {"E": Always([1.0, 1.0]), "G": Always([2.0, -1.0])}
    nets |= {"D": Times(0.5, total=True), "C": Times(0.25, total=True)}
    batch, l1 = batch_of([[1.0, -3.0]] * 4), 1.5
    assert means(chosen.encoder(nets, batch, START)) == pytest.approx({"L1": 3 * l1, "L_C": sp(-0.5)})
    assert means(chosen.generator(nets, batch, START)) == pytest.approx({"L1": 3 * l1, "L_G": sp(-0.5)})
    assert means(chosen.critic(nets, batch, START)) == pytest.approx({"L_D": sp(1) + sp(0.5), "R1": 0.1 * 0.5})
    nets["C"] = Times(0.0, total=True)
    assert means(chosen.code_critic(nets, batch, START)) == pytest.approx({"L_C": 2 * math.log(2), "R1": 0.0})


def test_alphagan_takes_the_prior_for_real() -> None:
    """The first version of the paper had the two terms of C's loss exchanged: C must rise at z, and fall at E(x)."""
    chosen = make("alphagan", gamma_codes=0.0)
    nets: Networks = {"E": Always([5.0, 5.0]), "G": Times(1.0), "C": Times(0.0, total=True)}
    chosen.code_critic(nets, batch_of(), START).total().backward()
    assert nets["C"].weight.grad.item() > 3, "descent lowers C where codes are, at the sum 10"  # type: ignore[union-attr, operator]


# --- vqgan ------------------------------------------------------------------------------------------------------------


def codebook(rows: list[list[float]]) -> Quantiser:
    Q = Quantiser((2,), entries=len(rows), decay=0.9)
    Q.entries.copy_(torch.tensor(rows))
    Q.sums.copy_(Q.entries)
    Q.counts.fill_(1.0)
    Q.begun.fill_(True)
    return Q


def test_commitment_pulls_the_encoder() -> None:
    """β |z_e − sg[e]|²: its gradient in z_e is 2 β (z_e − e) / d, beside that of the reconstruction, straight through."""
    chosen = make("vqgan", commit=0.25, w1=0.0, w2=1.0)
    nets: Networks = {"E": Times(1.0), "G": Times(2.0), "Q": codebook([[0.0, 0.0], [2.0, -2.0]])}
    x = torch.tensor([[1.5, -1.5]])
    z = x.clone().requires_grad_(True)
    nets["E"] = nn.Module()
    nets["E"].forward = lambda _: z  # type: ignore[method-assign]
    _, loss = chosen.autoencode_loss(nets, x)
    assert means(loss) == pytest.approx({"L2": 2.5**2, "commit": 0.25 * 0.25})
    loss.total().backward()
    # x̂ = 2 e = (4, −4): d mean (x − x̂)² / dz = 2 · 2.5 · 2 / 2 = 5; commitment 2 · 0.25 · (−0.5) / 2 = −0.125
    assert z.grad is not None
    assert z.grad[0].tolist() == pytest.approx([5 - 0.125, -5 + 0.125])


def test_the_codebook_follows_by_averages() -> None:
    Q = codebook([[0.0, 0.0], [2.0, 2.0]])
    in_use = Q.learn(torch.tensor([[1.0, 0.0], [3.0, 2.0], [2.0, 3.0]]))
    assert Q.counts.tolist() == pytest.approx([0.9 + 0.1, 0.9 + 0.2])
    assert Q.entries[0].tolist() == pytest.approx([0.1, 0.0])
    assert Q.entries[1].tolist() == pytest.approx([(1.8 + 0.5) / 1.1] * 2)
    assert float(in_use) == pytest.approx(math.exp(-(math.log(1 / 3) + 2 * math.log(2 / 3)) / 3))


def test_entries_settle_on_the_means_of_clusters_and_none_stays_dead() -> None:
    torch.manual_seed(0)
    Q = Quantiser((2,), entries=2, decay=0.9)
    for _ in range(200):
        Q.learn(torch.cat((torch.randn(50, 2) * 0.1 - 3, torch.randn(50, 2) * 0.1 + 3)))
    assert sorted(Q.entries[:, 0].tolist()) == pytest.approx([-3, 3], abs=0.1)


def test_spatial_codes_are_rounded_place_by_place() -> None:
    torch.manual_seed(0)
    Q = Quantiser((3, 4, 5), entries=7)
    z = torch.randn(2, 3, 4, 5)
    nearest = (z.movedim(1, -1)[..., None, :] - Q.entries).square().sum(-1).argmin(-1)
    assert torch.equal(Q.nearest(Q.pieces(z)), nearest.flatten())
    assert torch.equal(Q(z), Q.entries[nearest].movedim(-1, 1))
    assert torch.equal(Q(Q(z)), Q(z)), "entries stay"


def test_the_adaptive_weight() -> None:
    """G(z) = w z: d/dw mean 3 w z = 3 mean z against d/dw of 0.5 of that: the ratio is 6, and scales the game."""
    G = Times(1.0)
    z = torch.full((4, 2), 2.0)
    x = G(z)
    assert float(gradient_ratio(3 * x.mean(), 0.5 * x.mean(), G)) == pytest.approx(6, rel=1e-3)
    G.requires_grad_(False)
    assert float(gradient_ratio(x.mean(), x.mean(), G)) == 1


def test_the_critic_does_not_take_part_at_first() -> None:
    compress, sharpen, *_ = make("vqgan", start=0.25).stages(DataSpec((1, 16, 16)))
    assert (compress.share, sharpen.share) == (0.25, 0.75)
    assert not any("D" in p.trains for p in compress.phases) and any("D" in p.trains for p in sharpen.phases)


def test_a_patchs_logit_sees_its_neighbourhood_alone() -> None:
    torch.manual_seed(0)
    D = PatchCritic(3, width=8)
    x = torch.randn(1, 3, 64, 64)
    assert D(x).shape == (1, 16 * 16)
    other = x.clone()
    other[..., 40:, :] = 0
    assert torch.equal(D(x)[0, :16], D(other)[0, :16]) and not torch.equal(D(x)[0, -16:], D(other)[0, -16:])


@pytest.mark.parametrize(("bottleneck", "has_codebook"), [("vq", True), ("kl", False)])
def test_bottlenecks(bottleneck: str, has_codebook: bool) -> None:
    chosen = make("vqgan", bottleneck=bottleneck, width=8, critic_width=8, entries=16)
    torch.manual_seed(0)
    nets = chosen.build(DataSpec((1, 16, 16)))
    assert ("Q" in nets) == has_codebook
    x = torch.rand(4, 1, 16, 16)
    code = chosen.encode(nets, x)
    assert code.shape == (4, 8, 4, 4) and chosen.decode(nets, code).shape == x.shape
    terms = chosen.compress(nets, Batch(x, None, np.arange(4)), START).terms
    assert set(terms) == {"L1", "L2", "commit" if has_codebook else "KL"}
    for stage in chosen.stages(DataSpec((1, 16, 16)))[:2]:
        assert all(("Q" in p.trains) == has_codebook for p in stage.phases if p.name == "AE")


# --- soft-introvae ----------------------------------------------------------------------------------------------------


def test_soft_introvae_by_hand() -> None:
    """E: μ = x / 2; G = (1, −1): rec and KL of x and of what is made, in closed form; D = 2 values."""
    chosen = make("soft-introvae", beta_rec=0.5, beta_kl=0.25, beta_neg=0.1)
    nets: Networks = {"E": Posterior(0.5), "G": Always([1.0, -1.0])}
    batch = batch_of([[1.0, -3.0]] * 4)
    rec, kl_x, kl_f = 2.0, kl(2.5) / 2, kl(0.5) / 2  # fakes are rebuilt exactly
    assert means(chosen.encoder(nets, batch, START)) == pytest.approx(
        {"rec": 0.5 * rec, "KL": 0.25 * kl_x, "expELBO": 2 * 0.25 * math.exp(-2 * 0.1 * kl_f)}, rel=1e-4
    )
    assert means(chosen.generator(nets, batch, START)) == pytest.approx(
        {"rec": 0.5 * rec, "KL": 0.5 * 0.25 * 2 * kl_f}, rel=1e-4
    )
    assert means(chosen.vae(nets, batch, START)) == pytest.approx({"rec": 0.5 * rec, "KL": 0.25 * kl_x}, rel=1e-4)


# --- age --------------------------------------------------------------------------------------------------------------


def test_the_divergence_of_moments_against_torch() -> None:
    torch.manual_seed(0)
    z = torch.randn(200, 3, dtype=torch.float64) * torch.tensor([0.5, 1.0, 2.0]) + torch.tensor([0.0, 1.0, -1.0])
    normal = torch.distributions.Normal(z.mean(0), z.std(0))
    unit = torch.distributions.Normal(torch.zeros_like(z[0]), torch.ones_like(z[0]))
    expected = torch.distributions.kl_divergence(normal, unit).mean()
    assert float(kl_of_moments(z)) == pytest.approx(float(expected), abs=1e-5)


def test_codes_on_the_sphere() -> None:
    z = on_sphere(torch.randn(5000, 4, 2, 2) * 7)
    assert z.flatten(1).norm(dim=1).tolist() == pytest.approx([4.0] * 5000, rel=1e-5)
    assert float(kl_of_moments(z)) < 1e-3, "the uniform distribution has the moments of N(0, I)"


def test_age_by_hand() -> None:
    """E(x) = x/|x| √2 and G(z) = 2 z: samples come back exactly, so that the cosine is 1."""
    chosen = make("age", mu=3.0, mu_generator=2.0, lam=5.0)
    nets: Networks = {"E": Times(1.0), "G": Times(2.0)}
    batch = batch_of([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    torch.manual_seed(0)
    z = on_sphere(torch.randn(4, 2))
    torch.manual_seed(0)
    expected = {"KL_x": float(kl_of_moments(batch.x)), "−KL_made": -float(kl_of_moments(z)), "L1": 3 * 1.0}
    assert means(chosen.encoder(nets, batch, START)) == pytest.approx(expected, rel=1e-4)
    torch.manual_seed(0)
    made = means(chosen.generator(nets, batch, START))
    assert made == pytest.approx({"KL_made": float(kl_of_moments(z)), "cos": 0.0, "L1": 2 * 1.0}, abs=1e-4)
    compress = make("age", mu=3.0).compress(nets, batch, START)
    assert means(compress) == pytest.approx({"KL_x": expected["KL_x"], "L1": 3 * 1.0}, rel=1e-4)
    torch.manual_seed(0)
    light = means(make("age", mu=3.0, adversarial=0.1).encoder(nets, batch, START))
    assert light == pytest.approx({**expected, "−KL_made": 0.1 * expected["−KL_made"]}, rel=1e-4)
    nets["E"] = Times(-1.0)
    torch.manual_seed(0)
    assert means(chosen.generator(nets, batch, START))["cos"] == pytest.approx(5 * 2.0)


def test_age_may_compress_before_it_plays() -> None:
    spec = DataSpec((1, 16, 16))
    assert [stage.name for stage in make("age").stages(spec)] == ["play"]
    compress, play = make("age", compress_share=0.6, lr=2e-3, matrix_lr=1e-3, lr_game=5e-4).stages(spec)
    assert (compress.share, play.share) == (0.6, pytest.approx(0.4))
    assert [(phase.lr, phase.matrix_lr) for phase in compress.phases] == [(2e-3, 1e-3)]
    assert [(phase.lr, phase.matrix_lr) for phase in play.phases] == [(5e-4, pytest.approx(2.5e-4))] * 2


# --- alae -------------------------------------------------------------------------------------------------------------


class Shift(nn.Module):
    """f(z) = (1, 0): w = z + (1, 0)."""

    embed = None

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tensor([1.0, 0.0]).expand(len(z), 2)


def test_alae_by_hand() -> None:
    """E(x) = x/2 and D(w) = 0.5 Σ w: D(E(x)) = Σ x / 4, |∇_x D(E(x))|² = 2/16."""
    chosen = make("alae", gamma=0.4, penalty_every=1, w_weight=2.0)
    nets: Networks = {"F": Shift(), "E": Times(0.5), "G": Always([2.0, -1.0]), "D": Times(0.5, total=True)}
    batch = batch_of([[1.0, 3.0]] * 4)
    assert means(chosen.critic(nets, batch, START)) == pytest.approx({"L_D": sp(-1) + sp(0.25), "R1": 0.2 * 0.125})
    assert means(chosen.generator(nets, batch, START)) == pytest.approx({"L_G": sp(-0.25)})
    nets["G"] = Times(1.0)  # E(G(w)) = w / 2: L_w = mean (w/2)²
    torch.manual_seed(0)
    w = torch.randn(4, 2) + torch.tensor([1.0, 0.0])
    torch.manual_seed(0)
    assert means(chosen.inverse(nets, batch, START)) == pytest.approx({"L_w": 2 * float(w.square().mean()) / 4})


def test_alae_clips_the_whole_critic_with_wgan() -> None:
    chosen = make("alae", loss="wgan", clip=0.1)
    nets: Networks = {"F": Shift(), "E": Times(0.5), "G": Times(1.0), "D": Times(0.5, total=True)}
    chosen.critic(nets, batch_of(), START)
    assert nets["E"].weight.item() == nets["D"].weight.item() == pytest.approx(0.1)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("name", ["vaegan", "alphagan", "soft-introvae"])
def test_a_prior_that_is_fitted_after_the_game(name: str, data_of: Any, tmp_path: Path) -> None:
    """Pictures and looks while the game is played have no samples yet."""
    config = RunConfig(steps=8, device="cpu", precision="fp32", checkpoint_every=1e9)
    outcome = Engine(narrow(name, prior="mixture"), data_of("digits"), config, tmp_path / "run").run()
    drawn = narrow(name, prior="mixture").sample(outcome.networks, 5, None, 1.0, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 1, 8, 8) and drawn.isfinite().all()


def test_the_code_critic_plays_the_game_that_was_asked_for() -> None:
    batch, names = batch_of(), {"wgan-gp": {"L_C", "GP"}, "wgan": {"L_C"}, "rpgan": {"L_C", "R1", "R2"}}
    for loss, terms in names.items():
        chosen = make("alphagan", loss=loss, width=8, critic_width=8, code_dim=2)
        nets = chosen.build(DataSpec((2,)))
        found = chosen.code_critic(nets, batch, START)
        assert set(found.terms) == terms and set(found.watch) == {"margin_C"}
        bound = max(float(p.detach().abs().max()) for p in nets["C"].parameters())
        assert (bound <= chosen.clip) == (loss == "wgan")


def test_a_map_that_the_critic_has_not_is_refused() -> None:
    with pytest.raises(UserError, match="layer=1: D has 1 map"):
        make("vaegan", layer=1, width=8, critic_width=8).build(DataSpec((2,)))
