"""Shapes, starts and gradients of the networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aegan.errors import UserError
from aegan.networks import ConditionalGenerator, build_autoencoder, build_critic, build_decoder, build_residual
from aegan.networks.autoencoders import default_code_shape, grids
from aegan.networks.blocks import NoiseMaps

SHAPES = [(1, 32, 32), (3, 64, 64), (3, 20, 12), (1, 8, 8), (4, 28, 28), (3, 100, 36), (2,), (64,)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_autoencoder_round_trip_has_the_shape_of_the_data(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    E, G = build_autoencoder(shape, width=16)
    x = torch.randn(3, *shape)
    z = E(x)
    assert z.shape == (3, *default_code_shape(shape))
    assert G(z).shape == x.shape
    G(z).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for net in (E, G) for p in net.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_autoencoder_keeps_the_scale_at_the_start(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    E, G = build_autoencoder(shape, width=32)
    z = E(torch.randn(16, *shape))
    assert 0.1 < z.std() < 3
    assert 0.01 < G(torch.randn_like(z)).std() < 3


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("classes", "pack"), [(0, 1), (3, 1), (0, 2), (3, 2)])
def test_critic_gives_a_logit_per_pack(shape: tuple[int, ...], classes: int, pack: int) -> None:
    torch.manual_seed(0)
    D = build_critic(shape, width=16, classes=classes, pack=pack)
    y = torch.tensor([0, 1, 2, 0]) if classes else None
    assert D(torch.randn(4, *shape), y).shape == (4 // pack,)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 64), (5,)], ids=str)
def test_critic_judges_samples_one_by_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    D = build_critic(shape, width=16).double()
    for p in D.parameters():
        if not p.any():
            torch.nn.init.normal_(p, std=0.1)
    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    D(x)[0].backward()
    assert x.grad is not None
    assert x.grad[0].any() and not x.grad[1:].any()


def test_critic_on_codes_takes_spatial_codes() -> None:
    assert build_critic((8, 8, 8), width=16, codes=True)(torch.randn(2, 8, 8, 8)).shape == (2,)
    assert build_critic((8, 13, 5), width=16, codes=True)(torch.randn(2, 8, 13, 5)).shape == (2,)


def test_critic_asks_for_labels_and_whole_packs() -> None:
    with pytest.raises(ValueError, match="labels"):
        build_critic((2,), width=4, classes=2)(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="packed"):
        build_critic((2,), width=4, pack=2)(torch.zeros(3, 2))
    with pytest.raises(UserError):
        build_critic((2,), pack=0)


@pytest.mark.parametrize("shape", [(7,), (4, 8, 8), (3, 13, 5)], ids=str)
def test_residual_is_zero_at_the_start_and_learns(shape: tuple[int, ...]) -> None:
    f = build_residual(shape, width=16, classes=3)
    z, y = torch.randn(4, *shape), torch.tensor([0, 1, 2, 0])
    assert not f(z, y).any()
    f(z, y).sum().backward()
    assert f.last.weight.grad is not None and f.last.weight.grad.any()


def test_conditional_generator_moves_the_noise_by_class() -> None:
    torch.manual_seed(0)
    G = ConditionalGenerator(build_decoder((1, 8, 8), width=8), classes=2)
    z = G.noise(1, torch.Generator().manual_seed(0)).expand(2, -1)
    out = G(z, torch.tensor([0, 1]))
    assert out.shape == (2, 1, 8, 8)
    assert not torch.equal(out[0], out[1])
    assert torch.equal(G.noise(3, torch.Generator().manual_seed(1)), G.noise(3, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("shape", [(1, 30, 32), (5, 32, 32), (1, 4, 4), (1, 2, 3, 4)])
def test_shapes_that_do_not_fit_are_the_users_mistake(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError):
        build_autoencoder(shape, (4,))


def test_spatial_code_must_lie_on_a_grid() -> None:
    with pytest.raises(UserError, match="does not fit"):
        build_autoencoder((3, 64, 64), (8, 7, 7))
    E, G = build_autoencoder((3, 64, 64), (2, 4, 4), width=8)
    assert G(E(torch.zeros(1, 3, 64, 64))).shape == (1, 3, 64, 64)


def test_grids_halve_rounding_up() -> None:
    assert grids(100, 36) == [(25, 9), (13, 5), (7, 3), (4, 2)]


@pytest.mark.parametrize("upsampling", ["bilinear", "bilinear+noise"])
@pytest.mark.parametrize("shape", [(3, 64, 64), (4, 20, 12), (1, 8, 8)], ids=str)
def test_decoders_that_interpolate_round_trip(shape: tuple[int, ...], upsampling: Any) -> None:
    E, G = build_autoencoder(shape, upsampling=upsampling)
    x = torch.rand(2, *shape) * 2 - 1
    back = G(E(x))
    assert back.shape == x.shape
    back.square().mean().backward()
    assert all(p.grad is not None for p in G.parameters())


def test_interpolation_leaves_no_grid_and_pixel_shuffles_do() -> None:
    def unevenness(upsampling: Any) -> float:
        _, G = build_autoencoder((3, 64, 64), upsampling=upsampling)
        with torch.no_grad():
            flat = G.tail(torch.randn(1, 64, 1, 1).expand(4, -1, 16, 16))  # type: ignore[operator]
        return float(flat[..., 16:-16, 16:-16].std((2, 3)).max())

    assert unevenness("bilinear") < 1e-5 < 1e-2 < unevenness("shuffle")


def convolutions(tail: Any) -> list[torch.nn.Module]:
    return [m for m in tail if isinstance(m, torch.nn.Conv2d)]


def test_noise_maps_add_nothing_at_first_and_then_grain_that_the_code_scales() -> None:
    """Grain: neighbouring pixels of a flat image differ. The same code gives the same image; another, other grain."""
    _, plain = build_autoencoder((3, 64, 64), upsampling="bilinear")
    _, G = build_autoencoder((3, 64, 64), upsampling="bilinear+noise")
    for mine, other in zip(convolutions(plain.tail), convolutions(G.tail), strict=True):
        mine.load_state_dict(other.state_dict())
    a, b = torch.randn(2, 64, 1, 1).expand(-1, -1, 16, 16).split(1)
    with torch.no_grad():
        assert torch.allclose(G.tail(a), plain.tail(a), atol=1e-5), "A is zero: no grain yet"  # type: ignore[operator]
        for m in G.modules():
            if isinstance(m, NoiseMaps):
                m.A.weight.normal_()
        grain_a, again, grain_b = (G.tail(h) - plain.tail(h) for h in (a, a, b))  # type: ignore[operator]
    assert torch.equal(grain_a, again)
    assert grain_a.diff(dim=3).abs().mean() > 0.01
    assert (grain_a - grain_b).abs().mean() > 0.01
