"""Views of images, and the contrast between them."""

from __future__ import annotations

import math

import pytest
import torch

from aegan.objectives.views import nt_xent, view


def test_nt_xent_is_the_papers_sum() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 3, dtype=torch.float64)
    h = torch.cat((a, b))
    for i in range(4):
        each = []
        for own, other in ((i, i + 4), (i + 4, i)):
            s = [float(h[own] @ h[k] / (h[own].norm() * h[k].norm())) for k in range(8)]
            below = sum(math.exp(s[k] / 0.5) for k in range(8) if k != own)
            each.append(-math.log(math.exp(s[other] / 0.5) / below))
        assert float(nt_xent(a, b, 0.5)[i]) == pytest.approx(sum(each) / 2, rel=1e-5)


def test_nt_xent_is_least_where_views_agree() -> None:
    a = torch.eye(8)
    assert float(nt_xent(a, a, 0.1).mean()) < 0.01 < float(nt_xent(a, a.roll(1, 0), 0.1).mean())


def test_a_view_of_nothing_is_the_image() -> None:
    x = torch.rand(3, 1, 16, 12) * 2 - 1
    assert torch.allclose(view(x, zoom=0, shift=0, turn=0, light=0), x, atol=1e-3)


def test_views_differ_and_stay_in_range() -> None:
    torch.manual_seed(0)
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    a, b = view(x), view(x)
    assert a.shape == x.shape and bool((a.abs() <= 1).all())
    assert all(float((p - q).abs().mean()) > 0.02 for p, q in zip(a, b, strict=True))
