"""Images as a few tokens without places (TiTok, Yu et al. 2024, arXiv 2406.07550): transformers in both directions.

E reads patches beside K tokens, of which only the latter are kept; G reads those beside one for each patch, of which only
the latter are kept. So a token may hold anything of the whole image.

In the paper the added ones are learned vectors. Here they begin as learned mixtures of what is read, so that E and G are
about linear at the start: with vectors alone the codebook shrank to an entry or two within 300 steps of 8×8 digits
(docs/strategies/titok.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.networks.autoencoders import check_image_shape, shuffling_tail
from aegan.networks.transformer import TokenBlock

PLACES = 0.1  # standard deviation of learned places at the start, so that contents are seen beside them
PATCHES = 100  # of an image at most, if its sides allow it: attention costs their square


def patch_side(height: int, width: int) -> int:
    """The side of a patch: the smallest of 2, 4, 8, 16 with which an image has at most `PATCHES`, or the largest that fits.

    >>> patch_side(16, 16), patch_side(32, 32), patch_side(64, 64), patch_side(128, 96), patch_side(20, 60)
    (2, 4, 8, 16, 4)
    """
    fitting = [p for p in (2, 4, 8, 16) if height % p == 0 and width % p == 0]
    return next((p for p in fitting if height * width <= PATCHES * p * p), fitting[-1])


class TokenEncoder(nn.Module):
    """E: images (N, C, H, W) in [-1, 1] to K tokens of c numbers, as codes (N, c, K, 1).

    >>> E = TokenEncoder((3, 32, 32), (8, 16, 1), width=32, depth=2)
    >>> E(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 8, 16, 1])
    """

    def __init__(self, shape: Sequence[int], code_shape: Sequence[int], *, width: int, depth: int) -> None:
        super().__init__()
        check_image_shape(tuple(shape))
        self.code_shape, self.tokens = tuple(code_shape), code_shape[1]
        self.patch = patch_side(*shape[1:])
        patches = math.prod(shape[1:]) // self.patch**2
        self.embed = nn.Linear(shape[0] * self.patch**2, width)
        self.read = nn.Linear(patches, self.tokens)
        self.places = nn.Parameter(PLACES * torch.randn(patches + self.tokens, width))
        self.blocks = nn.Sequential(*(TokenBlock(width) for _ in range(depth)))
        self.out = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, code_shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(F.pixel_unshuffle(x, self.patch).flatten(2).mT)
        h = self.blocks(torch.cat((patches, self.read(patches.mT).mT), 1) + self.places)
        return self.out(h[:, -self.tokens :]).mT.unsqueeze(3)


class TokenDecoder(nn.Module):
    """G: codes (N, c, K, 1) to images (N, C, H, W), unbounded; convolutions join the patches.

    >>> G = TokenDecoder((3, 32, 32), (8, 16, 1), width=32, depth=2)
    >>> G(torch.zeros(2, 8, 16, 1)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, shape: Sequence[int], code_shape: Sequence[int], *, width: int, depth: int) -> None:
        super().__init__()
        check_image_shape(tuple(shape))
        self.code_shape = tuple(code_shape)
        patch = patch_side(*shape[1:])
        self.grid = (shape[1] // patch, shape[2] // patch)
        self.embed = nn.Linear(code_shape[0], width)
        self.read = nn.Linear(code_shape[1], math.prod(self.grid))
        self.places = nn.Parameter(PLACES * torch.randn(math.prod(self.grid) + code_shape[1], width))
        self.blocks = nn.Sequential(*(TokenBlock(width) for _ in range(depth)))
        self.norm = nn.RMSNorm(width)
        self.tail = shuffling_tail(width, shape[0], patch)

    def forward(self, z: Tensor) -> Tensor:
        count = math.prod(self.grid)
        tokens = self.embed(z.flatten(2).mT)
        h = self.blocks(torch.cat((self.read(tokens.mT).mT, tokens), 1) + self.places)
        return self.tail(self.norm(h[:, :count]).mT.unflatten(2, self.grid))
