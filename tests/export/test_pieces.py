"""What a strategy draws becomes an input: the graphs give what the strategies themselves give, for every one of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from aegan.draws import Recording, Replaying, UnknownDraw, by_weight
from aegan.errors import UserError
from aegan.hub.pieces import GivenClasses, Piece, labels_known, pieces, takes_labels
from aegan.networks.custom import OwnNetwork
from aegan.strategies import strategies

VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("latent", "classes", {"prior": "mdn", "code_dim": 6}),
    ("latent", "vectors", {"prior": "mdn"}),
    ("latent", "classes", {"prior": "parzen"}),
    ("latent", "vectors", {"prior": "parzen"}),
    ("vqgan", "classes", {"bottleneck": "kl"}),
    ("gan", "classes", {"vbn": 4, "z_kind": "uniform"}),
    ("gan", "classes", {"networks": "dcgan", "gamma": 0.0, "loss": "nonsaturating"}),
    ("rae", "classes", {"spectral": True}),
    ("vae", "classes", {"prior": "mixture"}),
]


def by_name(found: list[Piece]) -> dict[str, Piece]:
    return {piece.name: piece for piece in found}


def largest(piece: Piece, n: int) -> float:
    with torch.no_grad():
        return max(float((piece.module(**inputs) - expected).abs().max()) for inputs, expected in piece.checks(n))


@pytest.mark.parametrize("kind", ["classes", "grid", "vectors"])
@pytest.mark.parametrize("name", sorted(strategies()))
def test_every_strategy(name: str, kind: str, make_model: Any) -> None:
    if kind == "vectors" and not strategies()[name].vectors:
        pytest.skip("images only")
    model = make_model(name, kind)
    found = by_name(pieces(model))
    assert ("generator" in found) == ("sample" in model.capabilities)
    assert ("encoder" in found) == ("encode" in model.capabilities)
    assert ("decoder" in found) == ({"encode", "decode"} <= model.capabilities)
    for piece in found.values():
        assert largest(piece, 5) < 1e-5, piece.name
        assert "D" not in piece.module.networks, "a critic is no part of what is shared"  # type: ignore[operator]


@pytest.mark.parametrize(("name", "kind", "options"), VARIANTS)
def test_variants(name: str, kind: str, options: dict[str, Any], make_model: Any) -> None:
    for piece in pieces(make_model(name, kind, **options)):
        assert largest(piece, 5) < 1e-5, piece.name


@pytest.mark.parametrize("name", ["latent", "gan", "latent-wgan", "alae"])
def test_a_class_that_is_asked_for_is_the_one_that_the_strategy_makes(name: str, make_model: Any) -> None:
    """Against the strategy's own path for given classes, which draws the same numbers."""
    model = make_model(name)
    assert takes_labels(model) and labels_known(model) == [0, 1]
    y = torch.tensor([1, 0, 1, 1])
    with torch.no_grad():
        rng = torch.Generator().manual_seed(0)
        with Recording(4) as record:
            wanted = model.strategy.sample(model.networks, 4, y, 0.6, rng)
        # with the class given, a strategy with frequencies draws none
        uniform = record.uniforms if record.uniforms.shape[1] else torch.zeros(4, 1)
        generator = by_name(pieces(model))["generator"].module
        made = generator(noise=record.noise, uniform=uniform, label=y, truncation=torch.tensor(0.6))
    assert torch.allclose(made, wanted, atol=1e-5)
    assert not torch.allclose(
        made, generator(noise=record.noise, uniform=uniform, label=1 - y, truncation=torch.tensor(0.6))
    )


def test_unasked_classes_are_as_frequent_as_in_the_data(make_model: Any) -> None:
    model = make_model("gan")
    u = (torch.arange(600) + 0.5)[:, None] / 600
    with Replaying(u, u):
        drawn = GivenClasses(model.networks["Y"], torch.full((600,), -1)).sample(600, torch.Generator())
    counts = model.networks["Y"].counts
    assert torch.equal(torch.bincount(drawn).float(), 600 * counts / counts.sum())


def test_a_class_without_examples_is_not_offered(make_model: Any) -> None:
    model = make_model("latent")
    model.networks["P"].mixture.classes.fill_(1)
    assert labels_known(model) == [1]


# --- draws ------------------------------------------------------------------------------------------------------------


def everything(n: int, rng: torch.Generator) -> list[Tensor]:
    weights = torch.tensor([3.0, 0.0, 1.0, 2.0])
    return [
        torch.randn(n, 2, 3, generator=rng),
        torch.rand((n, 2), generator=rng),
        torch.rand(n, dtype=torch.float64, generator=rng),
        torch.randint(7, (n,), generator=rng),
        torch.multinomial(weights, n, replacement=True, generator=rng),
        torch.multinomial(weights.expand(n, 4), 1, generator=rng),
        torch.randn(torch.Size((n, 1)), generator=rng),
    ]


def test_replayed_draws_are_the_recorded_ones() -> None:
    n = 400
    with Recording(n) as record:
        drawn = everything(n, torch.Generator().manual_seed(0))
    assert record.noise.shape == (n, 7) and record.uniforms.shape == (n, 6)
    with Replaying(record.noise, record.uniforms):
        again = everything(n, torch.Generator())
    for a, b in zip(drawn, again, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert torch.allclose(a.double(), b.double(), atol=1e-7)


def test_recording_changes_nothing() -> None:
    with Recording(5):
        recorded = everything(5, torch.Generator().manual_seed(3))
    plain = everything(5, torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(recorded, plain, strict=True))


def test_choices_follow_their_weights() -> None:
    weights = torch.tensor([1.0, 0.0, 3.0])
    u = (torch.arange(4000) + 0.5) / 4000
    assert torch.bincount(by_weight(weights, u)).tolist() == [1000, 0, 3000]
    assert by_weight(weights, torch.tensor([1.0])).tolist() == [2], "a number that was rounded to 1"


@pytest.mark.parametrize(
    "draw", [lambda: torch.normal(0.0, 1.0, (2,)), lambda: torch.empty(2).uniform_(), lambda: torch.randn(3, 2)]
)
def test_a_draw_that_no_input_stands_for(draw: Any) -> None:
    with pytest.raises(UnknownDraw), Recording(2):
        draw()


def test_a_sampler_that_draws_otherwise_is_refused(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.errors import UserError

    model = make_model("gan")
    monkeypatch.setattr(type(model.strategy), "sample", lambda self, nets, n, y, t, rng: torch.normal(0.0, 1.0, (n, 3)))
    with pytest.raises(UserError, match="cannot be exported: it draws normal"):
        pieces(model)


def test_a_strategy_with_nothing_to_export(make_model: Any) -> None:
    from aegan.errors import UserError

    model = make_model("gan")

    @dataclasses.dataclass(frozen=True)
    class Mute(type(model.strategy)):  # type: ignore[misc]
        capabilities = frozenset()

    model.strategy = Mute()
    with pytest.raises(UserError, match="no encoder, decoder or generator"):
        pieces(model)


def test_a_network_that_cannot_be_copied_is_named(make_model: Any) -> None:
    class Alone(torch.nn.Module):
        def __deepcopy__(self, memo: Any) -> Any:
            raise NotImplementedError("\nObject Alone must override\n`get_config()`.\n")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    model = make_model("autoencoder", "vectors")
    model.networks["E"] = OwnNetwork(Alone(), (2,))
    with pytest.raises(
        UserError, match=r"E \(Alone\) cannot be copied.*: Object Alone must override `get_config\(\)`\."
    ):
        pieces(model)
