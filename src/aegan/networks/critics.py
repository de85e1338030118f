"""Critics: one number per sample (a logit), or per pack of samples.

No normalisation in ours: R1 and R2 need every sample's logit to depend on that sample alone. Images first meet an
overlapping convolution (twice as wide as its stride), since a critic that sees separate patches leaves their grid in
the generator's pictures; all further work is done at a quarter of the size and below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aegan.errors import UserError
from aegan.hints import Shape
from aegan.networks.augment import Augment
from aegan.networks.blocks import CriticBlock, ResidualMLPBlock, channels_last, stage_widths, start, zero
from aegan.networks.layers import MinibatchDiscrimination


def packed(x: Tensor, m: int) -> Tensor:
    """(N, C, ...) to (N / m, m * C, ...): m consecutive samples as one."""
    if len(x) % m:
        raise ValueError(f"a batch of {len(x)} cannot be packed by {m}")
    return x if m == 1 else x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:])


class Critic(nn.Module):
    """D(x, y) = v . h(x) + e_y . h(x) + b: a body h, a linear head, and a projection of the class embedding.

    The projection is that of Miyato & Koyama 2018 (arXiv 1802.05637). With `pack` = m > 1 the m consecutive samples
    x[m*i : m*(i+1)] are judged together, stacked along channels (PacGAN, arXiv 1712.04086), and the embeddings of
    their classes are averaged.

    Args:
        body: (N, m * C, ...) to a list of maps; the last is the vector (N, width) that the head reads.
        classes: number of classes, 0 for none.
    """

    def __init__(self, body: CriticBody, width: int, *, classes: int, pack: int) -> None:
        super().__init__()
        self.pack = pack
        self.classes = classes
        self.augment: Augment | None = None  # set where data is small: what D sees of images, while it is trained
        self.body = body
        self.linear = nn.Linear(width, 1)
        start(self.linear)
        self.embed = nn.Embedding(classes, width) if classes else None
        if self.embed is not None:
            nn.init.normal_(self.embed.weight, std=0.1 * width**-0.5)

    def features(self, x: Tensor) -> list[Tensor]:
        """Hidden maps (N / pack, c, h, w), finest first, and the vector (N / pack, width) last."""
        return self.body(packed(x, self.pack))

    def head(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (N / pack,) from the last of `features`."""
        logit = self.linear(h).squeeze(1)
        if self.embed is not None:
            if y is None:
                raise ValueError("a critic with classes needs labels")
            e = self.embed(y).view(len(h), self.pack, -1).mean(1)
            logit = logit + (e * h).sum(1)
        return logit

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.augment is not None and self.training:
            x = self.augment(x)
        return self.head(self.features(x)[-1], y)


class CriticBody(nn.Module):
    """Base of the bodies: forward returns the list of hidden maps, the vector for the head last."""

    def forward(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError


class ImageBody(CriticBody):
    """Overlapping stem to a quarter of the size, then residual stages at 1/4, 1/8, ... down to about 4x4.

    `shape` is (C, H, W) with the pack already counted in C.
    """

    def __init__(self, shape: Shape, *, width: int) -> None:
        super().__init__()
        channels, h, w = shape
        stem = [channels, width // 2, width] if min(h, w) >= 16 else [channels, width]
        self.stem = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(stem))
        h, w = (side // 2 ** len(self.stem) for side in (h, w))
        plan = [(h, w)]
        while max(h, w) > 4:
            h, w = max(1, h // 2), max(1, w // 2)
            plan.append((h, w))
        widths = stage_widths(width, len(plan))
        self.stages = nn.ModuleList()
        for i, _ in enumerate(plan):
            down: nn.Module = halving(widths[i - 1], widths[i], plan[i - 1]) if i else nn.Identity()
            self.stages.append(nn.Sequential(down, CriticBlock(widths[i], depth=len(plan))))
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and max(conv.stride) == 2:
                nn.init.kaiming_normal_(conv.weight, a=0.2)
                zero(conv.bias)
        self.out = nn.Linear(widths[-1] * h * w, 2 * width)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for i, conv in enumerate(self.stem):
            h = conv(F.leaky_relu(h, 0.2) if i else h)
        for i, stage in enumerate(self.stages):
            h = stage(F.leaky_relu(h, 0.2) if i else h)
            maps.append(h)
        maps.append(F.leaky_relu(self.out(F.leaky_relu(h, 0.2).flatten(1)), 0.2))
        return maps


def halving(inputs: int, outputs: int, size: tuple[int, int]) -> nn.Conv2d:
    """Halves the sides (h, w) of a map, but one that is 1 already, as in long and narrow images."""
    kernel, stride = zip(*((4, 2) if side > 1 else (3, 1) for side in size), strict=True)
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1)


class GridBody(CriticBody):
    """For spatial codes (c, h, w): residual convolutions at the code's own size, then stride 2 down to about 4x4."""

    def __init__(self, shape: Shape, *, width: int) -> None:
        super().__init__()
        channels, h, w = shape
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        layers: list[nn.Module] = [CriticBlock(width, depth=2)]
        while max(h, w) > 4:
            h, w = math.ceil(h / 2), math.ceil(w / 2)
            half = nn.Conv2d(width, width, 3, stride=2, padding=1)
            layers += [nn.LeakyReLU(0.2), half, CriticBlock(width, depth=2)]
        self.net = nn.Sequential(*layers)
        self.out = nn.Linear(width * h * w, 2 * width)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = self.net(self.stem(x.contiguous(memory_format=torch.channels_last)))
        return [h, F.leaky_relu(self.out(F.leaky_relu(h, 0.2).flatten(1)), 0.2)]


class VectorBody(CriticBody):
    """For vectors (D,): a linear layer and residual MLP blocks."""

    def __init__(self, dim: int, *, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(dim, width)
        self.net = nn.Sequential(*(ResidualMLPBlock(width) for _ in range(blocks)))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.leaky_relu(self.net(self.stem(x)), 0.2)]


class BatchBody(CriticBody):
    """A body with a vector `width` long, to which `kernels` numbers are added: how near a sample is to its batch."""

    def __init__(self, body: CriticBody, width: int, kernels: int) -> None:
        super().__init__()
        self.body = body
        self.minibatch = MinibatchDiscrimination(width, kernels)

    def forward(self, x: Tensor) -> list[Tensor]:
        *maps, h = self.body(x)
        return [*maps, torch.cat((h, self.minibatch(h).to(h.dtype)), 1)]


def with_head(body: CriticBody, width: int, *, classes: int, pack: int, minibatch: int = 0) -> Critic:
    """The critic of a body whose vector is `width` long, with `minibatch` numbers of minibatch discrimination."""
    if minibatch:
        body, width = BatchBody(body, width, minibatch), width + minibatch
    return Critic(body, width, classes=classes, pack=pack)


def build_critic(
    shape: Sequence[int], *, width: int = 64, classes: int = 0, pack: int = 1, codes: bool = False, minibatch: int = 0
) -> Critic:
    """A critic for images (C, H, W), for vectors or flat codes (D,), or with `codes` for spatial codes (c, h, w).

    Args:
        shape: of one sample.
        width: channels at a quarter of the image's size (twice that below, and for vectors; four times that in
            the vectors' hidden layers).
        classes: number of classes for the projection, 0: unconditional.
        pack: samples judged together; the batch must be a multiple of it.
        minibatch: numbers of minibatch discrimination; with any, samples are no longer judged one by one.

    >>> D = build_critic((1, 32, 32), width=16, classes=10)
    >>> D(torch.zeros(4, 1, 32, 32), torch.zeros(4, dtype=torch.long)).shape
    torch.Size([4])
    """
    if pack < 1:
        raise UserError(f"pack must be at least 1, not {pack}.", "Use --pack 1 for no packing.")
    whole = (shape[0] * pack, *shape[1:])
    body: CriticBody
    if len(whole) == 1:
        body, features = VectorBody(whole[0], width=4 * width, blocks=2), 4 * width
    elif codes:
        body, features = GridBody(whole, width=2 * width), 4 * width
    else:
        body, features = ImageBody(whole, width=width), 2 * width
    return channels_last(with_head(body, features, classes=classes, pack=pack, minibatch=minibatch))


class JointBody(CriticBody):
    """For pairs of an example and a code in one flat vector, as `join` makes them: a body each, then one for both.

    Example and code reach the joint layers as vectors of the same length, so that a long example does not drown a
    short code.

    Args:
        body: for examples of `shape`; its last output is (N, width).
        dim: of a flat code.
    """

    def __init__(self, body: CriticBody, shape: Shape, dim: int, width: int) -> None:
        super().__init__()
        self.shape = shape
        self.x = body
        self.z = VectorBody(dim, width=width, blocks=1)
        self.both = VectorBody(2 * width, width=width, blocks=2)

    def forward(self, pair: Tensor) -> list[Tensor]:
        size = math.prod(self.shape)
        x, z = pair[:, :size].reshape(-1, *self.shape), pair[:, size:]
        return self.both(torch.cat((self.x(x)[-1], self.z(z)[-1]), 1))


def join(x: Tensor, z: Tensor) -> Tensor:
    """Pairs (N, values of x + values of z), which a joint critic takes, and penalties differentiate, as one input."""
    return torch.cat((x.flatten(1).float(), z.flatten(1).float()), 1)


def build_joint_critic(shape: Sequence[int], dim: int, *, width: int = 64, classes: int = 0) -> Critic:
    """D(x, z, y) for examples of `shape` and flat codes (dim,), joined by `join`.

    >>> D = build_joint_critic((1, 16, 16), 8, width=16)
    >>> D(join(torch.zeros(4, 1, 16, 16), torch.zeros(4, 8))).shape
    torch.Size([4])
    """
    alone = build_critic(shape, width=width)
    features = alone.linear.in_features
    return Critic(JointBody(alone.body, tuple(shape), dim, features), features, classes=classes, pack=1)


class MapDecoder(nn.Module):
    """From a critic's map (N, c, h, w) to a picture (N, C, 4 h, 4 w): what a self-supervised critic still knows of x."""

    def __init__(self, inputs: int, channels: int, *, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(inputs, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 16 * channels, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def forward(self, h: Tensor) -> Tensor:
        return self.net(h)
