"""Each strategy learns `ring`, `digits` and `fashion`: better than its own start, and than a Gaussian fitted to values.

About forty minutes on one core, behind the marker. What runs always is test_learning.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aegan.config import RunConfig
from aegan.data import Data, open_data
from aegan.density import mmd2
from aegan.engine import Engine
from aegan.metrics import Statistics, extractor, frechet_between, statistics
from aegan.model import Model
from aegan.runs.settings import resolve
from aegan.strategies import strategies

COUNT = 400  # examples on each side
BATCH = {"ring": 128, "digits": 64, "fashion": 32}
STEPS = {"ring": 1500, "digits": 250, "fashion": 300}
# a game that small networks learn sooner than with the rates and the penalty of the presets
GAME = {"gamma": 0.1, "penalty_every": 1, "lr_generator": 1e-3, "lr_critic": 2e-3, "critic_width": 16}
# what needs more steps, or other numbers than its preset's, to be better than the Gaussian
MORE: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {
    **{
        ("digits", name): (1000, {})
        for name in ("age", "alae", "alphagan", "beta-vae", "codec", "deligan", "fastgan", "latent-wgan", "mdgan",
                     "two-stage-vae", "wae-gan")
    },
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
# what does not, in any setting that was tried; their pages say so
FAILS = {
    (
        "ring",
        "age",
    ): "stays as near as after one step, when codes of a nearly linear network lie in a ring: 4 of 8 modes",
    ("ring", "began"): "ends in one mode",
    ("ring", "ebgan"): "ends in a few modes at this batch",
    ("digits", "began"): "stays behind the Gaussian",
    (
        "fashion",
        "codec",
    ): "begins as a transform fitted to the data, and its codes are made to be cheap, not to be drawn",
}


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


def trained(name: str, kind: str, steps: int, options: dict[str, Any], folder: Path) -> float:
    """The distance after so many steps."""
    data = opened(kind)
    config = RunConfig(
        data=kind, strategy=name, steps=steps, batch_size=BATCH[kind], device="cpu", precision="fp32",
        checkpoint_every=1e9, classes=False,
    )  # fmt: skip
    settings = resolve(config, data, options)
    engine = Engine(settings.strategy(), data, settings.run, folder)
    networks = engine.run().networks
    model = Model(engine.strategy, engine.spec, networks, mean=data.mean, scale=data.scale, device="cpu")
    return distance(kind, model.sample(COUNT, seed=0))


def learns(name: str, kind: str, folder: Path) -> None:
    steps, options = MORE.get((kind, name), (STEPS[kind], {}))
    before = trained(
        name, kind, 1, options, folder / "start"
    )  # one step a stage: a density needs codes to be fitted to
    after = trained(name, kind, steps, options, folder / "run")
    assert after < before or after < floor(kind), f"no better than at its start: {after:.4g}, {before:.4g}"
    assert after < gaussian(kind), f"no better than a Gaussian: {after:.4g}, {gaussian(kind):.4g}"


def names(kind: str) -> list[Any]:
    """All strategies that take this data; what is known to fail must go on failing, or leave the list."""
    return [
        pytest.param(
            name, marks=[pytest.mark.xfail(reason=FAILS[kind, name], strict=True)] if (kind, name) in FAILS else []
        )
        for name, of in sorted(strategies().items())
        if of.vectors or kind != "ring"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", names("ring"))
def test_ring(name: str, tmp_path: Path) -> None:
    learns(name, "ring", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", names("digits"))
def test_digits(name: str, tmp_path: Path) -> None:
    learns(name, "digits", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", names("fashion"))
def test_fashion(name: str, tmp_path: Path) -> None:
    learns(name, "fashion", tmp_path)
