"""Densities of codes: closed-form and EM models, whose state is buffers, and one network trained by gradient."""

from aegan.density.kernel import mmd2
from aegan.density.mdn import MixtureDensity
from aegan.density.mixture import Mixture
from aegan.density.whitening import Whitening

__all__ = ["Mixture", "MixtureDensity", "Whitening", "mmd2"]
