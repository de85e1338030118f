"""Data that is made on the fly."""

from __future__ import annotations

import numpy as np


def shapes(count: int, size: int = 16, channels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares (label 0) and discs (label 1) on dark ground: images uint8 (N, size, size, channels), labels (N,)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.arange(count) % 2
    images = np.empty((count, size, size, channels), np.uint8)
    for i, label in enumerate(labels):
        a, b = rng.uniform(0.3, 0.7, 2) * size
        r = rng.uniform(0.15, 0.3) * size
        inside = (np.maximum(abs(x - a), abs(y - b)) if label == 0 else np.hypot(x - a, y - b)) < r
        ink = rng.integers(150, 255, channels) if label == 0 else rng.integers(60, 140, channels)
        images[i] = np.where(inside[..., None], ink, rng.integers(0, 40, channels))
    return images, labels


def circle(count: int, seed: int = 0) -> np.ndarray:
    """Points about a circle of radius 3, float32 (N, 2)."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, count)
    points = 3 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.standard_normal((count, 2))
    return points.astype(np.float32)
