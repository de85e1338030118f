"""Mixtures of Gaussians in the plane, whose modes are known: the classic test of mode collapse.

References:
    Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in generative adversarial networks", 2018
    (arXiv 1712.04086), section 4.1: 100,000 fixed training points; ring: 8 modes, radius 1, sd 0.01; grid: 25 modes
    at {-4, -2, 0, 2, 4}², sd 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Toy:
    """A mixture of equally likely round Gaussians.

    Args:
        centres: (K, 2), float64.
        sd: standard deviation of each, along each axis.
        seed: of the fixed points.
    """

    centres: Array
    sd: float
    seed: int

    def draw(self, count: int, stream: int = 0) -> tuple[Array, Array]:
        """The same `count` points at every call: float32 (count, 2), and the mode of each, int64 (count,)."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, stream]))
        modes = rng.integers(len(self.centres), size=count)
        return (self.centres[modes] + self.sd * rng.standard_normal((count, 2))).astype(np.float32), modes


def _ring(modes: int = 8) -> Array:
    angles = 2 * np.pi * np.arange(modes) / modes
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid() -> Array:
    axis = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


TOYS = {"ring": Toy(_ring(), 0.01, seed=8), "grid": Toy(_grid(), 0.05, seed=25)}
