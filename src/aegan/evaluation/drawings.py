"""The pictures of an evaluation: what the figures mean to the eye. None is chosen but the pairs that look most copied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from aegan.evaluation.task import SPAN, Task
from aegan.files import write_atomically
from aegan.metrics import nearest_items
from aegan.pictures import encoded, grid, scatter

PAIRS = 16  # and reconstructions
NAMES = ("samples", "nearest", "copied", "reconstructions", "interpolation")


def _reconstructions(originals: np.ndarray, back: np.ndarray) -> Image.Image:
    """Rows of originals, each above the row of their reconstructions; vectors over their originals."""
    if originals.ndim != 4:
        return scatter(back, originals)
    columns = min(len(originals), 8)
    whole = len(originals) - len(originals) % columns
    rows = [x for i in range(0, whole, columns) for x in (originals[i : i + columns], back[i : i + columns])]
    return grid(np.concatenate(rows), columns=columns, group=(2, 1))


def _pairs(samples: np.ndarray, nearest: np.ndarray) -> Image.Image:
    """Samples, each left of its nearest training image, in 4 columns of pairs."""
    return grid(np.stack([samples, nearest], 1).reshape(-1, *samples.shape[1:]), group=(1, 2))


def draw(task: Task, folder: Path) -> None:
    """All pictures of an evaluation; those of an earlier one that this one does not make are removed."""
    task.step("drawing")
    is_image, train = task.data.spec.is_image, task.searched
    made: dict[str, Image.Image] = {}
    if task.samples is not None and len(task.samples):
        samples = task.samples[: 64 if is_image else 5000]
        made["samples"] = grid(samples) if is_image else scatter(samples, train)
        if is_image:
            first = samples[:PAIRS]
            made["nearest"] = _pairs(first, train[nearest_items(first, train)[0][:, 0]])
        if task.copied is not None and task.looked_up is not None:
            worst = np.argsort(task.copied.ratios, kind="stable")[:PAIRS]
            # one by one: the items may be a memory map, whose rows are wanted in this order
            nearest = np.stack([np.asarray(train[i]) for i in task.copied.nearest[worst]])
            made["copied"] = _pairs(task.looked_up[worst], nearest)
    if task.can("encode", "decode") and task.held:
        shown = slice(0, PAIRS if is_image else 5000)
        made["reconstructions"] = _reconstructions(task.held_out[shown], task.back[shown])
    if is_image and task.model is not None and task.can("sample", "encode", "decode"):
        made["interpolation"] = grid(task.model.interpolate(6, 10, seed=task.seed * SPAN), columns=10)
    for name in NAMES:
        path = folder / f"{name}.png"
        if name in made:
            write_atomically(path, encoded(made[name]))
        else:
            path.unlink(missing_ok=True)
