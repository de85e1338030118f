"""A Gaussian around every code, as wide as the codes nearest to it are apart."""

from __future__ import annotations

import torch
from torch import Tensor

from aegan.density._fitted import Fitted

MOST = 20_000  # codes that are kept: they lie in the model's file
CHUNK = 1000  # codes whose neighbours are looked for at once
TRIALS, BISECTIONS = 300, 8  # draws by which h is found, in so many steps
WIDEST = 2.0  # h, where any would do: in one or two dimensions
DECIMALS = 3  # codes that agree so far are one: examples that are there twice would have nothing around them


class ManifoldParzen(Fitted):
    """p(u) = 1/N Σ_i N(u; u_i, h² S_i), S_i the covariance of u_i and the k codes nearest to it.

    The Gaussians lie along the data: S_i has rank k at most. A draw is u_i plus a random combination of the differences
    between its neighbours, so p has no density in all of R^d. Neighbours are of the same class; a class of no more than k
    codes takes them from all. h is such that draws are as far from the nearest code as codes are from each other, in the
    median: narrower, draws would be the codes themselves, slightly changed; new data are not that near.

    References:
        Vincent & Bengio 2002, Manifold Parzen Windows, NIPS 15 (here with fixed k, and without the isotropic part).

    Args:
        neighbours: k.
        bandwidth: by which that h is multiplied; at 0 it draws the codes themselves.
    """

    points: Tensor
    near: Tensor
    classes: Tensor
    h: Tensor

    def __init__(self, *, neighbours: int = 10, bandwidth: float = 1.0) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.bandwidth = bandwidth
        self.register_buffer("points", torch.empty(0, 0))  # (N, d), class by class
        self.register_buffer("near", torch.empty(0, 0, dtype=torch.long))  # (N, k + 1): itself and its neighbours
        self.register_buffer("classes", torch.empty(0, dtype=torch.long))  # (N,), ascending; -1 without labels
        self.register_buffer("h", torch.empty(0))

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None, scale: Tensor | None = None) -> ManifoldParzen:
        """Keeps `codes` (N, d), N ≥ 1, with their classes (N,), and finds neighbours.

        Dimensions are multiplied by `scale` (d,) before distances are taken.
        """
        order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(0))[:MOST].sort().values
        order = order.to(codes.device)
        if labels is not None:  # of a class that none of these is of, one
            there = torch.unique(labels[order]).tolist()
            lost = [(labels == c).nonzero()[0] for c in torch.unique(labels).tolist() if c not in there]
            order = torch.cat((order, *lost)).sort().values
        labels = torch.full_like(order, -1) if labels is None else labels[order]
        codes, kept = codes[order], []
        for c in torch.unique(labels):
            own = (labels == c).nonzero()[:, 0]
            kept.append(own[first_of_each(codes[own].round(decimals=DECIMALS))])
        self.points, self.classes = codes[torch.cat(kept)], labels[torch.cat(kept)]
        placed = self.points if scale is None else self.points * scale
        k = min(self.neighbours + 1, len(placed))
        self.near = torch.cat([self._nearest(placed, int(c), k) for c in torch.unique(self.classes)])
        self.h = self._width(placed)
        return self

    def _width(self, placed: Tensor) -> Tensor:
        """h, by bisection: distances of draws from the nearest code rise with it."""
        i = torch.linspace(0, len(placed) - 1, min(len(placed), TRIALS), device=placed.device).long()
        others = apart(placed[i], placed).scatter_(1, i[:, None], torch.inf)
        wanted = others.min(1).values.median()
        rng = torch.Generator().manual_seed(0)
        e = torch.randn(len(i), self.near.shape[1], dtype=placed.dtype, generator=rng).to(placed.device)
        deviation = self._deviation(placed, i, e)
        low, high = 0.0, WIDEST
        for _ in range(BISECTIONS):
            h = (low + high) / 2
            near = apart(placed[i] + h * deviation, placed).min(1).values.median()
            low, high = (h, high) if bool(near < wanted) else (low, h)
        return placed.new_tensor([(low + high) / 2])

    def _deviation(self, points: Tensor, i: Tensor, e: Tensor) -> Tensor:
        """Draws (n, d) from N(0, S_i), of numbers e (n, k + 1) from N(0, 1)."""
        around = points[self.near[i]]
        around = around - around.mean(1, keepdim=True)
        return (around * e[:, :, None]).sum(1) / max(e.shape[1] - 1, 1) ** 0.5

    def _nearest(self, placed: Tensor, c: int, k: int) -> Tensor:
        """The k points nearest to each of class c, (n, k), itself among them."""
        own = (self.classes == c).nonzero()[:, 0]
        among = own if len(own) >= k else torch.arange(len(placed), device=placed.device)
        found = [torch.cdist(some, placed[among]).topk(k, largest=False).indices for some in placed[own].split(CHUNK)]
        return among[torch.cat(found)]

    def sample_with_classes(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """n vectors u (n, d) and their classes (n,), -1 where it has none.

        Nothing here looks at values, so that a graph can hold it. y are classes (n,), each one that `fit` has seen, or -1:
        any. `truncation` scales the deviation from u_i.
        """
        self._check()
        first, count = self.classes.new_zeros(()), self.classes.new_full((), len(self.points))
        if y is not None:
            first = torch.where(y < 0, first, (self.classes < y[:, None]).sum(1))
            count = torch.where(y < 0, count, (self.classes == y[:, None]).sum(1))
        chance = torch.rand(n, device=self.points.device, generator=generator)
        i = first + (chance * count).long().minimum(count - 1)
        e = torch.randn(n, self.near.shape[1], dtype=self.points.dtype, device=self.points.device, generator=generator)
        width = truncation * self.bandwidth * self.h
        return self.points[i] + width * self._deviation(self.points, i, e), self.classes[i]


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Distances (N, M) of rows; not by matrix products, whose rounding is as large as the distances of close neighbours."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def first_of_each(rows: Tensor) -> Tensor:
    """Where each different row of (N, d) stands first, (M,), ascending.

    >>> first_of_each(torch.tensor([[2.0], [1.0], [2.0]])).tolist()
    [0, 1]
    """
    found, which = torch.unique(rows, dim=0, return_inverse=True)
    at = torch.arange(len(rows), device=rows.device)
    return at.new_full((len(found),), len(rows)).scatter_reduce(0, which, at, "amin").sort().values
