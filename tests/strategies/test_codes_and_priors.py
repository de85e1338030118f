"""Strategies that match codes to a prior, make codes, or start from a decoder: their mathematics by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

import aegan
from aegan.config import RunConfig
from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.engine import Engine
from aegan.errors import UserError
from aegan.model import Model
from aegan.strategies import Clock, Fit, Networks, Stage, Strategy, strategy
from aegan.strategies._pieces import count_classes, noisy, normalised_codes
from aegan.strategies.rae import jacobian

START = Clock(0, 0.0)
SPEC = DataSpec((2,), (), 100)
ROWS = [[1.0, -3.0], [2.0, 0.0], [0.5, 0.5], [4.0, 1.0]]


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


def batch_of(rows: list[list[float]]) -> Batch:
    return Batch(torch.tensor(rows), None, np.arange(len(rows)))


class Scale(nn.Module):
    """z = a x, for E, G and G₂."""

    code_shape = (2,)

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x


class Linear(nn.Module):
    """D(x) = a Σ x: |∇D|² = 2 a² in two dimensions."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.a * x.sum(1)


class Constant(nn.Module):
    """H(ε) = (2, −1)."""

    def noise(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        return torch.zeros(n, 2)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tensor([2.0, -1.0]).expand(len(z), 2)


class Posterior(nn.Module):
    """q(z | x) = N((0.5, −1), diag(e^0.2, e^−0.4)) for every x."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.5, -1.0, 0.2, -0.4]).expand(len(x), 4)


KL = 0.5 * ((0.25 + math.exp(0.2) - 0.2 - 1) + (1 + math.exp(-0.4) + 0.4 - 1))


def fitted(codes: Tensor) -> Prior:
    prior = Prior(components=(1,))
    prior.fit(codes, None)
    return prior


def means(terms: dict[str, Tensor]) -> dict[str, float]:
    return {k: float(v.detach().mean()) for k, v in terms.items()}


def train(chosen: Strategy, data: Any, folder: Path, steps: int) -> Model:
    engine = Engine(chosen, data, RunConfig(steps=steps, device="cpu", precision="fp32"), folder)
    return Model(engine.strategy, engine.spec, engine.run().networks, device="cpu")


# --- decoder-init -----------------------------------------------------------------------------------------------------


def test_the_game_from_a_decoder() -> None:
    """With D = 0 both sides pay sp(0) = log 2; the anchor is |x − x/2|₁ on the first quarter of the batch."""
    chosen: Any = strategy("decoder-init")(anchor=3.0, anchored=0.25)  # type: ignore[call-arg]
    nets: Networks = {"E": Scale(0.5), "G": Scale(1.0), "D": Linear(0.0), "P": fitted(torch.randn(500, 2))}
    assert means(chosen.generator(nets, batch_of(ROWS), START).terms) == pytest.approx(
        {"L_G": math.log(2), "anchor": 3 * (0.5 + 1.5) / 2}
    )
    assert means(chosen.critic(nets, batch_of(ROWS), START).terms) == pytest.approx(
        {"L_D": math.log(2), "R1": 0.0, "R2": 0.0}
    )


def test_its_noise_covers_the_codes() -> None:
    """z = m + L ε has the mean and the covariance of the codes."""
    torch.manual_seed(0)
    codes = torch.randn(5000, 2) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]) + 3
    chosen: Any = strategy("decoder-init")()
    z = chosen.draw({"P": fitted(codes)}, 20_000, None, 1.0, torch.Generator().manual_seed(0))
    assert torch.allclose(z.mean(0), codes.mean(0), atol=0.06)
    assert torch.allclose(torch.cov(z.T), torch.cov(codes.T), rtol=0.06, atol=0.03)


def test_the_critic_begins_alone() -> None:
    play = strategy("decoder-init")(head_start=70).stages(SPEC)[-1]  # type: ignore[call-arg]
    assert isinstance(play, Stage) and play.warmup == 70
    assert [p.hold for p in play.phases] == [False, True]


@pytest.mark.parametrize("name", ["decoder-init", "latent"])
def test_noise_that_does_not_fit_the_codes_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' needs"):
        strategy(name)(prior="normal").build(SPEC)  # type: ignore[call-arg]


# --- latent-wgan ------------------------------------------------------------------------------------------------------


def test_the_game_on_codes() -> None:
    """L_C = C(H) − C(v) with mean C(v) = 0 for whitened codes; |∇C| = a √2 everywhere."""
    chosen: Any = strategy("latent-wgan")()
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0]) + 7
    nets: Networks = {"E": Scale(0.5), "G": Scale(1.0), "H": Constant(), "C": Linear(0.5), "P": fitted(x / 2)}
    batch = Batch(x, None, np.arange(len(x)))
    v, _ = normalised_codes(nets, batch, chosen.encode)
    assert torch.allclose(torch.cov(v.T), torch.eye(2), atol=1e-4)
    assert means(chosen.critic(nets, batch, START).terms) == pytest.approx(
        {"L_D": 0.5 * (2 - 1) - 0.0, "GP": 10 * (0.5 * math.sqrt(2) - 1) ** 2}, abs=1e-4
    )
    assert means(chosen.generator(nets, batch, START).terms) == pytest.approx({"L_H": -0.5})
    made = chosen.sample(nets, 3, None, 1.0, torch.Generator().manual_seed(0))
    back = nets["P"].restore(torch.tensor([[2.0, -1.0]] * 3))  # type: ignore[operator]
    assert torch.allclose(made, back)


# --- aae and wae-gan --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aae", "wae-gan"])
def test_the_critic_of_codes(name: str) -> None:
    """Real are z ~ N(0, I), fake are codes: E sp(−C(z)) by quadrature, sp(C(E(x))) by hand, γ/2 · 2 a²."""
    chosen: Any = strategy(name)(noise=0.0, gamma=0.2, penalty_every=1)  # type: ignore[call-arg]
    nets: Networks = {"E": Scale(0.5), "G": Scale(1.0), "C": Linear(0.3)}
    torch.manual_seed(0)
    loss = chosen.code_critic_loss(nets, batch_of(ROWS * 5000), START)
    t = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    z = torch.nn.functional.softplus(-0.3 * math.sqrt(2) * t) * (-0.5 * t * t).exp() / math.sqrt(2 * math.pi)
    fake = sum(sp(0.3 * 0.5 * sum(row)) for row in ROWS) / 4
    assert float(loss.terms["L_D"].detach().mean()) == pytest.approx(
        float(z.sum()) * float(t[1] - t[0]) + fake, abs=0.01
    )
    assert float(loss.terms["R1"].detach().mean()) == pytest.approx(0.1 * 2 * 0.09)
    assert set(loss.terms) == {"L_D", "R1"}


def test_the_turns_of_the_aae() -> None:
    chosen: Any = strategy("aae")(noise=0.0)  # type: ignore[call-arg]
    stage = chosen.stages(SPEC)[0]
    assert [(p.name, p.trains) for p in stage.phases] == [("AE", ("E", "G")), ("C", ("C",)), ("E", ("E",))]
    nets: Networks = {"E": Scale(0.5), "G": Scale(1.0), "C": Linear(0.3)}
    terms = chosen.encoder(nets, batch_of(ROWS), START).terms
    assert terms["L_E"].tolist() == pytest.approx([sp(-0.3 * 0.5 * sum(row)) for row in ROWS])


def test_the_cost_and_penalty_of_the_wae() -> None:
    chosen: Any = strategy("wae-gan")(noise=0.0, w1=0.0, w2=2.0, lambda_=0.4)  # type: ignore[call-arg]
    nets: Networks = {"E": Scale(0.5), "G": Scale(1.0), "C": Linear(0.3)}
    terms = chosen.transport(nets, batch_of(ROWS), START).terms
    assert set(terms) == {"L2", "penalty"}
    assert terms["L2"].tolist() == pytest.approx([2 * sum((v / 2) ** 2 for v in row) / 2 for row in ROWS])
    assert terms["penalty"].tolist() == pytest.approx([0.4 * sp(-0.3 * 0.5 * sum(row)) for row in ROWS])


def test_the_moments_of_the_wae() -> None:
    """Codes ±1 and ±2 about (3, 0): variances 4/3 and 16/3, no covariance."""
    chosen: Any = strategy("wae-gan")()
    x = [[4.0, 2.0], [2.0, -2.0], [4.0, -2.0], [2.0, 2.0]]
    terms = chosen.moments({"E": Scale(1.0)}, batch_of(x), START).terms
    assert means(terms) == pytest.approx({"mean": 9 / 2, "cov": ((4 / 3 - 1) ** 2 + (16 / 3 - 1) ** 2) / 2})


# --- beta-vae ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "progress", "excess"), [(0.0, 0.5, KL), (2.0, 0.375, abs(KL - 1)), (0.5, 1.0, KL - 0.5)]
)
def test_beta_and_capacity(capacity: float, progress: float, excess: float) -> None:
    chosen: Any = strategy("beta-vae")(beta=3.0, sigma=0.5, capacity=capacity)  # type: ignore[call-arg]
    nets: Networks = {"E": Posterior(), "G": Scale(0.0)}
    terms = means(chosen.elbo(nets, batch_of(ROWS), Clock(1, progress)).terms)
    mse = sum(v * v for row in ROWS for v in row) / 8
    assert terms == pytest.approx({"NLL": 0.5 * mse, "KL": 3 * 0.25 * excess / 2}, rel=1e-5)


# --- rae --------------------------------------------------------------------------------------------------------------


def test_the_terms_of_the_rae() -> None:
    chosen: Any = strategy("rae")(beta=0.3, theta_l2=0.1)  # type: ignore[call-arg]
    nets: Networks = {"E": Scale(0.5), "G": Scale(3.0)}
    terms = means(chosen.regularised(nets, batch_of(ROWS), START).terms)
    square = sum(v * v for row in ROWS for v in row) / 8
    assert terms == pytest.approx({"L2": 0.25 * square, "code": 0.3 * 0.5 * 0.25 * square, "theta": 0.05 * 9})


def test_the_jacobian_of_a_linear_decoder() -> None:
    """|A|² / D, A the matrix, on average over the probes; and its gradient reaches A."""
    G = nn.Linear(3, 4)
    torch.manual_seed(0)
    found = jacobian(G, torch.randn(40_000, 3))
    assert float(found.detach().mean()) == pytest.approx(float(G.weight.detach().square().sum()) / 4, rel=0.02)
    found.mean().backward()
    assert G.weight.grad is not None and torch.allclose(G.weight.grad, G.weight / 2, atol=0.05)


def test_the_other_penalties_of_the_rae(data_of: Any, make_narrow: Any, tmp_path: Path) -> None:
    chosen = make_narrow("rae", spectral=True, gp=0.1, theta_l2=0.0)
    model = train(chosen, data_of("rgb"), tmp_path / "run", steps=8)
    G = model.networks["G"].train()
    with torch.no_grad():
        G(torch.zeros(1, *G.code_shape))  # type: ignore[misc]
    weights = [m.weight.flatten(1) for m in G.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [float(torch.linalg.matrix_norm(w, 2)) for w in weights]
    assert norms == pytest.approx([1.0] * len(norms), abs=0.35), "by power iteration, so roughly"
    again = aegan.load(model.save(tmp_path / "model"), device="cpu")
    assert again.sample(3).shape == (3, 16, 16, 3)


# --- two-stage-vae ----------------------------------------------------------------------------------------------------


class View:
    spec = SPEC

    def batches(self, split: str, limit: int | None = None) -> Any:
        yield batch_of(ROWS * 2500)


def test_the_second_stage() -> None:
    """q(z|x) and q(u|z) are the same Gaussian and G₂ = 0: γ² = E z² = σ² + μ², in the bound and in what is measured."""
    chosen: Any = strategy("two-stage-vae")()
    nets = {"E": Posterior(), "G": Scale(1.0), "E2": Posterior(), "G2": Scale(0.0), **only_spread(chosen)}
    torch.manual_seed(0)
    loss = chosen.second(nets, batch_of(ROWS * 2500), START)
    second_moment = ((0.25 + math.exp(0.2)) + (1 + math.exp(-0.4))) / 2
    assert float(loss.terms["NLL"].detach()) == pytest.approx(0.5 * math.log(second_moment), abs=0.02)
    assert float(loss.terms["KL"].mean()) == pytest.approx(KL / 2)
    with torch.no_grad():
        found = chosen.spread(nets, View())
    assert found["gamma"] == pytest.approx(math.sqrt(second_moment), rel=0.02)


def only_spread(chosen: Any) -> Networks:
    return {"S": chosen.build(SPEC)["S"]}


def test_samples_of_the_second_stage_have_its_spread() -> None:
    """G₂(u) = 2u and γ = 1.5: variance 4 + 2.25."""
    chosen: Any = strategy("two-stage-vae")()
    nets: Networks = {"G": Scale(1.0), "G2": Scale(2.0), **only_spread(chosen)}
    nets["S"].value.fill_(1.5)  # type: ignore[operator, union-attr]
    made = chosen.sample(nets, 50_000, None, 1.0, torch.Generator().manual_seed(0))
    assert made.var(0).tolist() == pytest.approx([6.25, 6.25], rel=0.03)


# --- a mixture-density network as the prior ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["autoencoder", "latent", "decoder-init"])
def test_any_prior_can_be_a_mixture_density_network(name: str, data_of: Any, make_narrow: Any, tmp_path: Path) -> None:
    chosen = make_narrow(name, prior="mdn", mdn_width=16, mdn_components=3, mdn_share=1.0, mdn_lr=1e-2)
    kinds = {s.name: type(s) for s in chosen.stages(SPEC)}
    assert kinds["fit"] is Fit and kinds["density"] is Stage
    model = train(chosen, data_of("classes"), tmp_path / "run", steps=30)
    assert not np.array_equal(model.sample(4, label=0), model.sample(4, label=1))
    again = aegan.load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(again.sample(6, seed=3), model.sample(6, seed=3))


def test_the_loss_of_a_mixture_density_prior() -> None:
    """−log p(u) / k, u the whitened codes; at its start p does not depend on anything."""
    chosen: Any = strategy("autoencoder")(prior="mdn", mdn_components=1, mdn_width=8)  # type: ignore[call-arg]
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) * 3
    nets: Networks = {"E": Scale(0.5), **chosen.prior_networks()}
    fit, density = chosen.prior_stages(chosen.encode)
    nets["P"].fit(x / 2, None)  # type: ignore[operator]
    sigma = math.log(2) + 1e-3  # softplus(0), and the floor
    u = nets["P"].whitening.encode(x / 2)  # type: ignore[operator, union-attr]
    expected = 0.5 * float(u.square().mean()) / sigma**2 + math.log(sigma) + 0.5 * math.log(2 * math.pi)
    loss = density.phases[0].loss(nets, Batch(x, None, np.arange(300)), START)
    assert means(loss.terms) == pytest.approx({"NLL": expected}, rel=1e-5)
    assert fit.name == "fit"


def test_two_stage_draws_with_the_spread_as_it_is_so_far() -> None:
    chosen = strategy("two-stage-vae")(width=8, code_dim=2, second_width=8)
    nets = chosen.build(SPEC)
    loss = chosen.second(nets, batch_of(ROWS), START)
    assert float(nets["S"].value) == pytest.approx(float(loss.watch["MSE"].sqrt()))
    (phase,) = (p for stage in chosen.stages(SPEC) if stage.name == "second" for p in stage.phases)  # type: ignore[union-attr]
    assert "S" in phase.trains, "so that checkpoints and the best model hold it"


def test_classes_are_not_counted_where_there_are_none() -> None:
    class Untouched:
        spec = SPEC

        def batches(self, split: str, limit: int | None = None) -> Any:
            raise AssertionError("nothing was to be read")

    assert count_classes({}, Untouched()) == {"classes": 0}  # type: ignore[arg-type]


def test_the_transform_of_large_images_is_fitted_to_fewer() -> None:
    asked: list[int] = []

    class Counting:
        spec = DataSpec((3, 256, 256))

        def batches(self, split: str, limit: int) -> Any:
            asked.append(limit)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        strategy("codec")().fit_transform({}, Counting())  # type: ignore[attr-defined]
    assert asked == [508], "400 MB of numbers"


@pytest.mark.parametrize("name", ["aae", "wae-gan", "contrastive", "vqgan"])
def test_noise_of_all_numbers_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option counts in every phase that puts noise on codes."""
    said: list[bool] = []
    real = noisy

    def listening(z: Tensor, sigma: float, *, of_all: bool = False) -> Tensor:
        said.append(of_all)
        return real(z, sigma, of_all=of_all)

    monkeypatch.setattr("aegan.strategies._groups.noisy", listening)
    chosen = narrow(name, code_dim=2, noise=0.1, noise_of="all")
    nets, batch = chosen.build(SPEC), batch_of(ROWS)
    for stage in chosen.stages(SPEC):
        for phase in getattr(stage, "phases", ()):
            phase.loss(nets, batch, START)
    assert said and all(said)
