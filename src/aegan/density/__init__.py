"""Densities of codes: closed-form and EM models, fitted rather than trained; their state is buffers."""

from aegan.density.gaussian import Gaussian
from aegan.density.kernel import mmd2
from aegan.density.mixture import Mixture
from aegan.density.whitening import Whitening

__all__ = ["Gaussian", "Mixture", "Whitening", "mmd2"]
