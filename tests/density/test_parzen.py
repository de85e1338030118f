"""Parzen windows along the data: what is drawn lies where the codes lie, of the class that was asked for."""

from __future__ import annotations

import pytest
import torch

from aegan.density import ManifoldParzen
from aegan.density.parzen import apart
from aegan.density.prior import Prior


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def circle(n: int, d: int = 2) -> torch.Tensor:
    angle = 2 * torch.pi * torch.rand(n, generator=rng())
    return torch.nn.functional.pad(torch.stack((angle.cos(), angle.sin()), 1), (0, d - 2))


def test_draws_stay_on_the_manifold_where_one_gaussian_leaves_it() -> None:
    codes = circle(2000, d=5)
    made = ManifoldParzen().fit(codes).sample_with_classes(4000, generator=rng(1))[0]
    assert float((made.norm(dim=1) - 1).abs().max()) < 0.05
    assert float(made[:, 2:].abs().max()) == 0, "nothing across it"
    assert float(torch.cdist(made, codes).min(1).values.median()) > 1e-5, "not the codes themselves"


def test_the_covariance_of_draws_around_a_code_is_that_of_its_neighbourhood() -> None:
    codes = torch.randn(11, 3, generator=rng(), dtype=torch.float64)
    windows = ManifoldParzen(neighbours=10, bandwidth=0.5).fit(codes)  # everyone's neighbours are all the others
    made = windows.sample_with_classes(200_000, generator=rng(1))[0]
    h = 0.5 * float(windows.h)
    within, between = h**2 * torch.cov(codes.T), torch.cov(codes.T, correction=0)
    torch.testing.assert_close(torch.cov(made.T), within + between, atol=0.02, rtol=0.02)
    torch.testing.assert_close(made.mean(0), codes.mean(0), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("d", [3, 40])
def test_draws_are_as_far_from_the_codes_as_new_data_are(d: int) -> None:
    codes = torch.randn(1500, d, generator=rng())
    new = torch.randn(1500, d, generator=rng(1))
    made = ManifoldParzen().fit(codes).sample_with_classes(1500, generator=rng(2))[0]
    of_new, of_made = (float(apart(x, codes).min(1).values.median()) for x in (new, made))
    assert of_made == pytest.approx(of_new, rel=0.15)
    narrow = ManifoldParzen(bandwidth=0.3).fit(codes).sample_with_classes(1500, generator=rng(2))[0]
    assert float(apart(narrow, codes).min(1).values.median()) < 0.7 * of_new


def test_neighbours_are_measured_in_the_given_scale() -> None:
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    assert ManifoldParzen(neighbours=1).fit(codes).near[0].tolist() == [0, 1]
    assert ManifoldParzen(neighbours=1).fit(codes, scale=torch.tensor([9.0, 1.0])).near[0].tolist() == [0, 2]


def test_classes_are_obeyed_and_as_often_as_in_the_codes() -> None:
    codes = torch.cat((torch.randn(300, 2, generator=rng()), torch.randn(100, 2, generator=rng(1)) + 50))
    labels = torch.cat((torch.full((300,), 3), torch.full((100,), 1)))
    windows = ManifoldParzen().fit(codes, labels)
    y = torch.tensor([1, 3, 3, 1, -1])
    made, classes = windows.sample_with_classes(5, y, generator=rng(2))
    assert classes[:4].tolist() == y[:4].tolist()
    assert ((made[:4, 0] > 25) == (y[:4] == 1)).all()
    drawn = windows.sample_with_classes(4000, generator=rng(3))[1]
    assert float((drawn == 1).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_class_of_few_takes_neighbours_from_all() -> None:
    codes = torch.randn(50, 2, generator=rng())
    labels = torch.zeros(50, dtype=torch.long)
    labels[0] = 1
    made = ManifoldParzen().fit(codes, labels).sample_with_classes(100, torch.ones(100).long(), generator=rng())[0]
    assert float((made - codes[0]).norm(dim=1).min()) > 0


def test_examples_that_are_there_twice_are_one() -> None:
    codes = torch.randn(40, 3, generator=rng())
    windows = ManifoldParzen().fit(torch.cat([codes] * 12))
    assert torch.equal(windows.points.sort(0).values, codes.sort(0).values)
    made = windows.sample_with_classes(200, generator=rng())[0]
    assert float(torch.cdist(made, codes).min()) > 1e-3


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_codes(n: int) -> None:
    codes = torch.randn(n, 3, generator=rng())
    made = ManifoldParzen().fit(codes).sample_with_classes(7, generator=rng())[0]
    assert made.shape == (7, 3) and bool(made.isfinite().all())


def test_truncation_leaves_the_codes_and_a_state_dict_restores() -> None:
    codes = torch.randn(100, 4, generator=rng())
    windows = ManifoldParzen().fit(codes)
    made = windows.sample_with_classes(50, truncation=0.0, generator=rng())[0]
    assert float((made[:, None] - codes).norm(dim=2).min(1).values.max()) < 1e-5
    again = ManifoldParzen()
    assert not again.fitted
    with pytest.raises(RuntimeError, match="not been fitted"):
        again.sample_with_classes(1)
    again.load_state_dict(windows.state_dict())
    assert torch.equal(
        again.sample_with_classes(9, generator=rng())[0], windows.sample_with_classes(9, generator=rng())[0]
    )


def test_the_prior_draws_from_it_and_has_the_density_of_its_mixture() -> None:
    codes = 3 * circle(500, d=4) + 1
    prior = Prior(components=(1,), parzen=ManifoldParzen())
    prior.fit(codes, None)
    made = prior.sample(300, rng=rng())[0]
    assert float(((made - 1).norm(dim=1) - 3).abs().max()) < 0.3
    assert torch.equal(prior.log_prob(codes), prior.mixture.log_prob(prior.whitening.encode(codes)))


def test_a_rare_class_among_many_codes_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegan.density.parzen.MOST", 20)
    codes, labels = torch.randn(400, 3, generator=rng()), torch.zeros(400, dtype=torch.long)
    labels[-1] = 5
    windows = ManifoldParzen().fit(codes, labels)
    assert int((windows.classes == 5).sum()) == 1
    _, classes = windows.sample_with_classes(50, torch.full((50,), 5), generator=rng(1))
    assert (classes == 5).all()
