"""An autoencoder that begins where a linear one ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aegan.networks.autoencoders import Decoder, Encoder
from aegan.networks.principal import Components, PrincipalDecoder, PrincipalEncoder
from aegan.strategies import DataSpec, Fit, Networks, View, option
from aegan.strategies._space import InSpace


@dataclass(frozen=True)
class FromComponents(InSpace):
    """E(x) = u(x) + e(x), G(z) = x(z) + g(z): u are principal components of the images, which networks e and g add to.

    The best linear autoencoder (Baldi & Hornik 1989, Neural Networks 2(1)) is had in seconds, without a gradient.
    """

    principal: int = option(
        0, "begin at so many principal components of the images, which are then the code; 0: at random weights"
    )

    def begins_linear(self, spec: DataSpec) -> bool:
        """Whether E and G begin at principal components."""
        return bool(self.principal) and spec.is_image and not self.space

    def code(self, spec: DataSpec) -> tuple[int, ...]:
        return (self.principal,) if self.begins_linear(spec) else super().code(spec)

    def autoencoder(self, spec: DataSpec) -> tuple[nn.Module, nn.Module]:
        E, G = super().autoencoder(spec)
        if not (self.begins_linear(spec) and isinstance(E, Encoder) and isinstance(G, Decoder)):
            return E, G
        return (
            PrincipalEncoder(Components(spec.shape, self.principal), E),
            PrincipalDecoder(Components(spec.shape, self.principal), G),
        )

    def principal_stages(self, spec: DataSpec) -> tuple[Fit, ...]:
        """What finds the components, before E and G are trained."""
        return (Fit("principal", 0.02, self.fit_principal),) if self.begins_linear(spec) else ()

    def fit_principal(self, nets: Networks, view: View) -> dict[str, Any]:
        """Finds u; nothing where E and G are a user's own networks."""
        E, G = nets["E"], nets["G"]
        if not (isinstance(E, PrincipalEncoder) and isinstance(G, PrincipalDecoder)):
            return {"components": 0}
        x = torch.cat([batch.x for batch in view.batches("train", E.components.limit())])
        share = E.components.fit(x)
        G.components.load_state_dict(E.components.state_dict())
        return {"components": self.principal, "images": len(x), "variance": share}
