"""How far a reconstruction is from its image: one value per sample, (N,), a *mean* over the sample's values.

Means, not sums, so that weights do not depend on the size of the images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from aegan.collectives import all_reduce_mean
from aegan.fp32 import in_fp32

LEVELS = 3  # of a Laplacian pyramid


def per_sample(t: Tensor) -> Tensor:
    """The mean over everything but the first axis."""
    return t.flatten(1).mean(1)


def l1(x: Tensor, y: Tensor) -> Tensor:
    """mean |x - y|."""
    return per_sample((x - y).abs())


def l2(x: Tensor, y: Tensor) -> Tensor:
    """mean (x - y)^2."""
    return per_sample((x - y).square())


# lightness, red against green, and both against blue: orthonormal rows, so that chroma 1 changes no squared error
OPPONENT = ((3**-0.5,) * 3, (2**-0.5, -(2**-0.5), 0.0), (6**-0.5, 6**-0.5, -2 * 6**-0.5))


def opponent(x: Tensor, chroma: float) -> Tensor:
    """Colour images (N, C, H, W), C 3 or 4, on axes of lightness and colour, the latter times `chroma`; others as they are.

    Colour varies less than lightness, so an autoencoder that counts both alike leaves it out first.

    >>> opponent(torch.tensor([1.0, 1.0, 1.0]).view(1, 3, 1, 1), 2.0).flatten().tolist()
    [1.7320..., 0.0, 0.0]
    """
    if chroma == 1 or x.ndim != 4 or x.shape[1] < 3:
        return x
    with in_fp32(x):  # else x and x̂ would be rounded before they are compared
        axes = x.new_tensor(OPPONENT, dtype=torch.float32) * x.new_tensor((1.0, chroma, chroma)).float().unsqueeze(1)
        colour = torch.einsum("oc,nchw->nohw", axes, x[:, :3].float())
        return torch.cat((colour, x[:, 3:].float()), 1)


def laplacian_l1(x: Tensor, y: Tensor) -> Tensor:
    """sum_j 2^(-j) mean |L_j(x) - L_j(y)|, L_j the Laplacian pyramid, finest band j = 0, the rest last.

    Weighted so that a level counts by the sharpness it carries; of Bojanowski et al. 2018 (arXiv 1707.05776), who
    weigh 2^(2j) sums instead. Sizes below 4 end the pyramid.
    """
    d = x - y
    total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for j in range(LEVELS):
        if min(d.shape[-2:]) < 4:
            break
        low = F.avg_pool2d(d, 2, ceil_mode=True)
        band = d - F.interpolate(low, size=d.shape[-2:], mode="nearest")
        total = total + 2.0**-j * per_sample(band.abs())
        d = low
    return total + per_sample(d.abs())


def feature_distance(real: Sequence[Tensor], fake: Sequence[Tensor], *, power: int = 1) -> Tensor:
    """sum_l mean |f_l(x) - f_l(y)|^p / mean |f_l(x)|^p: a learned distance, from a critic's or an encoder's maps.

    The real side is a target (no gradient). Dividing by its own mean over the batch makes layers count equally, so
    that the weight does not follow the critic's scale. VAE/GAN, Larsen et al. 2016 (arXiv 1512.09300).

    Args:
        real, fake: maps of the same shapes, (N, ...).
        power: 1 or 2.
    """
    terms = []
    for a, b in zip(real, fake, strict=True):
        a = a.detach().to(torch.promote_types(a.dtype, torch.float32))
        distance = per_sample((b.to(a.dtype) - a).abs() ** power)
        terms.append(distance / all_reduce_mean((a.abs() ** power).mean()).clamp_min(1e-8))
    return torch.stack(terms).sum(0)
