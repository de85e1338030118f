"""How near each strategy comes to `ring`, `digits` and `fashion`: for test_learning_built_in.py and bench/built_in.py alike.

Distances are those of 400 samples: a kernel distance of points, the Fréchet distance of lite0's features of images. Of
`codec`, which is not for drawing, the cost of held-out images is taken instead.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aegan.config import RunConfig
from aegan.data import Data, open_data
from aegan.density import mmd2
from aegan.engine import Engine
from aegan.metrics import Statistics, extractor, frechet_between, statistics
from aegan.model import Model
from aegan.runs.settings import resolve
from aegan.strategies import Clock, Networks, strategies
from aegan.strategies.codec import Codec

COUNT = 400  # examples on each side
BATCH = {"ring": 128, "digits": 64, "fashion": 32}
STEPS = {"ring": 1500, "digits": 250, "fashion": 300}
# a game that small networks learn sooner than with the rates and the penalty of the presets
GAME = {"gamma": 0.1, "penalty_every": 1, "lr_generator": 1e-3, "lr_critic": 2e-3, "critic_width": 16}
# what needs more steps, or other numbers than its preset's, to be better than the Gaussian
MORE: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {
    **{
        ("digits", name): (1000, {})
        for name in ("age", "alae", "alphagan", "beta-vae", "codec", "deligan", "fastgan", "gat", "latent-wgan", "mdgan",
                     "two-stage-vae", "wae-gan")
    },
    ("digits", "began"): (1000, {"pt": 1.0, "diversity": 1.0, "lr_generator": 1e-3, "z_dim": 16}),
    ("digits", "bigan"): (1500, {}),
    ("digits", "ebgan"): (2500, {"lr_generator": 1e-3, "z_dim": 16, "lr": 1e-3}),
    ("digits", "soft-introvae"): (1000, {"beta_rec": 1.0, "beta_kl": 0.2, "beta_neg": 1.8, "lr_game": 1e-3}),
    ("digits", "veegan"): (2500, {**GAME, "z_dim": 16}),
    **{("digits", name): (1000, GAME) for name in ("aae", "dfm", "gan")},
    **{
        ("fashion", name): (900, {})
        for name in ("age", "alae", "alphagan", "began", "bigan", "deligan", "dfm", "gan", "soft-introvae", "veegan")
    },
    ("fashion", "ebgan"): (900, {"lr_generator": 1e-3}),
}  # fmt: skip


@cache
def opened(kind: str) -> Data:
    return open_data(kind)


@cache
def reference(kind: str) -> Any:
    """What samples are compared with: points of the ring, or the statistics of images' features."""
    items = opened(kind).train.items
    some = np.array(items[np.random.default_rng(0).permutation(len(items))[: 2 * COUNT]])
    return torch.from_numpy(some) if kind == "ring" else statistics(extractor("lite0")(some))


def distance(kind: str, made: np.ndarray) -> float:
    """Kernel distance of points, as wide as the modes' gaps are; Fréchet distance of the features of images."""
    real = reference(kind)
    if isinstance(real, Statistics):
        return frechet_between(statistics(extractor("lite0")(made)), real)
    return float(mmd2(real, torch.from_numpy(made), kernel="rbf", bandwidth=0.2))


@cache
def floor(kind: str) -> float:
    """The largest distance of ten draws of real examples: what is no further away cannot be told from the data."""
    items, drawing = opened(kind).train.items, np.random.default_rng(1)
    return max(distance(kind, np.array(items[drawing.permutation(len(items))[:COUNT]])) for _ in range(10))


@cache
def gaussian(kind: str) -> float:
    """The distance of one Gaussian fitted to the raw values."""
    items = opened(kind).train.items
    flat = items.reshape(len(items), -1).astype(float)
    made = np.random.default_rng(0).multivariate_normal(flat.mean(0), np.cov(flat.T), COUNT, method="eigh")
    if kind == "ring":
        return distance(kind, made.astype(np.float32))
    return distance(kind, made.round().clip(0, 255).astype(np.uint8).reshape(-1, *items.shape[1:]))


def cost(engine: Engine, networks: Networks) -> float:
    """What `codec` minimises, of held-out images: their bits, and their errors in what a bit is worth."""
    codec = engine.strategy
    assert isinstance(codec, Codec)
    torch.manual_seed(0)  # of each image's step s
    with torch.no_grad():
        costs = [
            float(codec.rate_distortion(networks, batch, Clock(0, 1.0)).total())
            for batch in engine.view.batches("held_out", COUNT)
        ]
    return float(np.mean(costs))


def trained(name: str, kind: str, steps: int, options: dict[str, Any], folder: Path, seed: int = 0) -> float:
    """The distance after so many steps; of a codec, its cost."""
    data = opened(kind)
    config = RunConfig(
        data=kind, strategy=name, steps=steps, batch_size=BATCH[kind], device="cpu", precision="fp32",
        checkpoint_every=1e9, classes=False, seed=seed,
    )  # fmt: skip
    settings = resolve(config, data, options)
    engine = Engine(settings.strategy(), data, settings.run, folder)
    networks = engine.run().networks
    if name == "codec":
        return cost(engine, networks)
    model = Model(engine.strategy, engine.spec, networks, mean=data.mean, scale=data.scale, device="cpu")
    return distance(kind, model.sample(COUNT, seed=0))


def recipe(kind: str, name: str) -> tuple[int, dict[str, Any]]:
    """Steps, and options beside the preset."""
    return MORE.get((kind, name), (STEPS[kind], {}))


def names(kind: str) -> list[str]:
    """All strategies that take this data."""
    return [name for name, of in sorted(strategies().items()) if of.vectors or kind != "ring"]
