"""An autoencoder alone, sampled through a mixture of Gaussians on its codes."""

from __future__ import annotations

from dataclasses import dataclass

from aegan.strategies import DataSpec, Fit, Stage, register
from aegan.strategies._groups import WithPrior
from aegan.strategies._principal import FromComponents


@register
@dataclass(frozen=True)
class Autoencoder(WithPrior, FromComponents):
    """Compress, then fit a density to the codes: no adversary at all.

    Reference:
        Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020, arXiv 1903.12436 (density after training).
    """

    name = "autoencoder"
    paper = "Ghosh et al. 2020, arXiv 1903.12436"
    summary = "Compresses, then draws codes from a mixture of Gaussians: the fastest, and blurred."
    where = "alone, with a density on its codes"

    def stages(self, spec: DataSpec) -> tuple[Stage | Fit, ...]:
        return (
            *self.principal_stages(spec),
            *self.compress_stages(1.0),
            *self.prior_stages(self.encode),
        )
