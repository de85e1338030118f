"""Networks: plain `nn.Module`s, made by `build_*` from a data shape."""

from aegan.networks.augment import Augment
from aegan.networks.autoencoders import Upsampling, build_autoencoder, build_decoder, code_shape_of
from aegan.networks.critics import Critic, MapDecoder, build_critic, build_joint_critic, join
from aegan.networks.custom import ChannelsLast, Own, use_networks
from aegan.networks.generators import ConditionalGenerator, MixtureNoise, build_residual
from aegan.networks.layers import History, mixes_batch
from aegan.networks.published import published_critic, published_decoder

__all__ = [
    "Augment", "ChannelsLast", "ConditionalGenerator", "Critic", "History", "MapDecoder", "MixtureNoise", "Own",
    "Upsampling", "build_autoencoder", "build_critic", "build_decoder", "build_joint_critic", "build_residual",
    "code_shape_of", "join", "mixes_batch", "published_critic", "published_decoder", "use_networks",
]  # fmt: skip
