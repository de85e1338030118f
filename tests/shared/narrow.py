"""Strategies with the narrowest networks."""

from __future__ import annotations

import dataclasses
from typing import Any

from aegan.strategies import Strategy, strategy

NARROW: dict[str, Any] = {
    "width": 8, "critic_width": 8, "play_width": 8, "second_width": 8, "denoiser_width": 8, "drift_width": 8,
    "flow_width": 16, "components": (1, 2), "batch_size": 16,
}  # fmt: skip
SHARES = {"compress_share": 0.4, "play_share": 0.3, "sharpen_share": 0.3}  # some steps for every stage of `latent`


def narrow(name: str, **options: Any) -> Strategy:
    """A strategy with the narrowest networks, and with those of these options that it has."""
    kind = strategy(name)
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{k: v for k, v in {**NARROW, **options}.items() if k in known})


def small(name: str, **options: Any) -> Strategy:
    """`narrow`, and some steps for every stage."""
    return narrow(name, **{**SHARES, **options})
