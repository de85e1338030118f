"""Densities against scikit-learn and closed forms, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from aegan.density import Mixture, Whitening, mmd2
from aegan.errors import UserError


def blobs(n: int = 600, d: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    centres = 6 * torch.eye(3, d, dtype=torch.float64)
    return centres[y] + torch.randn(n, d, dtype=torch.float64, generator=generator), y


def test_whitening_makes_the_covariance_the_identity_and_returns() -> None:
    z, _ = blobs()
    z = z @ torch.tensor([[1.0, 2, 0], [0, 1, 0], [0, 1, 3]]).double() + 5
    w = Whitening().fit(z)
    u = w.encode(z)
    torch.testing.assert_close(torch.cov(u.T), torch.eye(3).double())
    torch.testing.assert_close(w.decode(u), z)


def test_whitening_drops_dead_dimensions_and_keeps_shapes() -> None:
    z = torch.randn(100, 2, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    z[:, 0, 0, 0] = 1.5
    w = Whitening().fit(z)
    assert w.dim == 7
    torch.testing.assert_close(w.decode(w.encode(z)), z)
    assert Whitening(keep=3).fit(z).encode(z).shape == (100, 3)


def test_whitening_keeps_the_leading_components() -> None:
    z = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([1.0, 9, 3, 0.5])
    w = Whitening(keep=2).fit(z)
    back = w.decode(w.encode(z))
    error = (back - z).square().mean(0)
    assert error[1] < 0.05 and error[2] < 0.05 and error[0] > 0.9


def test_mixture_log_prob_against_sklearn() -> None:
    z, _ = blobs()
    m = Mixture(components=(3,), shrinkage=0.0, iterations=60).fit(z)
    ref = GaussianMixture(3, random_state=0, tol=1e-9, max_iter=500, reg_covar=1e-9).fit(z.numpy())
    # Small responsibilities are left out of the covariances, hence not to the last digit.
    assert float(m.log_prob(z).mean()) == pytest.approx(ref.score(z.numpy()), abs=1e-3)
    ref.weights_, ref.means_ = m.weights.numpy(), m.means.numpy()
    ref.precisions_cholesky_ = np.linalg.inv(m.chols.numpy()).transpose(0, 2, 1)
    torch.testing.assert_close(m.log_prob(z), torch.from_numpy(ref.score_samples(z.numpy())))


def test_mixture_chooses_the_number_of_components() -> None:
    z, _ = blobs()
    assert len(Mixture(components=(1, 2, 3, 10, 20)).fit(z)) == 3


def test_mixture_with_labels() -> None:
    z, y = blobs()
    m = Mixture(components=(1, 2)).fit(z, y)
    assert m.classes.unique().tolist() == [0, 1, 2]
    assert float(m.weights.sum()) == pytest.approx(1)
    asked = torch.tensor([2] * 400)
    drawn = m.sample_with_classes(400, asked, generator=torch.Generator().manual_seed(0))[0]
    torch.testing.assert_close(drawn.mean(0), z[y == 2].mean(0), atol=0.25, rtol=0)
    # p(z) = sum_y p(y) p(z | y), classes being equally frequent
    parts = torch.stack([m.log_prob(z, torch.full((len(z),), c)) for c in range(3)])
    torch.testing.assert_close(m.log_prob(z), torch.logsumexp(parts, 0) - torch.tensor(3.0).double().log())
    with pytest.raises(UserError, match="no example"):
        m.sample_with_classes(1, torch.tensor([7]))


def test_mixture_with_a_missing_class() -> None:
    z, y = blobs()
    kept = y != 1
    m = Mixture(components=(1,)).fit(z[kept], y[kept])
    assert m.sample_with_classes(4, torch.tensor([0, 2, 0, 2]))[1].tolist() == [0, 2, 0, 2]
    with pytest.raises(UserError, match="no example"):
        m.sample_with_classes(1, torch.tensor([1]))


def test_mixture_samples_have_its_moments_and_truncation_narrows() -> None:
    z, _ = blobs()
    m = Mixture(components=(3,)).fit(z)
    drawn = m.sample_with_classes(20_000, generator=torch.Generator().manual_seed(0))[0]
    torch.testing.assert_close(drawn.mean(0), z.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.3, rtol=0)
    narrow, wide = m.sample_with_classes(500, truncation=0.5)[0], m.sample_with_classes(500)[0]
    assert float(m.log_prob(narrow).mean()) > float(m.log_prob(wide).mean())


def test_fit_and_sample_are_deterministic() -> None:
    z, y = blobs()
    torch.manual_seed(1)
    a = Mixture(components=(1, 3)).fit(z, y)
    torch.manual_seed(2)
    b = Mixture(components=(1, 3)).fit(z, y)
    for p, q in zip(a.buffers(), b.buffers(), strict=True):
        assert torch.equal(p, q)
    draws = [m.sample_with_classes(5, generator=torch.Generator().manual_seed(3))[0] for m in (a, b)]
    assert torch.equal(*draws)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_mixture_of_very_few_codes(n: int) -> None:
    z = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
    assert Mixture().fit(z).sample_with_classes(3)[0].isfinite().all()


def test_state_fills_a_fresh_module() -> None:
    z, y = blobs()
    for fitted, fresh in (
        (Whitening().fit(z), Whitening()),
        (Mixture(components=(2,)).fit(z, y), Mixture()),
    ):
        assert not fresh.fitted
        with pytest.raises(RuntimeError, match="fitted"):
            fresh._check()
        fresh.load_state_dict(fitted.state_dict())
        assert fresh.fitted
        for p, q in zip(fitted.buffers(), fresh.buffers(), strict=True):
            torch.testing.assert_close(p, q.to(p.dtype))


def test_mmd_is_unbiased_and_sees_a_difference() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, 60, 4, generator=generator) for _ in range(200)]
    for kernel in ("polynomial", "rbf"):
        same = torch.stack([mmd2(a, b, kernel=kernel) for a, b in draws])
        assert float(same.mean().abs()) < 4 * float(same.std()) / 200**0.5
        shifted = torch.stack([mmd2(a, b + 1, kernel=kernel) for a, b in draws[:20]])
        assert float(shifted.min()) > float(same.max())


def test_mmd_by_hand() -> None:
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [3.0]])
    # k(a, b) = (ab + 1)^3: within x 27, within y 1, across 1, 64, 1, 343
    assert float(mmd2(x, y)) == pytest.approx(27 + 1 - 2 * (1 + 64 + 1 + 343) / 4)
    with pytest.raises(ValueError, match="kernel"):
        mmd2(x, y, kernel="cubic")


def test_whitening_of_fewer_codes_than_dimensions_is_that_of_the_covariance() -> None:
    z = torch.randn(20, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = Whitening(floor=1e-9).fit(z)
    values, vectors = torch.linalg.eigh(torch.cov(z.T))
    assert w.dim == 19  # the mean takes one
    torch.testing.assert_close(w.scale, values.flip(0)[:19].sqrt())
    torch.testing.assert_close((w.basis.T @ vectors.flip(1)[:, :19]).abs(), torch.eye(19, dtype=torch.float64))
    torch.testing.assert_close(w.decode(w.encode(z)), z)


@pytest.mark.parametrize(("n", "d"), [(2, 128), (10, 256), (50, 512)])
def test_a_class_of_fewer_codes_than_dimensions(n: int, d: int) -> None:
    """Rounding in float32 leaves such a covariance not positive."""
    codes = torch.randn(n, d, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -1, d)
    made, _ = Mixture(components=(1,)).fit(codes).sample_with_classes(500, generator=torch.Generator().manual_seed(1))
    assert made.isfinite().all()
    assert float(made.std(0).mean()) == pytest.approx(float(codes.std(0, correction=0).mean()), rel=0.2)
