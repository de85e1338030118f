"""Networks: plain `nn.Module`s, made by `build_*` from a data shape."""

from aegan.networks.autoencoders import build_autoencoder, build_decoder, default_code_shape
from aegan.networks.critics import Critic, build_critic
from aegan.networks.generators import ConditionalGenerator, build_residual

__all__ = [
    "ConditionalGenerator",
    "Critic",
    "build_autoencoder",
    "build_critic",
    "build_decoder",
    "build_residual",
    "default_code_shape",
]
