"""What every measure asks of its features: a table of enough finite numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aegan.errors import UserError

AREA = 2**25  # entries of a distance matrix held at a time: 128 MB of float32


def table(features: Tensor | np.ndarray, *, least: int, what: str, side: str) -> Tensor:
    """Features (N, D) as a CPU tensor, float64 if they were, else float32.

    Args:
        least: fewest rows that the measure needs.
        what, side: name the measure and the items in messages.

    Raises:
        UserError: another shape, fewer rows than `least`, or values that are not finite.
    """
    x = torch.as_tensor(features).detach().cpu()
    if x.ndim != 2 or x.shape[1] < 1:
        raise UserError(f"{what} needs features (N, D) of the {side}, got {tuple(x.shape)}.")
    if len(x) < least:
        raise UserError(f"{what} needs at least {least:,} {side}, got {len(x):,}.", "Give more items.")
    x = x if x.dtype == torch.float64 else x.float()
    if not bool(x.isfinite().all()):
        bad = int((~x.isfinite().all(1)).nonzero()[0])
        raise UserError(
            f"{what}: features of the {side} are not finite numbers, first those of item {bad}.",
            "Look for broken images, or for a model that diverged.",
        )
    return x


def pair(
    a: Tensor | np.ndarray, b: Tensor | np.ndarray, *, least: int, what: str, sides: tuple[str, str]
) -> tuple[Tensor, Tensor]:
    """Two tables of one width and one precision, see `table`."""
    x, y = table(a, least=least, what=what, side=sides[0]), table(b, least=least, what=what, side=sides[1])
    same_width(x.shape[1], y.shape[1])
    return (x.double(), y.double()) if torch.float64 in (x.dtype, y.dtype) else (x, y)


def same_width(a: int, b: int) -> None:
    """Refuses to compare features of two widths."""
    if a != b:
        raise UserError(
            f"Features of {a} and of {b} dimensions cannot be compared.", "Use one extractor on both sides."
        )


def rows(others: int) -> int:
    """How many rows of a distance matrix of `others` columns are made at a time."""
    return max(1, AREA // max(others, 1))
