"""Which features judge a model whose critics have seen images through a frozen network, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aegan.data import Data, open_data
from aegan.evaluation import evaluate
from aegan.evaluation.extractors import choose_extractor, feature_networks, related


def images(n: int) -> Data:
    return open_data(np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8))


def test_families() -> None:
    assert related("lite2", ("lite1", "contrastive")) == ["lite1"]
    assert related("own", ("lite1", "contrastive")) == ["contrastive"]
    assert related("classifier", ("lite1", "contrastive")) == []
    assert related("lite0", ()) == []


@pytest.mark.parametrize(
    ("asked", "seen", "name", "said"),
    [
        (None, (), "lite0", ""),
        (None, ("contrastive",), "lite0", ""),
        (None, ("lite1",), "own", "Judged by 'own'"),
        (None, ("lite1", "contrastive"), "lite0", "lean towards this model"),
        ("lite2", ("lite1",), "lite2", "lean towards this model"),
        ("pixels", ("lite1",), "pixels", ""),
        ("own", ("contrastive",), "own", "lean towards this model"),
    ],
)
def test_the_judge_is_of_another_family_where_none_was_asked_for(
    asked: str | None, seen: tuple[str, ...], name: str, said: str
) -> None:
    found, remarks = choose_extractor(asked, seen, images(400))
    assert found == name
    assert (said in remarks[0]) if said else not remarks


def test_with_too_few_images_for_a_network_of_their_own_the_usual_one_says_so() -> None:
    found, remarks = choose_extractor(None, ("lite1",), images(100))
    assert found == "lite0" and "lean towards" in remarks[0] and "lite1" in remarks[0]


class Seeing:
    """A model whose critics have seen images through lite1; its samples are noise."""

    capabilities = frozenset({"sample"})
    strategy = SimpleNamespace(feature_networks=("lite1",), stages=lambda spec: ())
    name = "seeing"

    def __init__(self, data: Data) -> None:
        self.spec = data.spec

    def sample(self, n: int, *, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), np.uint8)


def test_an_evaluation_marks_figures_of_the_same_family() -> None:
    data = images(400)
    model: Any = Seeing(data)
    assert feature_networks(model) == ("lite1",)
    found = evaluate(model, data, metrics="fd", extractor="lite0", count=64)
    assert found.extractor["seen"] == "lite1"
    assert "lite0 features (its critics saw through lite1)" in str(found)
    assert any("lean towards this model" in remark for remark in found.remarks)
    other = evaluate(model, data, metrics="fd", extractor="pixels", count=64)
    assert "seen" not in other.extractor and not any("lean" in remark for remark in other.remarks)
