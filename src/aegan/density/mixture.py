"""A mixture of full-covariance Gaussians, fitted by EM in batches; per class if there are labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aegan.density._fitted import Fitted
from aegan.errors import UserError

LOG_2PI = math.log(2 * math.pi)


class Mixture(Fitted):
    """p(z) = sum_k w_k N(z; m_k, S_k), and with labels p(z | y) from the components of class y alone.

    Fitting: k-means++ start and a few rounds of k-means, then EM in which every covariance is pulled towards the
    pooled one of its class, the posterior mode under an inverse-Wishart prior worth `shrinkage` * d samples:

        S_k = (sum_i r_ik (z_i - m_k)(z_i - m_k)^T + a S) / (n_k + a),   a = shrinkage * d.

    The number of components is the one of `components` with the best log-likelihood on a held-out tenth of the codes,
    found for each class by itself; the search stops after two that are worse. The winner is fitted once more on all.
    The start and the split are of a fixed seed: the fit depends on nothing random.

    Args:
        components: numbers of components to try, ascending; with labels, per class. Those that leave fewer
            than `least` codes a component are skipped.
        iterations: of EM.
        shrinkage: strength of the prior on covariances, in units of d samples.
        least: codes a component should have at least, on average.
    """

    weights: Tensor
    means: Tensor
    chols: Tensor
    classes: Tensor

    def __init__(
        self,
        *,
        components: Sequence[int] = (1, 2, 5, 10, 20, 50, 100),
        iterations: int = 15,
        shrinkage: float = 0.3,
        least: int = 30,
    ) -> None:
        super().__init__()
        self.components = tuple(components)
        self.iterations = iterations
        self.shrinkage = shrinkage
        self.least = least
        self.register_buffer("weights", torch.empty(0))  # (K,), sum 1
        self.register_buffer("means", torch.empty(0, 0))  # (K, d)
        self.register_buffer("chols", torch.empty(0, 0, 0))  # (K, d, d), lower
        self.register_buffer("classes", torch.empty(0, dtype=torch.long))  # (K,), -1 without labels

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> Mixture:
        """Fit to `codes` (N, d) and optional classes (N,), in the codes' own precision; on the CPU, whatever they are on."""
        device = codes.device
        codes, labels = codes.cpu(), torch.full((len(codes),), -1) if labels is None else labels.cpu()
        generator, parts = torch.Generator().manual_seed(0), []
        for value in torch.unique(labels).tolist():
            own = codes[labels == value]
            weights, means, chols = self._choose(own, generator)
            share = len(own) / len(codes)
            parts.append((weights * share, means, chols, torch.full((len(weights),), value)))
        self.weights, self.means, self.chols, self.classes = (torch.cat(p).to(device) for p in zip(*parts, strict=True))
        return self

    def _choose(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        possible = [k for k in self.components if len(z) / k >= self.least] or [1]
        if len(possible) == 1:
            return em(z, possible[0], self.iterations, self.shrinkage, generator)
        order = torch.randperm(len(z), generator=generator)
        cut = max(1, int(len(z) * 0.1))
        test, train = z[order[:cut]], z[order[cut:]]
        best, score, worse = possible[0], -math.inf, 0
        for k in possible:
            fitted = em(train, k, self.iterations, self.shrinkage, generator)
            new = float(torch.logsumexp(component_log_prob(test, *fitted), 1).mean())
            if new > score:
                best, score, worse = k, new, 0
                continue
            worse += 1
            if worse == 2:  # one alone may be bad luck: on few codes the likelihood is not smooth in k
                break
        return em(z, best, self.iterations, self.shrinkage, generator)

    def __len__(self) -> int:
        return len(self.weights)

    def sample_with_classes(
        self, n: int, y: Tensor | None = None, truncation: float = 1.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """n codes (n, d) and their classes (n,), -1 where the mixture has none.

        Args:
            y: classes (n,) to draw of; a class that was not in the codes is an error.
            truncation: scales the deviation from the component's mean; below 1: more typical, less varied.
        """
        self._check()
        weights = self.weights.double()
        if y is None:
            k = torch.multinomial(weights, n, replacement=True, generator=generator)
        else:
            table = weights * (self.classes == torch.arange(int(y.max()) + 1, device=y.device)[:, None])
            if bool((table.sum(1)[y] <= 0).any()):
                raise UserError(
                    "A class has no example among those that the mixture was fitted to.",
                    "Raise fit_limit (--set), leave the class out of the data, or train with --no-classes.",
                )
            table[table.sum(1) <= 0] = 1.0
            # Rows differ by class: the inverse of each class's own cumulative weights.
            cumulative = table.cumsum(1)
            u = torch.rand(n, dtype=torch.float64, device=y.device, generator=generator) * cumulative[y, -1]
            k = torch.searchsorted(cumulative[y], u[:, None], right=True)[:, 0].clamp_max(len(self) - 1)
        e = torch.randn(n, self.means.shape[1], dtype=self.means.dtype, device=self.means.device, generator=generator)
        deviation = torch.empty_like(e)
        for c in torch.unique(k).tolist():
            rows = k == c
            deviation[rows] = e[rows] @ self.chols[c].T
        return self.means[k] + truncation * deviation, self.classes[k]

    def log_prob(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(z), or log p(z | y) where classes `y` (N,) are given, in nats, (N,)."""
        self._check()
        joint = component_log_prob(z, self.weights, self.means, self.chols)
        if y is None:
            return torch.logsumexp(joint, 1)
        own = self.classes == y[:, None]
        share = (self.weights * own).sum(1).log()
        return torch.logsumexp(joint.masked_fill(~own, -math.inf), 1) - share


def component_log_prob(z: Tensor, weights: Tensor, means: Tensor, chols: Tensor) -> Tensor:
    """log(w_k N(z_i; m_k, S_k)), (N, K); one component at a time, so that memory stays at N * d."""
    d = z.shape[1]
    identity = torch.eye(d, dtype=z.dtype, device=z.device)
    out = z.new_empty(len(z), len(weights))
    inverses = torch.linalg.solve_triangular(chols, identity.expand_as(chols), upper=False)
    for k, inverse in enumerate(inverses):
        r = torch.addmm(-(inverse @ means[k]), z, inverse.T)
        out[:, k] = -0.5 * r.square().sum(1)
    constant = weights.log() - chols.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * d * LOG_2PI
    return out + constant


def cholesky(covs: Tensor, floor: Tensor) -> Tensor:
    """Factors of covariances (K, d, d); where rounding leaves one not positive, as of fewer codes than dimensions, its
    diagonal gets 10, 100, … times `floor`."""
    for _ in range(6):
        chols, info = torch.linalg.cholesky_ex(covs)
        bad = info != 0
        if not bad.any():
            return chols
        floor = 10 * floor
        covs = covs + floor * bad[:, None, None] * torch.eye(covs.shape[1], dtype=covs.dtype)
    return torch.linalg.cholesky(covs)


def kmeans(z: Tensor, k: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Nearest-centre index (N,) after a k-means++ start and `rounds` of Lloyd's iteration; empty centres stay."""
    centres = z[torch.randint(len(z), (1,), generator=generator)]
    distance = (z - centres).square().sum(1)
    for _ in range(k - 1):
        chance = distance.double().clamp_min(0) + 1e-12
        # multinomial is limited to 2^24 categories; the inverse of the cumulative sum is not.
        u = torch.rand(1, dtype=torch.float64, generator=generator) * chance.sum()
        new = z[torch.searchsorted(chance.cumsum(0), u).clamp_max(len(z) - 1)]
        centres = torch.cat((centres, new))
        distance = torch.minimum(distance, (z - new).square().sum(1))
    for _ in range(rounds):
        nearest = (centres.square().sum(1) - 2 * z @ centres.T).argmin(1)
        count = torch.bincount(nearest, minlength=k)
        total = torch.zeros_like(centres).index_add_(0, nearest, z)
        centres = torch.where((count > 0)[:, None], total / count.clamp_min(1)[:, None], centres)
    return (centres.square().sum(1) - 2 * z @ centres.T).argmin(1)


def em(
    z: Tensor, k: int, iterations: int, shrinkage: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (k,), means (k, d) and Cholesky factors (k, d, d) of a mixture with k components; see `Mixture`.

    Responsibilities below 1e-3 are left out of the sums over covariances: in dozens of dimensions all but one or two of
    a code's responsibilities are that small, so this makes the M-step as cheap as that of k-means.
    """
    d = z.shape[1]
    if k > 1:
        nearest = kmeans(z, k, 5, generator)
        r = torch.zeros(len(z), k, dtype=z.dtype).scatter_(1, nearest[:, None], 1.0)
    else:
        iterations, r = 1, torch.ones(len(z), 1, dtype=z.dtype)
    grand = z.mean(0)
    total = (z - grand).T @ (z - grand) / len(z)
    floor = 1e-6 * total.diagonal().mean().clamp_min(1e-12)
    for i in range(iterations):
        n = r.sum(0)
        means = (r.T @ z) / n.clamp_min(1e-6)[:, None]
        means = torch.where((n > 1e-3)[:, None], means, grand)
        scatter = z.new_zeros(k, d, d)
        for j in range(k):
            rows = (r[:, j] > 1e-3).nonzero()[:, 0]
            c = z[rows] - means[j]
            scatter[j] = (c * r[rows, j, None]).T @ c
        pooled = scatter.sum(0) / n.sum()
        a = shrinkage * d if k > 1 else 0.0
        covs = (scatter + a * pooled) / (n + a).clamp_min(1e-6)[:, None, None]
        covs.diagonal(dim1=1, dim2=2).add_(floor)
        chols = cholesky(covs, floor)
        weights = (n + 1e-6) / (n + 1e-6).sum()
        if i + 1 < iterations:
            r = component_log_prob(z, weights, means, chols).softmax(1)
    return weights, means, chols
