"""Densities of codes: closed-form and EM models, whose state is buffers, and one network trained by gradient."""

from aegan.density.kernel import mmd2
from aegan.density.mdn import MixtureDensity
from aegan.density.mixture import Mixture
from aegan.density.parzen import ManifoldParzen
from aegan.density.whitening import Whitening

__all__ = ["ManifoldParzen", "Mixture", "MixtureDensity", "Whitening", "mmd2"]
