"""Each strategy's own mathematics, against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aegan.data.loader import Batch
from aegan.data.spec import DataSpec
from aegan.density.prior import Prior
from aegan.strategies import Clock, Networks, strategy
from aegan.strategies._code_game import CodeGame, draw
from aegan.strategies._energy import Number

START = Clock(0, 0.0)


def sp(t: float) -> float:
    return math.log1p(math.exp(t))


def batch_of(rows: list[list[float]], y: list[int] | None = None) -> Batch:
    return Batch(torch.tensor(rows), None if y is None else torch.tensor(y), np.arange(len(rows)))


class Linear(nn.Module):
    """D(x) = a · Σ x: its gradient is a in every one of the d dimensions, a² d squared."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.a * x.sum(1)


class Constant(nn.Module):
    """G(z) = value, whatever z."""

    embed = None

    def __init__(self, value: list[float]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.zeros(count, 2)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.value.expand(len(z), -1) + 0 * z.sum()


# --- gan --------------------------------------------------------------------------------------------------------------

# D(x) = 0.5 (1 + 3) = 2 for the one x, D(G(z)) = 0.5 (2 − 1) = 0.5; |∇D|² = 0.5² · 2 = 0.5
REAL, FAKE, SQUARED = 2.0, 0.5, 0.5
GAMES: dict[str, tuple[dict[str, float], float]] = {
    "minimax": ({"L_D": sp(-REAL) + sp(FAKE), "R1": 0.3 * SQUARED}, -sp(FAKE)),
    "nonsaturating": ({"L_D": sp(-REAL) + sp(FAKE), "R1": 0.3 * SQUARED}, sp(-FAKE)),
    "lsgan": ({"L_D": ((REAL - 1) ** 2 + FAKE**2) / 2, "R1": 0.3 * SQUARED}, (FAKE - 1) ** 2 / 2),
    "hinge": ({"L_D": 0.0 + (1 + FAKE), "R1": 0.3 * SQUARED}, -FAKE),
    "wgan": ({"L_D": FAKE - REAL}, -FAKE),
    "wgan-gp": ({"L_D": FAKE - REAL, "GP": 10 * (math.sqrt(SQUARED) - 1) ** 2}, -FAKE),
    "rpgan": ({"L_D": sp(FAKE - REAL), "R1": 0.3 * SQUARED, "R2": 0.3 * SQUARED}, sp(REAL - FAKE)),
}


@pytest.mark.parametrize("game", GAMES)
def test_the_games_of_the_gan(game: str) -> None:
    """γ = 0.2, every third step three times as heavy: 3 · γ/2 · |∇D|² = 0.3 |∇D|²."""
    gan = strategy("gan")(loss=game, gamma=0.2, penalty_every=3, clip=10.0, z_dim=2)  # type: ignore[call-arg]
    nets: Networks = {"G": Constant([2.0, -1.0]), "D": Linear(0.5)}
    batch = batch_of([[1.0, 3.0]] * 4)
    critic, generator = GAMES[game]
    loss = gan.critic(nets, batch, START)  # type: ignore[attr-defined]
    assert {k: float(v.mean().detach()) for k, v in loss.terms.items()} == pytest.approx(critic, abs=1e-6)
    assert float(loss.watch["V(G,D)"].mean()) == pytest.approx(-sp(-REAL) - sp(FAKE))
    assert float(loss.watch["margin"].mean()) == pytest.approx(REAL - FAKE)
    between = gan.critic(nets, batch, Clock(1, 0.0))  # type: ignore[attr-defined]
    assert set(between.terms) == set(critic) - {"R1", "R2"}, "no R1 nor R2 between"
    made = gan.generator(nets, batch, START)  # type: ignore[attr-defined]
    assert {k: float(v.mean().detach()) for k, v in made.terms.items()} == pytest.approx({"L_G": generator}, abs=1e-6)


def test_every_game_can_be_chosen() -> None:
    import dataclasses
    from typing import get_args, get_type_hints

    kind = strategy("gan")
    assert set(get_args(get_type_hints(kind)["loss"])) == set(GAMES)
    assert dataclasses.fields(kind)


def test_wgan_clips_the_critic() -> None:
    gan = strategy("gan")(loss="wgan", clip=0.1, z_dim=2)  # type: ignore[call-arg]
    nets: Networks = {"G": Constant([0.0, 0.0]), "D": Linear(0.5)}
    gan.critic(nets, batch_of([[1.0, 1.0]]), START)  # type: ignore[attr-defined]
    assert nets["D"].a.item() == pytest.approx(0.1)  # type: ignore[operator, union-attr]


def test_the_generator_of_a_game_that_compares_gets_no_gradient_through_real_examples() -> None:
    gan = strategy("gan")(z_dim=2)  # type: ignore[call-arg]
    nets: Networks = {"G": Constant([2.0, -1.0]), "D": Linear(0.5)}
    gan.generator(nets, batch_of([[1.0, 3.0]]), START).total().backward()  # type: ignore[attr-defined]
    # d sp(D(x) − D(G)) / dG = −σ(1.5) · 0.5
    expected = -0.5 / (1 + math.exp(-1.5))
    assert nets["G"].value.grad.tolist() == pytest.approx([expected] * 2)  # type: ignore[union-attr]


# --- autoencoder ------------------------------------------------------------------------------------------------------


class Halve(nn.Module):
    code_shape = (2,)

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class Same(nn.Module):
    code_shape = (2,)

    def forward(self, z: Tensor) -> Tensor:
        return z


@pytest.mark.parametrize("name", ["autoencoder", "latent"])
def test_reconstruction_by_hand(name: str) -> None:
    """x̂ = x / 2: |x − x̂|₁ = mean |x| / 2, |x − x̂|₂² = mean x² / 4."""
    chosen = strategy(name)(noise=0.0, w1=3.0, w2=2.0)  # type: ignore[call-arg]
    batch = batch_of([[1.0, -3.0], [2.0, 0.0]])
    terms = chosen.compress({"E": Halve(), "G": Same()}, batch, START).terms  # type: ignore[attr-defined]
    assert terms["L1"].tolist() == pytest.approx([3 * 1.0, 3 * 0.5])
    assert terms["L2"].tolist() == pytest.approx([2 * 10 / 8, 2 * 4 / 8])


def test_noise_is_measured_in_standard_deviations_of_the_codes() -> None:
    chosen = strategy("autoencoder")(noise=0.5, w1=0.0, w2=1.0)  # type: ignore[call-arg]
    x = torch.randn(20_000, 2) * torch.tensor([1.0, 10.0])
    torch.manual_seed(0)
    loss = chosen.compress({"E": Same(), "G": Same()}, Batch(x, None, np.arange(len(x))), START)  # type: ignore[attr-defined]
    assert set(loss.terms) == {"L2"}
    assert float(loss.terms["L2"].mean()) == pytest.approx(0.25 * (1 + 100) / 2, rel=0.05)


# --- vae --------------------------------------------------------------------------------------------------------------


class Posterior(nn.Module):
    """q(z | x) = N((0.5, −1), diag(e^0.2, e^−0.4)) for every x."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.5, -1.0, 0.2, -0.4]).expand(len(x), 4)


class Zero(nn.Module):
    code_shape = (2,)

    def forward(self, z: Tensor) -> Tensor:
        return 0 * z


def test_the_bound_against_its_closed_form() -> None:
    vae = strategy("vae")(beta=3.0)  # type: ignore[call-arg]
    batch = batch_of([[1.0, -3.0], [2.0, 0.0]])
    loss = vae.elbo({"E": Posterior(), "G": Zero()}, batch, START)  # type: ignore[attr-defined]
    mse = (1 + 9 + 4 + 0) / 4
    assert float(loss.terms["NLL"]) == pytest.approx(0.5 * math.log(mse), abs=1e-5)
    kl = 0.5 * ((0.25 + math.exp(0.2) - 0.2 - 1) + (1 + math.exp(-0.4) + 0.4 - 1))
    assert loss.terms["KL"].tolist() == pytest.approx([3 * kl / 2] * 2)
    normal = torch.distributions.Normal(torch.tensor([0.5, -1.0]), torch.tensor([0.1, -0.2]).exp())
    library = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum()
    assert kl == pytest.approx(float(library))


def test_the_bound_with_the_likelihood_of_laplace() -> None:
    """At the best scale b = E|x − x̂|, −log p is log 2b + 1 a value: the loss leaves the constants out."""
    batch = batch_of([[1.0, -3.0], [2.0, 0.0]])
    nets: Networks = {"E": Posterior(), "G": Zero()}
    b = (1 + 3 + 2 + 0) / 4
    library = -torch.distributions.Laplace(0.0, b).log_prob(batch.x).mean()
    for name, of in (("vae", "elbo"), ("two-stage-vae", "first")):
        loss = getattr(strategy(name)(likelihood="laplace"), of)(nets, batch, START)  # type: ignore[call-arg]
        assert float(loss.terms["NLL"]) == pytest.approx(math.log(b), abs=1e-5)
        assert float(loss.terms["NLL"]) == pytest.approx(float(library) - math.log(2) - 1, abs=1e-5)


@pytest.mark.parametrize("name", ["vae", "two-stage-vae"])
@pytest.mark.parametrize(("progress", "part"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (1.0, 1.0)])
def test_the_weight_of_the_kl_rises_while_it_warms_up(name: str, progress: float, part: float) -> None:
    nets: Networks = {"E": Posterior(), "G": Zero(), "E2": Posterior(), "G2": Zero(), "S": Number(1.0)}
    batch, clock = batch_of([[1.0, -3.0], [2.0, 0.0]]), Clock(10, progress)
    losses = ["elbo"] if name == "vae" else ["first", "second"]
    for loss in losses:
        whole = getattr(strategy(name)(), loss)(nets, batch, START).terms
        warm = getattr(strategy(name)(kl_warmup=0.4), loss)(nets, batch, clock).terms  # type: ignore[call-arg]
        assert warm["KL"].tolist() == pytest.approx([part * kl for kl in whole["KL"].tolist()])


def test_codes_of_the_posterior() -> None:
    vae = strategy("vae")()
    nets: Networks = {"E": Posterior(), "G": Zero()}
    x = torch.zeros(50_000, 2)
    torch.manual_seed(0)
    z = vae.posterior_sample(nets, x)  # type: ignore[attr-defined]
    assert z.mean(0).tolist() == pytest.approx([0.5, -1.0], abs=0.02)
    assert z.var(0).tolist() == pytest.approx([math.exp(0.2), math.exp(-0.4)], rel=0.03)
    assert vae.encode(nets, x[:1]).tolist() == [[0.5, -1.0]], "its code is the mean"


def test_the_normal_prior_of_the_vae() -> None:
    vae = strategy("vae")(prior="normal")  # type: ignore[call-arg]
    made = vae.sample({"G": Same()}, 50_000, None, 0.5, torch.Generator().manual_seed(0))
    assert made.std(0).tolist() == pytest.approx([0.5, 0.5], rel=0.03)


# --- latent -----------------------------------------------------------------------------------------------------------


def latent_networks(shape: tuple[int, ...], classes: int = 0) -> tuple[Any, Networks]:
    chosen = strategy("latent")(width=8, critic_width=8, play_width=8, components=(1, 2))  # type: ignore[call-arg]
    torch.manual_seed(0)
    nets = chosen.build(DataSpec(shape, tuple(map(str, range(classes))), 100))
    z = torch.randn(200, *nets["G"].code_shape) * 3 + 1  # type: ignore[misc, union-attr]
    nets["P"].fit(z, torch.arange(200) % classes if classes else None)  # type: ignore[operator]
    return chosen, nets


@pytest.mark.parametrize(("shape", "classes"), [((2,), 0), ((3, 16, 16), 2), ((3, 40, 40), 0)])
def test_play_starts_exactly_at_the_mixture(shape: tuple[int, ...], classes: int) -> None:
    _, nets = latent_networks(shape, classes)
    rng = torch.Generator().manual_seed(0)
    v, moved, y = draw(nets, 20, None, rng=rng)
    assert torch.equal(v, moved)
    assert (y is None) == (classes == 0)
    z, _ = nets["P"].sample(20, None, 1.0, torch.Generator().manual_seed(0))  # type: ignore[operator]
    assert torch.allclose(nets["P"].restore(moved), z, atol=1e-4)  # type: ignore[operator]


class Codes:
    """A view of codes that are their own data."""

    spec = DataSpec((2,), (), 100)

    def __init__(self, codes: Tensor) -> None:
        self.codes = codes

    def batches(self, split: str, limit: int | None = None) -> Any:
        assert split == "held_out", "what was trained on must not choose"
        yield Batch(self.codes, None, np.arange(len(self.codes)))


def chosen_with_shift(shift: float, centre: float = 1.0, count: int = 1000) -> tuple[dict[str, Any], Networks]:
    """The prior is N(0, I), held-out codes are N(centre, I), and f moves codes by `shift`."""
    chosen, nets = latent_networks((2,))
    game = CodeGame(chosen.encode, lr=1e-4, gamma=1.0)
    torch.manual_seed(0)
    nets["P"] = Prior(components=(1,))
    nets["P"].fit(torch.randn(5000, 2), None)  # type: ignore[operator]
    nets["E"] = Same()
    with torch.no_grad():
        nets["f"].last.bias.fill_(shift)  # type: ignore[union-attr, operator]
        return game.choose(nets, Codes(torch.randn(count, 2) + centre)), nets


def test_f_is_kept_where_it_helps() -> None:
    notes, nets = chosen_with_shift(1.0)
    assert notes["kept"] == "latent GAN" and notes["latent GAN"] < notes["mixture"]
    assert nets["f"].last.bias.tolist() == [1.0, 1.0]  # type: ignore[union-attr, operator]


def test_f_is_zero_again_where_it_helps_by_chance_alone() -> None:
    """The prior is right already: of a step to the right and one to the left, the better is so by luck."""
    found = [chosen_with_shift(shift, centre=0.0)[0] for shift in (0.01, -0.01)]
    assert any(notes["latent GAN"] < notes["mixture"] for notes in found)
    assert [notes["kept"] for notes in found] == ["mixture"] * 2


def test_f_is_zero_again_where_it_does_not_help() -> None:
    notes, nets = chosen_with_shift(-1.0)
    assert notes["kept"] == "mixture" and notes["latent GAN"] > notes["mixture"]
    assert bool((nets["f"](torch.randn(5, 2)) == 0).all())


@pytest.mark.parametrize("count", [1, 3])
def test_f_is_zero_again_where_there_is_too_little_to_choose_by(count: int) -> None:
    notes, nets = chosen_with_shift(1.0, count=count)
    assert notes == {"kept": "mixture", "because": "there were too few held-out examples to choose by"}
    assert bool((nets["f"](torch.randn(5, 2)) == 0).all())


def test_the_anchor_of_sharpen() -> None:
    """With D = 0, L_G = sp(0) = log 2, and the anchor is 5 |x − G(E(x))|₁ on the half of the batch that was encoded."""
    chosen, nets = latent_networks((2,))
    nets["E"], nets["G"], nets["D"] = Halve(), Same(), Linear(0.0)
    nets["P"] = Prior(components=(1,))
    nets["P"].fit(torch.randn(500, 2), None)  # type: ignore[operator]
    batch = batch_of([[1.0, -3.0], [2.0, 0.0], [100.0, 100.0], [100.0, 100.0]])
    terms = chosen.sharpen(nets, batch, START).terms
    assert terms["L_G"].tolist() == pytest.approx([math.log(2)] * 4)
    assert terms["anchor"].tolist() == pytest.approx([chosen.anchor * 1.0, chosen.anchor * 0.5])


def test_half_of_what_sharpen_decodes_is_encoded() -> None:
    chosen, nets = latent_networks((2,))
    nets["E"] = Halve()
    batch = batch_of([[float(i), 0.0] for i in range(10)])
    z, x, y = chosen.fakes(nets, batch)
    assert torch.equal(z[:5], batch.x[:5] / 2) and torch.equal(x, batch.x[:5]) and y is None
    assert z.shape == (10, 2)


def test_made_codes_are_of_the_batchs_classes() -> None:
    """Real and made are judged pair by pair, of one class each."""
    chosen, nets = latent_networks((2,), classes=2)
    z = torch.cat([torch.randn(100, 2) * 0.1 - 5, torch.randn(100, 2) * 0.1 + 5])
    nets["P"] = Prior(components=(1,))
    nets["P"].fit(z, torch.arange(2).repeat_interleave(100))  # type: ignore[operator]
    y = [0, 1, 1, 0, 1, 0, 0, 1]
    made, _, _ = chosen.fakes(nets, batch_of([[0.0, 0.0]] * 8, y))
    assert (made[4:, 0] > 0).int().tolist() == y[4:]


@pytest.mark.parametrize("walkback_steps", [0, 1, 3])
def test_samples_go_round_as_often_as_told(walkback_steps: int) -> None:
    """E(z) = z / 2 and G(z) = z: every trip halves."""
    chosen, nets = latent_networks((2,))
    nets["E"], nets["G"] = Halve(), Same()
    _, v, _ = draw(nets, 5, None, rng=torch.Generator().manual_seed(0))
    z = nets["P"].restore(v)  # type: ignore[operator]
    made = replace(chosen, walkback_steps=walkback_steps).sample(nets, 5, None, 1.0, torch.Generator().manual_seed(0))
    assert torch.allclose(made, z / 2**walkback_steps)


def test_stages_left_out() -> None:
    spec = DataSpec((2,), (), 100)
    names = [s.name for s in strategy("latent")(play_share=0, sharpen_share=0).stages(spec)]  # type: ignore[call-arg]
    assert names == ["compress", "fit"]
