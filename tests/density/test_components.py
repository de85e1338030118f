"""How the number of a mixture's components is found."""

from __future__ import annotations

import pytest
import torch

from aegan.density import Mixture, mixture


@pytest.mark.parametrize(
    ("scores", "best"),
    [((0.0, -1.0, 1.0, 0.5, 0.4, 9.0), 3), ((0.0, -1.0, -2.0, 9.0), 1), ((0.0, 1.0, 2.0), 3)],
)
def test_the_search_goes_on_after_one_that_is_worse(
    scores: tuple[float, ...], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = tuple(range(1, len(scores) + 1))

    def fitted(z: torch.Tensor, k: int, *_: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return torch.full((k,), 1 / k), torch.zeros(k, 2), torch.eye(2).expand(k, 2, 2)

    def scored(test: torch.Tensor, weights: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return torch.full((len(test), 1), scores[len(weights) - 1])

    monkeypatch.setattr(mixture, "em", fitted)
    monkeypatch.setattr(mixture, "component_log_prob", scored)
    z = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    assert len(Mixture(components=counts, least=10).fit(z)) == best
