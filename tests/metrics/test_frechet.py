"""The Fréchet distance against closed forms and against independent implementations, in float64."""

import dataclasses

import numpy as np
import pytest
import torch

from aegan.errors import UserError
from aegan.metrics import Statistics, frechet_between, frechet_distance, frechet_interval, statistics


def exact(n: int, mean: torch.Tensor, root: torch.Tensor, seed: int) -> torch.Tensor:
    """n samples whose sample mean is `mean` and whose sample covariance is rootᵀ root, to rounding."""
    x = torch.randn(n, len(mean), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return white @ root + mean


def correlated(n: int, d: int, seed: int) -> torch.Tensor:
    """Features of very unequal variances, as networks give them."""
    g = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=g))[0]
    scale = torch.logspace(1, -3, d, dtype=torch.float64)
    return torch.randn(n, d, dtype=torch.float64, generator=g) * scale @ basis + scale * seed


def test_equals_the_closed_form_of_commuting_gaussians() -> None:
    d = 6
    mean_a, mean_b = torch.arange(6.0).double(), torch.ones(6).double()
    sd_a, sd_b = torch.linspace(0.1, 3, d).double(), torch.linspace(2, 0.5, d).double()
    want = (mean_a - mean_b).square().sum() + (sd_a - sd_b).square().sum()
    got = frechet_distance(exact(50, mean_a, sd_a.diag(), 0), exact(80, mean_b, sd_b.diag(), 1))
    assert got == pytest.approx(float(want), rel=1e-9)


def test_equals_torchmetrics_on_general_gaussians() -> None:
    from torchmetrics.image.fid import _compute_fid

    a, b = correlated(400, 40, 1), correlated(300, 40, 2)
    want = _compute_fid(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))
    assert frechet_distance(a, b) == pytest.approx(float(want), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 30, 100), (20, 500, 100), (60, 50, 60)])
def test_more_dimensions_than_samples(n: int, m: int, d: int) -> None:
    """tr (Σa Σb)^½ is the nuclear norm of the centred data's product: no covariance, no root of an eigenvalue."""
    a, b = correlated(n, d, 3).numpy(), correlated(m, d, 4).numpy()
    p, q = (x - x.mean(0) for x in (a, b))
    p, q = p / np.sqrt(n - 1), q / np.sqrt(m - 1)
    nuclear = np.linalg.svd(p @ q.T, compute_uv=False).sum()
    want = np.square(a.mean(0) - b.mean(0)).sum() + np.square(p).sum() + np.square(q).sum() - 2 * nuclear
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("m", [6, 12, 13, 40])
def test_few_items_are_no_other_case(m: int) -> None:
    """The small matrix of few items gives what their covariance gives: the distance, its error bar, the factor."""
    a, b = correlated(9, 12, 3), correlated(m, 12, 4)
    small = statistics(a), statistics(b)
    large = tuple(dataclasses.replace(side, rows=None) for side in small)
    assert small[0].rows is not None and (small[1].rows is None) == (m > 12)
    assert frechet_between(*small) == pytest.approx(frechet_between(*large), rel=1e-9)
    for side in small:
        torch.testing.assert_close(side.factor.T @ side.factor, side.covariance)
        across = side.factor @ side.factor.T
        torch.testing.assert_close(across, across.diag().diag())
    one, other = (frechet_interval(a, b, known=known) for known in (small, large))
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-6, nan_ok=True)


def test_is_zero_for_equal_clouds_and_symmetric() -> None:
    a, b = correlated(30, 80, 5), correlated(40, 80, 6)
    assert frechet_distance(a, a) < 1e-6 * float(a.var(0).sum())
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_statistics_are_the_sample_mean_and_covariance_whatever_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegan.metrics.frechet.CHUNK", 7)
    x = torch.randn(50, 5) + 1000
    s = statistics(x)
    assert s.count == 50
    torch.testing.assert_close(s.mean, x.double().mean(0))
    torch.testing.assert_close(s.covariance, torch.cov(x.double().T))


def test_constant_features_have_a_distance() -> None:
    assert frechet_distance(np.zeros((5, 3)), np.full((5, 3), 2.0)) == pytest.approx(12.0)


def test_bad_features_are_named() -> None:
    with pytest.raises(UserError, match="at least two"):
        statistics(torch.zeros(1, 4))
    with pytest.raises(UserError, match="finite"):
        statistics(torch.tensor([[0.0], [float("nan")]]))
    one = Statistics(torch.zeros(3).double(), torch.eye(3).double(), 9)
    with pytest.raises(UserError, match="3 and of 2"):
        frechet_between(one, Statistics(torch.zeros(2).double(), torch.eye(2).double(), 9))


def test_equals_the_matrix_square_root_of_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    a, b = correlated(500, 30, 7).numpy(), correlated(400, 30, 8).numpy()
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
    want = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root.real)
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-6)


def test_more_dimensions_than_samples_in_fifty_digits() -> None:
    """The eigenvalues of Σa Σb, which double precision cannot tell from noise, are those of a small matrix."""
    mpmath = pytest.importorskip("mpmath")
    a, b = correlated(6, 25, 9).numpy(), correlated(9, 25, 10).numpy()
    with mpmath.workdps(50):
        p, q = (mpmath.matrix((x - x.mean(0)).tolist()) / mpmath.sqrt(len(x) - 1) for x in (a, b))
        values = mpmath.eigsy(p * q.T * q * p.T, eigvals_only=True)
        cross = sum(mpmath.sqrt(v) for v in values if v > mpmath.mpf(10) ** -25)
        want = float(
            mpmath.mpf(float(np.square(a.mean(0) - b.mean(0)).sum()))
            + sum(v**2 for v in p)
            + sum(v**2 for v in q)
            - 2 * cross
        )
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-6)
