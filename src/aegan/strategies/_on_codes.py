"""Strategies that compress, hold the autoencoder, and then learn to make its normalised codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from aegan.density.prior import Prior
from aegan.strategies import Fit, Networks, Stage, option
from aegan.strategies._pieces import fit_prior
from aegan.strategies._space import InSpace


@dataclass(frozen=True)
class OnCodes(InSpace):
    """*compress*, and *fit* of what normalises codes; what makes them comes after that."""

    compress_share: float = option(0.6, "part of the budget", most=1)
    fit_limit: int = option(60_000, "most codes that are fitted to", least=1)

    def prior_networks(self) -> Networks:
        return {"P": Prior(components=(1,))}

    def first_stages(self) -> tuple[Stage | Fit, ...]:
        """Before codes are made: the autoencoder, and P, which normalises its codes and knows how often each class is."""
        return (
            *self.compress_stages(self.compress_share),
            Fit("fit", 0.01, partial(fit_prior, limit=self.fit_limit, encode=self.encode)),
        )
