"""How unusual examples are: a model's scores, and one score that combines them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aegan.errors import UserError
from aegan.hints import Array
from aegan.model import Model

MAD = 1.4826  # standard deviations of a normal variable in one median absolute deviation


def combined(scores: Mapping[str, Array], reference: Mapping[str, Array] | None = None) -> Array:
    """The mean of scores, each in deviations from what is usual, float32 (N,).

    Each score s becomes (s − median) / (1.4826 median |s − median|), so that scores of any units weigh the same and the
    unusual examples among the reference do not set the scale. The reconstruction error is taken by its logarithm first:
    errors are skewed.

    Args:
        scores: (N,) by name, larger is more unusual, as `Model.score` returns them.
        reference: the scores of usual examples (M,), by the same names; None: `scores` themselves, which then should hold
            few unusual ones.

    Raises:
        UserError: a score is not finite.

    >>> [f"{v:.2f}" for v in combined({"density": np.array([1.0, 2.0, 3.0, 2.0, 12.0])})]
    ['-0.67', '0.00', '0.67', '0.00', '6.74']
    """
    parts = []
    for name, values in [*scores.items(), *(reference or {}).items()]:
        if not np.isfinite(values).all():
            raise UserError(f"The scores '{name}' hold NaN or infinity.", "Leave such examples out.")
    for name, values in scores.items():
        usual = _level(name, values if reference is None else reference[name])
        median = np.median(usual)
        spread = MAD * np.median(np.abs(usual - median))
        parts.append((_level(name, values) - median) / max(float(spread), 1e-12))
    return np.asarray(np.mean(parts, axis=0), np.float32)


def unusual(model: Model, items: Array, reference: Array | None = None) -> dict[str, Array]:
    """A model's scores of `items` and their combination, each float32 (N,); larger is more unusual.

    Args:
        model: one that can score.
        items: images uint8 (N, H, W, C) or vectors (N, D).
        reference: usual examples that set the scale of "combined"; None: `items` themselves.

    Raises:
        UserError: the model's strategy cannot score, or items have another shape.
    """
    scores = model.score(items)
    usual = None if reference is None else model.score(reference)
    return {"combined": combined(scores, usual), **scores}


def _level(name: str, values: Array) -> Array:
    wide = np.asarray(values, np.float64)
    return np.log(np.maximum(wide, 1e-12)) if name == "reconstruction" else wide
