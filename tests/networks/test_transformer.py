"""Transformers on codes: shapes, what depends on what, and levels that add up."""

from __future__ import annotations

import pytest
import torch

from aegan.networks.transformer import Attention, TokenGenerator, build_token_critic

SHAPES = [(8, 4, 4), (3, 2, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_are_codes_and_are_judged_together(shape: tuple[int, ...]) -> None:
    H = TokenGenerator(shape, width=32, depth=4, levels=2, classes=2)
    C = build_token_critic(shape, width=32, depth=2, levels=2)
    v = torch.randn(3, *shape)
    made = H(v, torch.tensor([0, 1, 1]))
    assert torch.equal(made, torch.cat((v, v), 1)), "at the start"
    assert made.shape == (3, 2 * shape[0], *shape[1:])
    assert C(made).shape == (3,)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_critic_sees_every_number_of_every_level(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    C = build_token_critic(shape, width=32, depth=2, levels=3)
    x = torch.randn(2, 3 * shape[0], *shape[1:], requires_grad=True)
    (gradient,) = torch.autograd.grad(C(x)[0], x)
    assert (gradient[0] != 0).all() and (gradient[1] == 0).all()  # and no other example


def test_a_level_adds_to_the_one_before() -> None:
    torch.manual_seed(0)
    H = TokenGenerator((2, 2, 2), width=32, depth=2, levels=2)
    with torch.no_grad():
        H.read[0].weight.normal_()
        H.read[1].bias.fill_(1.0)
    rough, fine = H(torch.randn(4, 2, 2, 2)).chunk(2, 1)
    assert torch.allclose(fine, rough + 1)


def test_tokens_look_at_each_other() -> None:
    torch.manual_seed(0)
    C = build_token_critic((1, 2, 2), width=32, depth=1, levels=1)
    a, b = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    b[0, 0, 1, 1] = 1.0
    assert C(a) != C(b)


@pytest.mark.parametrize(("width", "heads"), [(20, 1), (32, 1), (64, 2), (100, 2), (112, 2), (96, 3), (250, 5)])
def test_attention_of_any_width(width: int, heads: int) -> None:
    net = Attention(width)
    assert net.heads == heads and net(torch.zeros(2, 3, width)).shape == (2, 3, width)
