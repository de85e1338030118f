"""Each strategy on each kind of data, trained for a handful of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from narrow import small

from aegan.config import RunConfig
from aegan.data import Data, DataSpec, open_data
from aegan.data.loader import Batch, Loader
from aegan.engine import Engine
from aegan.model import Model
from aegan.strategies import Networks, Strategy, strategy


@dataclass(frozen=True)
class Tiny:
    """A strategy, trained a little, and what it was trained on.

    Args:
        spec: as the strategy saw the data: without classes, if it uses none.
        states: every network's weights at the start, then after each stage.
    """

    strategy: Strategy
    data: Data
    spec: DataSpec
    networks: Networks
    states: list[dict[str, torch.Tensor]]

    @property
    def batch(self) -> Batch:
        return Loader(self.data.train, 16, seed=1).next()

    def copies(self, noise: float = 0.0) -> Networks:
        """The networks anew, with noise on their weights: nothing is exactly zero then, as some layers are at first."""
        nets = self.strategy.build(self.spec)
        torch.manual_seed(0)
        for name, net in nets.items():
            net.load_state_dict(self.networks[name].state_dict())
            with torch.no_grad():
                for p in net.parameters():
                    p.add_(noise * torch.randn_like(p))
        return nets

    @property
    def model(self) -> Model:
        mean, scale = self.data.mean, self.data.scale
        return Model(self.strategy, self.spec, self.copies(), mean=mean, scale=scale, device="cpu")


@pytest.fixture(scope="session")
def make_narrow() -> Callable[..., Strategy]:
    return small


@pytest.fixture(scope="session")
def data_of(make_shapes: Any, make_circle: Any) -> Callable[[str], Data]:
    """Small data by kind: vectors, digits, rgb, classes, large, wide (transparent, 24×16)."""
    opened: dict[str, Data] = {}

    def make(kind: str) -> Data:
        if kind == "vectors":
            return open_data(make_circle(300))
        if kind == "digits":
            return open_data("digits")
        if kind == "wide":
            images, _ = make_shapes(100, 24)
            alpha = 255 * (images.max(-1, keepdims=True) > 50).astype(np.uint8)
            return open_data(np.concatenate([images, alpha], -1), size="24x16", channels=4)
        images, labels = make_shapes(100, 40 if kind == "large" else 16)
        return open_data(images, labels=labels if kind == "classes" else None, size=len(images[0]))

    def get(kind: str) -> Data:
        if kind not in opened:
            opened[kind] = make(kind)
        return opened[kind]

    return get


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, data_of: Callable[[str], Data]) -> Callable[[str, str], Tiny]:
    """`tiny(strategy, kind)`, trained once a session."""
    known: dict[tuple[str, str], Tiny] = {}

    def train(name: str, kind: str) -> Tiny:
        data = data_of(kind)
        folder = tmp_path_factory.mktemp("tiny") / "run"
        states: list[dict[str, torch.Tensor]] = []

        def snapshot(networks: Networks, *_: Any) -> None:
            states.append({f"{n}.{k}": v.clone() for n, net in networks.items() for k, v in net.state_dict().items()})

        config = RunConfig(steps=12, device="cpu", precision="fp32", checkpoint_every=1e9)
        engine = Engine(small(name), data, config, folder, save_model=snapshot)
        snapshot(engine.networks)
        with pytest.MonkeyPatch.context() as patch:
            # figures and pictures that nobody looks at here: a few samples will do
            patch.setattr("aegan.engine.monitor.SAMPLES", 64)
            patch.setattr("aegan.engine.previews.PREVIEWS", 1)
            outcome = engine.run()
        return Tiny(engine.strategy, data, engine.spec, outcome.networks, states)

    def get(name: str, kind: str) -> Tiny:
        if kind == "vectors" and not strategy(name).vectors:
            pytest.skip("images only")
        if (name, kind) not in known:
            known[name, kind] = train(name, kind)
        return known[name, kind]

    return get
