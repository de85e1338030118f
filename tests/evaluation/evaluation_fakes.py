"""A run without training: small data sets, and a model that answers as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aegan.data import TOYS, Data, DataSpec, Split


def pictures(n: int, seed: int, size: int = 16, channels: int = 1) -> np.ndarray:
    """Smooth random pictures: sums of two waves. uint8 (n, size, size, channels)."""
    g = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    a, b, c = g.normal(0, 3, (3, n, 2, channels, 1, 1))
    return np.uint8(127 + 60 * np.sin(a * x + b * y + c).sum(1)).transpose(0, 2, 3, 1)


def make_data(train: np.ndarray, held_out: np.ndarray, name: str = "waves") -> Data:
    shape = (train.shape[3], *train.shape[1:3]) if train.ndim == 4 else train.shape[1:]

    def split(items: np.ndarray) -> Split:
        return Split(items, None, [str(i) for i in range(len(items))])

    none: Any = None  # evaluation does not look at the inspection
    return Data(name, name, DataSpec(shape, (), len(train)), split(train), split(held_out), none, "f00d")


def ring(n: int, seed: int) -> np.ndarray:
    return TOYS["ring"].draw(n, seed)[0]


class FakeModel:
    """`makes` is what it samples from, in order; reconstructions are the items dimmed by `loss` levels."""

    def __init__(self, spec: DataSpec, makes: np.ndarray, capabilities: str = "sample encode decode", loss: int = 8):
        self.spec, self.makes, self.loss = spec, makes, loss
        self.capabilities = frozenset(capabilities.split())
        self.notes: dict[str, Any] = {}

    def sample(self, n: int, *, seed: int = 0) -> np.ndarray:
        assert len(self.makes) >= n
        return np.roll(self.makes, -seed, axis=0)[:n]

    def encode(self, items: np.ndarray) -> np.ndarray:
        return items.reshape(len(items), -1)[:, :4].astype(np.float32)

    def reconstruct(self, items: np.ndarray) -> np.ndarray:
        return items - np.minimum(items, self.loss) if items.dtype == np.uint8 else items * np.float32(0.99)

    def interpolate(self, rows: int = 8, steps: int = 10, *, seed: int = 0) -> np.ndarray:
        return np.repeat(self.makes[:rows], steps, axis=0)


class FakeRun:
    def __init__(self, path: Path, data: Data, model: FakeModel):
        self.path, self.model, self._data = path, model, data

    def data(self) -> Data:
        return self._data


def image_run(path: Path, *, held_out: int = 100, makes: np.ndarray | None = None, **model: Any) -> FakeRun:
    data = make_data(pictures(300, 0), pictures(held_out, 1))
    return FakeRun(path, data, FakeModel(data.spec, pictures(300, 2) if makes is None else makes, **model))


def ring_run(path: Path, makes: np.ndarray | None = None, **model: Any) -> FakeRun:
    data = make_data(ring(4000, 0), ring(1000, 1), "ring")
    return FakeRun(path, data, FakeModel(data.spec, ring(2500, 2) if makes is None else makes, **model))
