"""Which features judge a model: not those of a network like one that its critics have seen images through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aegan.data import Data
from aegan.metrics.features.own import LEAST

USUAL = "lite0"
FAMILIES = {
    "lite0": "EfficientNet-Lite", "lite1": "EfficientNet-Lite", "lite2": "EfficientNet-Lite",
    "own": "networks that learn the data by contrast", "contrastive": "networks that learn the data by contrast",
}  # fmt: skip


def feature_networks(model: Any) -> tuple[str, ...]:
    """The frozen networks that a model's critics have seen images through, as far as it says so."""
    return tuple(getattr(getattr(model, "strategy", None), "feature_networks", ()))


def related(extractor: str, seen: Sequence[str]) -> list[str]:
    """Those of the networks `seen` in training that are of the extractor's family.

    >>> related("lite0", ("lite1", "contrastive")), related("pixels", ("lite1",))
    (['lite1'], [])
    """
    family = FAMILIES.get(extractor)
    return [name for name in seen if family is not None and FAMILIES.get(name) == family]


def choose_extractor(asked: str | None, seen: Sequence[str], data: Data) -> tuple[str, list[str]]:
    """The extractor's name, and what must be said of it.

    Args:
        asked: the name that was asked for; None: `lite0`, or `own` where training has seen through a network like lite0.
        seen: what `feature_networks` says of the model.
        data: from which `own` learns.
    """
    if asked is None and related(USUAL, seen) and not related("own", seen) and len(data.train) >= 2 * LEAST:
        return "own", [
            f"Judged by 'own', a network that learnt half of the training images, and not by '{USUAL}': the model's "
            f"critics have seen images through {', '.join(related(USUAL, seen))}, which is of the same family."
        ]
    name = asked or USUAL
    alike = related(name, seen)
    return name, [
        f"Figures by {name} lean towards this model: its critics have seen images through {', '.join(alike)}, "
        f"one of {FAMILIES[name]} too. For another judge: --extractor pixels, or classifier with labels."
    ] if alike else []
