"""Tokens of whole images: shapes, what depends on what, and that they learn from pixels alone."""

from __future__ import annotations

import pytest
import torch

from aegan.networks.tokenising import PATCHES, TokenDecoder, TokenEncoder, patch_side

SHAPES = [(1, 8, 8), (3, 20, 12), (4, 32, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_all_of_the_image_in_each_token(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    E, G = (net(shape, (6, 5, 1), width=32, depth=1) for net in (TokenEncoder, TokenDecoder))
    x = torch.randn(2, *shape, requires_grad=True)
    z = E(x)
    assert z.shape == (2, 6, 5, 1) and G(z).shape == x.shape
    (gradient,) = torch.autograd.grad(z[0, :, 3].sum(), x)
    assert (gradient[0] != 0).all() and (gradient[1] == 0).all()
    code = torch.randn(1, 6, 5, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(G(code)[0, 0, 0, 0], code)
    assert (gradient != 0).all(), "a corner hears of every token"


@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 40), (32, 32), (64, 64), (128, 128), (96, 256)])
def test_patches_divide_the_image_and_are_few(height: int, width: int) -> None:
    side = patch_side(height, width)
    assert height % side == 0 and width % side == 0
    assert height * width // side**2 <= PATCHES or side == 16 or height % (2 * side) or width % (2 * side)


def test_the_start_is_nearly_linear() -> None:
    """E(a) + E(b) is E(a + b) + E(0), but for the blocks, whose part is small then."""
    torch.manual_seed(0)
    E = TokenEncoder((1, 16, 16), (8, 4, 1), width=64, depth=2).double()
    E.out[0] = torch.nn.Identity()  # the norm is linear in no way
    a, b = torch.randn(2, 50, 1, 16, 16, dtype=torch.float64)
    bent = E(a) + E(b) - E(a + b) - E(torch.zeros_like(a))
    assert bent.std() < 0.5 * E(a).std()
