"""Engines on tiny data, and ways to stop them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aegan.config import RunConfig
from aegan.data import Data, open_data
from aegan.data.loader import Loader
from aegan.engine import Engine
from aegan.engine.log import Display
from aegan.strategies import Strategy

Weights = dict[str, Tensor]


@pytest.fixture(scope="session")
def vectors(make_circle: Callable[..., np.ndarray]) -> Data:
    return open_data(make_circle(200))


@pytest.fixture(scope="session")
def pictures(make_shapes: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Data:
    """16×16 RGB with two classes."""
    images, labels = make_shapes(60)
    return open_data(images, labels=labels, size=16)


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[..., Engine]:
    """An engine in fp32 on the CPU, by default for 12 steps, with a checkpoint only where a stage begins."""

    def make(
        strategy: Strategy, data: Data, folder: str = "run", *, display: Display | None = None, **config: Any
    ) -> Engine:
        settings = {"steps": 12, "device": "cpu", "precision": "fp32", "checkpoint_every": 1e9, **config}
        if settings.get("minutes"):
            settings["steps"] = None
        plans, record = settings.pop("plans", None), settings.pop("threads_record", None)
        more = settings.pop("extensions", ())
        return Engine(
            strategy, data, RunConfig(**settings), tmp_path / folder,
            display=display, plans=plans, threads=record, extensions=more,
        )  # fmt: skip

    return make


@pytest.fixture
def weights_of() -> Callable[[Any], Weights]:
    """Every parameter and buffer of an engine or outcome."""

    def collect(holder: Any) -> Weights:
        return {f"{n}.{k}": v.clone() for n, net in holder.networks.items() for k, v in net.state_dict().items()}

    return collect


@pytest.fixture
def assert_equal() -> Callable[[Weights, Weights], None]:
    """Bit for bit."""

    def check(a: Weights, b: Weights) -> None:
        assert a.keys() == b.keys()
        differ = [k for k in a if not torch.equal(a[k], b[k])]
        assert not differ, differ

    return check


class Stopper(Display):
    """Sends this process a signal when a stage starts (`at` counts the stages; None: never)."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []
        self.at: str | None = None

    def say(self, text: str) -> None:
        self.said.append(text)

    def start(self, stage: str, note: str = "") -> None:
        if stage == self.at:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def stopper() -> Stopper:
    return Stopper()


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], None]]:
    """`stop_after(k)`: SIGTERM while the k-th step from now is computed. `stop_after(None)`: never."""
    left: list[int] = []
    real = Loader.next

    def counted(self: Loader) -> Any:
        if left:
            left[0] -= 1
            if left[0] == 0:
                left.clear()
                signal.raise_signal(signal.SIGTERM)
        return real(self)

    def set_to(steps: int | None) -> None:
        left[:] = [] if steps is None else [steps]

    monkeypatch.setattr(Loader, "next", counted)
    return set_to
