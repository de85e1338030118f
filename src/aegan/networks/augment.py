"""What keeps a critic from memorising few images: it sees them, and G's, changed at random.

Every change is made of operations that have second derivatives, since R1 and R2 differentiate through them: torch's
`grid_sample`, on which kornia's geometric transforms stand, has none, which is why these are our own. Each is applied to
each example by itself with probability p ≤ 0.8, so that the distribution of changed images tells that of the unchanged
ones, and G learns none of the changes (Karras et al. 2020, section 2.2).

References:
    Zhao et al. 2020 (DiffAugment: these changes), arXiv 2006.10738; Karras et al. 2020 (ADA: p by what D does), 2006.06676.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aegan.collectives import all_gather_rows
from aegan.fp32 import in_fp32

MOST = 0.8  # above, changes begin to leak into G
TARGET = 0.6  # of r: eight pairs of ten told right
RAMP = 50_000  # images in which p goes from 0 to 1; ADA has 500,000 for runs a hundred times as long
SHIFT, CUT = 1 / 8, 1 / 2  # of the side
BRIGHTNESS, CONTRAST = 0.5, 0.5  # in the range [-1, 1]


class Augment(nn.Module):
    """T(x): brightness, saturation of colours, contrast, translation, cutout, each with probability p, which adapts.

    Buffers:
        p: the probability, (); 0 at first.
        r: E sign(D(x) − D(G(z))), smoothed, (): ADA's r_t for pairs, which relativistic games have in the place of zero.
    """

    p: Tensor
    r: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("r", torch.zeros(()))

    @torch.no_grad()
    def adapt(self, margin: Tensor) -> None:
        """Moves p up where D tells more pairs than `TARGET`, else down.

        Args:
            margin: D(x) − D(G(z)) of a batch, (N,).
        """
        margin = all_gather_rows(margin.float())
        self.r.lerp_(margin.sign().mean(), 0.01)
        self.p.add_((self.r - TARGET).sign() * (len(margin) / RAMP)).clamp_(0, MOST)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], changed; the same shape and precision."""
        return self._cut(self._shift(self._light(x.float()))).to(x.dtype)

    def _chosen(self, x: Tensor) -> Tensor:
        """(N, 1, 1, 1): 1 for the examples that are changed."""
        return (torch.rand(len(x), 1, 1, 1, device=x.device) < self.p).float()

    def _uniform(self, x: Tensor, reach: float) -> Tensor:
        """(N, 1, 1, 1): U(-reach, reach), 0 for the examples that stay."""
        return self._chosen(x) * reach * (2 * torch.rand(len(x), 1, 1, 1, device=x.device) - 1)

    def _light(self, x: Tensor) -> Tensor:
        if x.shape[1] == 4:  # alpha is not light
            return torch.cat((self._light(x[:, :3]), x[:, 3:]), 1)
        x = x + self._uniform(x, BRIGHTNESS)
        if x.shape[1] == 3:
            grey = x.mean(1, keepdim=True)
            x = grey + (x - grey) * (1 + self._uniform(x, 1.0))
        mean = x.mean((1, 2, 3), keepdim=True)
        return mean + (x - mean) * (1 + self._uniform(x, CONTRAST))

    def _shift(self, x: Tensor) -> Tensor:
        """Whole pixels up or down and sideways; what comes in is the edge repeated."""
        n, _, h, w = x.shape
        chosen = self._chosen(x).view(n)

        def places(side: int) -> Tensor:
            most = int(side * SHIFT + 0.5)
            by = chosen * torch.randint(-most, most + 1, (n,), device=x.device)
            return (torch.arange(side, device=x.device) - by[:, None]).clamp(0, side - 1).long()

        every = torch.arange(n, device=x.device)[:, None, None]
        return x.permute(0, 2, 3, 1)[every, places(h)[:, :, None], places(w)[:, None, :]].permute(0, 3, 1, 2)

    def _cut(self, x: Tensor) -> Tensor:
        """A square of grey, which may hang over the edge."""
        n, _, h, w = x.shape
        hidden = self._chosen(x)
        for dim, side in ((2, h), (3, w)):
            middle = torch.rand(n, 1, 1, 1, device=x.device) * side
            place = torch.arange(side, device=x.device).view([-1 if d == dim else 1 for d in range(4)])
            hidden = hidden * ((place + 0.5 - middle).abs() < side * CUT / 2)
        return x * (1 - hidden)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Images (N, C, H, W) blurred by a Gaussian of `sigma` > 0 pixels, whose weights sum to 1 at the border too.

    >>> gaussian_blur(torch.eye(9).view(1, 1, 9, 9), 1.0)[0, 0, 4, 4].item()
    0.28...
    """

    def weights(side: int) -> Tensor:
        place = torch.arange(side, device=x.device, dtype=x.dtype)
        return (-0.5 * ((place[:, None] - place) / sigma).square()).softmax(1)

    height, width = x.shape[2:]
    with in_fp32(x):
        # products of matrices: on a CPU faster than convolving each channel by itself
        return weights(height) @ x @ weights(width).T
