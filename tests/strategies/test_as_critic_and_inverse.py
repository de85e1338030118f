"""The autoencoder as critic, as the generator's inverse and as a loss on features, and mixture noise: worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.errors import UserError
from aegan.networks import build_decoder, build_joint_critic, join
from aegan.networks.autoencoders import fold_gaussian
from aegan.networks.custom import use_networks
from aegan.objectives.regularisers import pulling_away
from aegan.strategies import Clock, Fit, Networks, Stage, strategy

START = Clock(0, 0.0)


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


def batch_of(rows: list[list[float]] | Tensor) -> Batch:
    return Batch(torch.as_tensor(rows), None, np.arange(len(rows)))


class Scale(nn.Module):
    """x to a x, as an encoder, a decoder, or a generator whose noise is `z`."""

    embed = None

    def __init__(self, a: float, z: list[float] | None = None) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))
        self.z = torch.tensor(z or [0.0, 0.0])

    def noise(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        return self.z.expand(n, -1)

    def code(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.a * x


class Sum(nn.Module):
    """D(x) = a Σ x, and Φ(x) = x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def features(self, x: Tensor) -> list[Tensor]:
        return [x]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.a * x.sum(1)


def means(terms: dict[str, Tensor]) -> dict[str, float]:
    return {k: float(v.mean().detach()) for k, v in terms.items()}


# --- ebgan ------------------------------------------------------------------------------------------------------------


def energetic(name: str) -> Networks:
    """D(x) = x / 2; G(z) = (2, −4): |x − D(x)|² = 5/4 for x = (1, 3), and 5/2 for G(z)."""
    nets = strategy(name)().build(DataSpec((2,), (), 100))
    return {**nets, "E": Scale(0.5), "R": Scale(1.0), "G": Scale(2.0, [1.0, -2.0])}


def test_the_energies_of_ebgan() -> None:
    chosen = strategy("ebgan")(margin=3.0, pt=0.1)  # type: ignore[call-arg]
    nets = energetic("ebgan")
    batch = batch_of([[1.0, 3.0]] * 4)
    loss = chosen.critic(nets, batch, START)  # type: ignore[attr-defined]
    assert means(loss.terms) == pytest.approx({"e(x)": 1.25, "[m-e(G)]+": 3.75 - 2.5})
    assert float(loss.watch["m"]) == pytest.approx(3.75) and float(nets["m"].value) == pytest.approx(3.75)  # type: ignore[arg-type]
    made = chosen.generator(nets, batch, START)  # type: ignore[attr-defined]
    assert means(made.terms) == pytest.approx({"e(G)": 2.5, "PT": 0.1 * 3.75 * 1.0}), "all codes are alike"
    far = batch_of([[0.1, 0.3]] * 4)
    for _ in range(300):
        loss = chosen.critic(nets, far, Clock(1, 0.0))  # type: ignore[attr-defined]
    assert float(nets["m"].value) == pytest.approx(0.0375, rel=0.3), "the margin follows the energy of data"  # type: ignore[arg-type]
    assert means(loss.terms)["[m-e(G)]+"] == 0, "beyond the margin, D asks for no more"


def test_the_generators_gradient_flows_through_both_sides_of_the_energy() -> None:
    """e(G) = mean (G / 2)²: its derivative is G/2 · 1/2 a value; with a detached target it would be half of −G/2."""
    chosen = strategy("ebgan")(pt=0.0)  # type: ignore[call-arg]
    nets = energetic("ebgan")
    x = torch.tensor([[2.0, -4.0]], requires_grad=True)
    chosen.energy(nets, x)[0].sum().backward()  # type: ignore[attr-defined]
    assert x.grad is not None
    assert x.grad.tolist() == [[0.5, -1.0]]


def test_pulling_away_squares_the_cosine() -> None:
    """Codes at 0°, 60° and 90°: cos² = 1/4, 0, 3/4, each pair twice of six."""
    s = torch.tensor([[2.0, 0.0], [math.cos(math.pi / 3), math.sin(math.pi / 3)], [0.0, 5.0]], dtype=torch.float64)
    assert float(pulling_away(s)) == pytest.approx(1 / 3)
    assert float(pulling_away(-s)) == pytest.approx(1 / 3)


# --- began ------------------------------------------------------------------------------------------------------------


def test_the_equilibrium_of_began() -> None:
    """l(x) = (1 + 3) / 4 = 1, l(G) = (2 + 4) / 4 = 1.5."""
    chosen = strategy("began")(diversity=0.5, lambda_k=0.1)  # type: ignore[call-arg]
    nets, batch = energetic("began"), batch_of([[1.0, 3.0]] * 4)
    k = nets["k"]
    k.keep(torch.tensor(0.4))  # type: ignore[operator]
    loss = chosen.critic(nets, batch, START)  # type: ignore[attr-defined]
    assert means(loss.terms) == pytest.approx({"l(x)": 1.0, "-k l(G)": -0.4 * 1.5})
    assert float(k.value) == pytest.approx(0.4 + 0.1 * (0.5 - 1.5))  # type: ignore[arg-type]
    assert float(loss.watch["M"]) == pytest.approx(1 + 1.0)
    loss.total().backward()  # k has changed in between, and the gradient is of the k before
    assert means(chosen.generator(nets, batch, START).terms) == pytest.approx({"l(G)": 1.5})  # type: ignore[attr-defined]


@pytest.mark.parametrize(("a", "end"), [(2.0, 0.0), (0.001, 1.0)])
def test_k_stays_between_0_and_1(a: float, end: float) -> None:
    chosen = strategy("began")(lambda_k=0.3)  # type: ignore[call-arg]
    nets = {**energetic("began"), "G": Scale(a, [1.0, -2.0])}
    for _ in range(20):
        chosen.critic(nets, batch_of([[1.0, 3.0]] * 4), START)  # type: ignore[attr-defined]
    assert float(nets["k"].value) == end  # type: ignore[arg-type]
    assert "value" in nets["k"].state_dict(), "checkpoints hold it"


@pytest.mark.parametrize("name", ["ebgan", "began"])
@pytest.mark.parametrize("shape", [(1, 16, 16), (6,)], ids=["images", "vectors"])
def test_g_begins_as_the_critics_decoder(name: str, shape: tuple[int, ...]) -> None:
    """Its noise takes the mean and the covariance of the codes: Σᵢ zᵢ zᵢᵀ / N of whitened codes is I."""
    spec = DataSpec(shape, (), 40)
    chosen = strategy(name)(compress_share=0.4, code_dim=3)  # type: ignore[call-arg]
    torch.manual_seed(0)
    nets, x = chosen.build(spec), torch.randn(40, *shape)
    view = SimpleNamespace(batches=lambda split, limit: [batch_of(x[:20]), batch_of(x[20:])])
    stages = chosen.stages(spec)
    assert [stage.name for stage in stages] == ["count", "compress", "start", "play"]
    compress, start = stages[1], stages[2]
    assert isinstance(compress, Stage) and compress.phases[0].trains == ("E", "R")
    loss = compress.phases[0].loss(nets, batch_of(x), START)
    assert loss.terms["e(x)"].tolist() == chosen.energy(nets, x)[0].tolist()  # type: ignore[attr-defined]
    assert isinstance(start, Fit)
    with torch.no_grad():
        assert start.run(nets, view) == {"codes": 40}  # type: ignore[arg-type]
        z = nets["E"](x)
        mean, covariance = z.mean(0), z.T.cov()
        epsilon = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), (z - mean).T, upper=False).T
        assert torch.allclose(epsilon.T.cov(), torch.eye(3), atol=1e-4)
        assert torch.allclose(nets["G"](epsilon), nets["R"](z), atol=2e-3)


@pytest.mark.parametrize("name", ["ebgan", "began"])
def test_a_generator_of_your_own_cannot_begin_as_ours(name: str) -> None:
    chosen = strategy(name)(compress_share=0.4, code_dim=3)  # type: ignore[call-arg]
    assert chosen.fixed_networks == {"G"} and strategy(name)().fixed_networks == frozenset()
    own, spec = {"G": nn.Linear(3, 2)}, DataSpec((2,))
    with pytest.raises(UserError, match="no network G to replace"):
        use_networks(chosen.build(spec), own, spec, strategy=name, fixed=chosen.fixed_networks)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)], ids=["flat", "spatial"])
def test_a_gaussian_goes_into_the_first_layer_of_a_decoder(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    G = build_decoder((1, 32, 32), shape, width=8)
    codes = torch.randn(50, *shape) * 2 + 1
    z = codes if len(shape) == 1 else codes.movedim(1, -1).reshape(-1, 3)
    L, m = torch.linalg.cholesky(z.T.cov()), z.mean(0)
    epsilon = torch.randn(5, *shape)
    before = G.head(torch.einsum("de,ne...->nd...", L, epsilon) + m.view(3, *(1,) * (len(shape) - 1)))
    fold_gaussian(G, codes)
    inner = (..., slice(1, -1), slice(1, -1)) if len(shape) > 1 else ...  # the edges are padded by 0
    assert torch.allclose(G.head(epsilon)[inner], before[inner], atol=1e-4)


# --- fastgan ----------------------------------------------------------------------------------------------------------


def test_the_soft_hinge_has_margins_between_0_8_and_1() -> None:
    from aegan.strategies.fastgan import soft_hinge

    zero = torch.zeros(4000)
    loss = soft_hinge(zero, zero)
    assert 1.6 <= float(loss.min()) < 1.65 and 1.95 < float(loss.max()) <= 2
    assert float(loss.mean()) == pytest.approx(1.8, abs=0.01)
    assert bool((soft_hinge(zero + 1, zero - 1) == 0).all())


@pytest.mark.parametrize("size", [8, 20, 32, 40])
def test_crops_and_maps_are_of_the_same_quadrant(size: int) -> None:
    """Maps that are the shrunken image itself, and decoders that enlarge it again: no loss, wherever the crop falls."""
    from aegan.strategies.fastgan import drawn_again

    patch = 2 if size < 16 else 4
    torch.manual_seed(0)
    blocks = torch.randn(3, 1, size // patch, size // patch)
    x = nn.Upsample(scale_factor=patch)(blocks)
    R = nn.ModuleDict({"whole": nn.Upsample(scale_factor=4), "part": nn.Upsample(scale_factor=patch)})
    vector = torch.zeros(3, 5)
    small = nn.functional.adaptive_avg_pool2d(x, 1)
    R["whole"] = nn.Identity()
    for _ in range(8):
        assert float(drawn_again(R, [blocks, small, vector], x).max()) < 1e-5
    assert float(drawn_again(R, [blocks.flip(-1), small, vector], x).min()) > 0.1


def test_only_real_examples_are_drawn_again() -> None:
    chosen = strategy("fastgan")(critic_width=8, width=8)  # type: ignore[call-arg]
    torch.manual_seed(0)
    nets = chosen.build(DataSpec((1, 16, 16), (), 100))
    batch = Batch(torch.randn(4, 1, 16, 16), None, np.arange(4))
    made = chosen.generator(nets, batch, START)  # type: ignore[attr-defined]
    assert set(made.terms) == {"L_G"}
    made.total().backward()
    assert all(p.grad is None for p in nets["R"].parameters())


# --- dfm --------------------------------------------------------------------------------------------------------------


def test_features_are_drawn_where_the_denoiser_points() -> None:
    """r(Φ) = 3 Φ with f(Φ) = 2 Φ; Φ(G) = (2, −4): |Φ − r|² = mean (16, 64) = 40, and its gradient −2 · 2 Φ / 2 = −2 Φ."""
    chosen = strategy("dfm")(lambda_adv=0.0, lambda_dn=0.5, noise_dn=0.0)  # type: ignore[call-arg]
    nets: Networks = {"G": Scale(2.0, [1.0, -2.0]), "D": Sum(1.0), "f": Scale(2.0)}
    batch = batch_of([[1.0, 3.0]])
    loss = chosen.generator(nets, batch, START)  # type: ignore[attr-defined]
    assert means(loss.terms) == pytest.approx({"L_G": 0.0, "L_dn": 0.5 * 40})
    loss.total().backward()
    # d/da of 0.5 · mean (target − a z)² = −mean (target − a z) z = −mean (4, 16) / … worked out: −(4 · 1 + 8 · 2) / 2
    assert float(nets["G"].a.grad) == pytest.approx(-10.0)  # type: ignore[arg-type, union-attr]
    batch = batch_of([[1.0, 3.0]] * 2)
    assert means(chosen.denoise(nets, batch, START).terms) == pytest.approx({"L_r": (4 + 36) / 2})  # type: ignore[attr-defined]


# --- deligan ----------------------------------------------------------------------------------------------------------


def test_mixture_noise_and_its_regulariser() -> None:
    chosen = strategy("deligan")(z_dim=2, n_components=3, sigma=0.5, lambda_sigma=0.4, width=8)  # type: ignore[call-arg]
    torch.manual_seed(0)
    nets = chosen.build(DataSpec((2,), (), 100))
    with torch.no_grad():
        nets["Z"].mu.copy_(torch.tensor([[-9.0, 0.0], [0.0, 0.0], [9.0, 3.0]]))  # type: ignore[union-attr, operator]
    z = chosen.noise(nets, 30_000, 1.0, torch.Generator().manual_seed(0))  # type: ignore[attr-defined]
    for x, mean in ((-9, 0), (0, 0), (9, 3)):
        part = z[(z[:, 0] - x).abs() < 4.5]
        assert len(part) / len(z) == pytest.approx(1 / 3, abs=0.02)
        assert part.mean(0).tolist() == pytest.approx([x, mean], abs=0.03)
        assert part.std(0).tolist() == pytest.approx([0.5, 0.5], rel=0.03)
    terms = chosen.generator(nets, batch_of([[1.0, 1.0]] * 4), START).terms  # type: ignore[attr-defined]
    assert float(terms["spread"].detach()) == pytest.approx(0.4 * 0.25)
    tight = chosen.noise(nets, 100, 1e-6, torch.Generator().manual_seed(0))  # type: ignore[attr-defined]
    assert len(torch.unique((100 * tight).round(), dim=0)) == 3


# --- bigan ------------------------------------------------------------------------------------------------------------

# x = (1, 3), E(x) = x / 2, G(z) = (2, −4) of z = (1, −2): sums of pairs are 6 and −3, times 1/4
D_X, D_G = 1.5, -0.75
BIGAN: dict[str, tuple[float, dict[str, float]]] = {
    "nonsaturating": (sp(-D_X) + sp(D_G), {"L_E": sp(D_X), "L_G": sp(-D_G)}),
    "hinge": (0.0 + (1 + D_G), {"L_E": D_X, "L_G": -D_G}),
    "lsgan": (((D_X - 1) ** 2 + D_G**2) / 2, {"L_E": D_X**2 / 2, "L_G": (D_G - 1) ** 2 / 2}),
    "rpgan": (sp(D_G - D_X), {"L_EG": sp(D_X - D_G)}),
}


def pair_networks() -> Networks:
    return {"E": Scale(0.5), "G": Scale(2.0, [1.0, -2.0]), "D": Sum(0.25)}


@pytest.mark.parametrize("game", BIGAN)
def test_both_sides_of_bigan(game: str) -> None:
    chosen = strategy("bigan")(loss=game, gamma=0.0, cycle=0.0)  # type: ignore[call-arg]
    nets, batch = pair_networks(), batch_of([[1.0, 3.0]] * 3)
    critic, inverses = BIGAN[game]
    assert means(chosen.critic(nets, batch, START).terms) == pytest.approx({"L_D": critic})  # type: ignore[attr-defined]
    loss = chosen.inverses(nets, batch, START)  # type: ignore[attr-defined]
    assert means(loss.terms) == pytest.approx(inverses)
    loss.total().backward()
    assert float(nets["E"].a.grad) > 0 and nets["G"].a.grad is not None  # type: ignore[arg-type, union-attr]


def test_the_cycle_and_the_stochastic_encoder() -> None:
    chosen: Any = strategy("bigan")(cycle=2.0)  # type: ignore[call-arg]
    terms = chosen.inverses(pair_networks(), batch_of([[1.0, 3.0]]), START).terms
    assert means(terms)["cycle"] == pytest.approx(0.0), "G(E(x)) = x here"
    nets = {**pair_networks(), "G": Scale(1.0)}
    assert means(chosen.inverses(nets, batch_of([[1.0, 3.0]]), START).terms)["cycle"] == pytest.approx(2 * 1.0)
    ali = replace(chosen, encoder="stochastic")
    x = torch.tensor([[0.5, -1.0, 2 * math.log(0.1), 2 * math.log(3.0)]]).expand(40_000, 4)
    nets = {"E": Scale(1.0)}
    torch.manual_seed(0)
    z = ali.infer(nets, x)
    assert z.mean(0).tolist() == pytest.approx([0.5, -1.0], abs=0.05)
    assert z.std(0).tolist() == pytest.approx([0.1, 3.0], rel=0.03)
    assert ali.encode(nets, x[:1]).tolist() == [[0.5, -1.0]]


@pytest.mark.parametrize("shape", [(2,), (3, 16, 20)])
def test_a_joint_critic_needs_both(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    D = build_joint_critic(shape, 5, width=8, classes=2)
    x, z, y = torch.randn(6, *shape), torch.randn(6, 5), torch.tensor([0, 1] * 3)
    out = D(join(x, z), y)
    assert out.shape == (6,)
    assert not torch.allclose(D(join(x, z.roll(1, 0)), y), out)
    assert not torch.allclose(D(join(x.roll(1, 0), z), y), out)
    assert torch.allclose(D(join(x, z)[2:4], y[2:4]), out[2:4], atol=1e-5), "samples do not mix"


# --- mdgan ------------------------------------------------------------------------------------------------------------


def test_the_two_steps_of_mdgan() -> None:
    """G(E(x)) = x / 4 · 2 = x / 2 for E(x) = x / 4; D₁ sums times 1/4, D₂ times 1/2."""
    chosen: Any = strategy("mdgan")(loss="nonsaturating", gamma=0.0, weight=0.1)  # type: ignore[call-arg]
    nets = {"E": Scale(0.25), "G": Scale(2.0, [1.0, -2.0]), "D1": Sum(0.25), "D2": Sum(0.5)}
    batch = batch_of([[1.0, 3.0]] * 3)
    assert means(chosen.manifold_critic(nets, batch, START).terms) == pytest.approx({"L_D": sp(-1.0) + sp(0.5)})
    assert means(chosen.manifold(nets, batch, START).terms) == pytest.approx({"L_rec": 1.25, "L_G1": 0.1 * sp(-0.5)})
    assert means(chosen.diffusion_critic(nets, batch, START).terms) == pytest.approx({"L_D": sp(-1.0) + sp(-1.0)})
    loss = chosen.diffusion(nets, batch, START)
    assert means(loss.terms) == pytest.approx({"L_G2": sp(1.0)})
    loss.total().backward()
    assert nets["E"].a.grad is None, "reconstructions are the target of this step"
    assert [p.name for s in chosen.stages(DataSpec((2,), (), 9))[1:] for p in s.phases] == ["D1", "EG", "D2", "G"]


# --- veegan -----------------------------------------------------------------------------------------------------------


def test_the_two_losses_of_veegan() -> None:
    """F(G(z)) = (1, −2) = z for F(x) = x / 2; with F(x) = x, |z − F(G(z))|² / 2 = (1 + 4) / 2."""
    chosen: Any = strategy("veegan")(gamma=0.0, weight=3.0)  # type: ignore[call-arg]
    nets, batch = pair_networks(), batch_of([[1.0, 3.0]] * 3)
    assert means(chosen.inverses(nets, batch, START).terms) == pytest.approx({"L_G": -D_G, "L_F": 0.0})
    nets["E"] = Scale(1.0)
    loss = chosen.inverses(nets, batch, START)
    assert means(loss.terms) == pytest.approx({"L_G": -D_G, "L_F": 3 * 2.5})
    loss.terms["L_G"].mean().backward(retain_graph=True)
    assert nets["E"].a.grad is None, "F learns from G's noise alone"
    assert float(nets["G"].a.grad) == pytest.approx(-0.25 * (1 - 2)), "G raises the logit itself"


def test_veegan_shows_the_critic_draws_of_f() -> None:
    chosen: Any = strategy("veegan")()
    torch.manual_seed(0)
    x = torch.tensor([[2.0, 4.0]]).expand(20_000, 2)
    pairs = chosen.real_pairs({"E": Scale(0.5)}, x)
    assert torch.equal(pairs[:, :2], x)
    assert pairs[:, 2:].mean(0).tolist() == pytest.approx([1.0, 2.0], abs=0.03)
    assert pairs[:, 2:].std(0).tolist() == pytest.approx([1.0, 1.0], rel=0.03)


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bigan", "veegan"])
def test_codes_of_a_class_lie_around_its_embedding(name: str) -> None:
    chosen: Any = strategy(name)(z_dim=2, width=8, critic_width=8)  # type: ignore[call-arg]
    torch.manual_seed(0)
    nets = chosen.build(DataSpec((2,), ("a", "b"), 100))
    y = torch.tensor([0, 1] * 5000)
    batch = Batch(torch.zeros(10_000, 2), y, np.arange(10_000))
    c, fake, labels = chosen.coded_fakes(nets, batch)
    assert torch.equal(labels, y) and torch.equal(fake, nets["G"](c))
    for label in (0, 1):
        e = nets["G"].embed.weight[label].tolist()
        assert c[y == label].mean(0).tolist() == pytest.approx(e, abs=0.05)
