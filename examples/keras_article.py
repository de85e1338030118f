"""An autoencoder inside a GAN, with Keras 3 models on the torch backend: an article's sample, mended.

The article gave three classes and two training functions, which could not run; docs/keras.md says line by line why.
Here they train, in two ways with the same networks: by hand, step for step as the article meant it, and by aegan's
strategy `decoder-init`, which also plans the budget, averages weights, guards against divergence, saves and resumes.

    pip install "aegan[keras]"
    python examples/keras_article.py --minutes 2
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported

import numpy as np
import torch
from keras import Model, Sequential, layers
from torch import Tensor

import aegan
from aegan.data import DataSpec
from aegan.networks import ChannelsLast
from aegan.objectives import adversarial

game = adversarial("nonsaturating")  # L_D = sp(−D(x)) + sp(D(G(z))), L_G = sp(−D(G(z)))


# --- the three classes ------------------------------------------------------------------------------------------------


class Autoencoder(Model):
    """Images (N, H, W, C) in [-1, 1] to codes (N, encoding_dim) and back."""

    def __init__(self, input_shape: tuple[int, ...], encoding_dim: int) -> None:
        super().__init__()
        values = int(np.prod(input_shape))
        self.encoder = Sequential([
            layers.Input(input_shape), layers.Flatten(), layers.Dense(256, activation="silu"), layers.Dense(encoding_dim),
        ])  # fmt: skip
        self.decoder = Sequential([
            layers.Input((encoding_dim,)), layers.Dense(256, activation="silu"), layers.Dense(values),
            layers.Reshape(input_shape),
        ])  # fmt: skip

    def call(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Generator(Model):
    """Noise (N, encoding_dim) to images: the decoder of a trained autoencoder, where the adversary goes on from."""

    def __init__(self, decoder: Model) -> None:
        super().__init__()
        self.generator = decoder

    def call(self, z: Tensor) -> Tensor:
        return self.generator(z)


class Discriminator(Model):
    """Images (N, H, W, C) to logits (N, 1)."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.discriminator = Sequential([
            layers.Input(input_shape), layers.Flatten(), layers.Dense(256), layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(256), layers.LeakyReLU(negative_slope=0.2), layers.Dense(1),
        ])  # fmt: skip

    def call(self, x: Tensor) -> Tensor:
        return self.discriminator(x)


# --- the two functions ------------------------------------------------------------------------------------------------


def train_generator(
    generator: Model, discriminator: Model, generator_optimizer: torch.optim.Optimizer, noise: Tensor
) -> Tensor:
    """One step of G on L_G = sp(−D(G(z)))."""
    generator_optimizer.zero_grad()
    validity = discriminator(generator(noise))
    gen_loss = game.generator(validity, None).mean()
    gen_loss.backward()
    generator_optimizer.step()
    return gen_loss.detach()


def train_discriminator(
    discriminator: Model,
    generator: Model,
    discriminator_optimizer: torch.optim.Optimizer,
    real_images: Tensor,
    noise: Tensor,
) -> Tensor:
    """One step of D on L_D = sp(−D(x)) + sp(D(G(z))); G gets no gradient."""
    discriminator_optimizer.zero_grad()
    with torch.no_grad():
        generated_images = generator(noise)
    disc_loss = game.critic(discriminator(real_images), discriminator(generated_images)).mean()
    disc_loss.backward()
    discriminator_optimizer.step()
    return disc_loss.detach()


# --- both put to use --------------------------------------------------------------------------------------------------


def networks(shape: tuple[int, ...], encoding_dim: int) -> tuple[Autoencoder, Generator, Discriminator]:
    """The three for images of `shape` (H, W, C)."""
    autoencoder = Autoencoder(shape, encoding_dim)
    return autoencoder, Generator(autoencoder.decoder), Discriminator(shape)


def by_hand(images: np.ndarray, *, steps: int, encoding_dim: int = 32, batch_size: int = 64) -> np.ndarray:
    """Compress, fit noise to the codes, play: `decoder-init` in a page; 16 images, uint8 like those given."""
    autoencoder, generator, discriminator = networks(images.shape[1:], encoding_dim)
    x = torch.from_numpy(images).float() / 127.5 - 1

    def batch() -> Tensor:
        return x[torch.randint(len(x), (batch_size,))]

    autoencoder_optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-3)
    for _ in range(steps // 2):
        autoencoder_optimizer.zero_grad()
        real_images = batch()
        (autoencoder(real_images) - real_images).abs().mean().backward()
        autoencoder_optimizer.step()

    with torch.no_grad():
        codes = autoencoder.encoder(x[:5000])
    mean, scale = codes.mean(0), torch.linalg.cholesky(codes.T.cov() + 1e-4 * torch.eye(encoding_dim))

    def noise(n: int) -> Tensor:  # where the decoder knows its way: N(mean, covariance) of the codes
        return mean + torch.randn(n, encoding_dim) @ scale.T

    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=5e-5, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for step in range(steps // 2):
        train_discriminator(discriminator, generator, discriminator_optimizer, batch(), noise(batch_size))
        if step >= steps // 10:  # a fresh discriminator knows nothing yet, and would only spoil the decoder
            train_generator(generator, discriminator, generator_optimizer, noise(batch_size))

    with torch.no_grad():
        made = generator(noise(16))
    return ((made.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()


def own_networks(shape: tuple[int, ...], encoding_dim: int) -> dict[str, Callable[[DataSpec], torch.nn.Module]]:
    """Functions that make E, G and D: the trained model is read into new ones, and Keras cannot copy these classes."""
    # Keras takes images as (N, H, W, C)
    return {
        "E": lambda spec: ChannelsLast(networks(shape, encoding_dim)[0].encoder),
        "G": lambda spec: ChannelsLast(networks(shape, encoding_dim)[1]),
        "D": lambda spec: ChannelsLast(networks(shape, encoding_dim)[2]),
    }


def with_aegan(
    images: np.ndarray,
    *,
    out: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    encoding_dim: int = 32,
    progress: bool = True,
) -> aegan.Run:
    """The same three networks, trained by the strategy `decoder-init`."""
    return aegan.fit(
        images, strategy="decoder-init", out=out, minutes=minutes, steps=steps, size=images.shape[1],
        networks=own_networks(images.shape[1:], encoding_dim), options={"code_dim": encoding_dim}, progress=progress,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion", help="a folder of images, or a built-in name")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--by-hand", type=int, metavar="STEPS", help="train with the article's two functions instead")
    given = parser.parse_args()
    images = aegan.open_data(given.data).train.items
    if given.by_hand:
        from PIL import Image

        made = by_hand(np.array(images), steps=given.by_hand)
        Image.fromarray(np.concatenate(np.concatenate(np.split(made, 4), 2), 0).squeeze()).save("by-hand.png")
        print("wrote by-hand.png")
        return
    run = with_aegan(np.array(images), minutes=given.minutes)
    print(f"samples of the training: {run.path / 'samples'}")


if __name__ == "__main__":
    main()
