"""The pictures of an evaluation, in RUN/evaluation/: what the figures mean to the eye. None of them is chosen."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from aegan.engine.state import write_atomically
from aegan.metrics import nearest_items
from aegan.report.grids import grid, scatter

SHOWN = 64
PAIRS = 16


def samples_picture(samples: np.ndarray, train: np.ndarray) -> Image.Image:
    """The first 64 samples, 8 × 8; vectors over the training data."""
    return grid(samples[:SHOWN], columns=8) if samples.ndim == 4 else scatter(samples, train)


def reconstructions_picture(originals: np.ndarray, back: np.ndarray) -> Image.Image:
    """Rows of originals, each above the row of their reconstructions; vectors over their originals."""
    if originals.ndim != 4:
        return scatter(back, originals)
    n = min(len(originals), len(back), 16)
    columns = min(n, 8)
    n -= n % columns
    rows = [x for i in range(0, n, columns) for x in (originals[i : i + columns], back[i : i + columns])]
    return grid(np.concatenate(rows), columns=columns, group=(2, 1))


def nearest_picture(samples: np.ndarray, train: np.ndarray) -> Image.Image:
    """The first 16 samples, each left of its nearest training image, in 4 columns of pairs."""
    samples = samples[:PAIRS]
    index, _ = nearest_items(samples, train)
    pairs = np.stack([samples, train[index[:, 0]]], 1).reshape(-1, *samples.shape[1:])
    return grid(pairs, columns=8, group=(1, 2))


def save(picture: Image.Image, path: Path) -> None:
    """As PNG, whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
