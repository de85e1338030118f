"""Statistics of real images, kept between evaluations: they are the slow half, and never change."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from aegan.engine.state import write_atomically
from aegan.errors import UserError
from aegan.metrics import Extractor, Statistics, statistics
from aegan.metrics.features import Progress


def cache_folder() -> Path:
    """$AEGAN_CACHE/statistics, or ~/.cache/aegan/statistics."""
    return Path(os.environ.get("AEGAN_CACHE") or Path.home() / ".cache" / "aegan") / "statistics"


def cached_statistics(images: np.ndarray, extract: Extractor, progress: Progress | None = None) -> Statistics:
    """Statistics of the features of real images, from the cache if the same images met the same extractor before.

    The key is a hash of the images' content and of the extractor's description (with the hash of its weights). A
    damaged file is made again; a folder that cannot be written is done without.
    """
    key = hashlib.sha256(json.dumps([extract.describe(), list(images.shape)], sort_keys=True).encode())
    for i in range(0, len(images), 1024):
        key.update(np.array(images[i : i + 1024], order="C").tobytes())
    path = cache_folder() / f"{key.hexdigest()[:32]}.npz"
    kept = _read(path)
    if kept is not None:
        return kept
    found = statistics(extract(images, progress))
    buffer = io.BytesIO()
    np.savez(buffer, mean=found.mean.numpy(), covariance=found.covariance.numpy(), count=found.count)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except (OSError, UserError):
        pass  # a full disk or a read-only home must not stop an evaluation
    return found


def _read(path: Path) -> Statistics | None:
    """What the file holds; None if there is none, or it is damaged."""
    try:
        # opened here, since np.load leaves its own file open when the archive is damaged
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            mean, covariance = torch.from_numpy(file["mean"]), torch.from_numpy(file["covariance"])
            count = int(file["count"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError):
        return None
    whole = covariance.shape == (len(mean), len(mean)) and bool(mean.isfinite().all() & covariance.isfinite().all())
    return Statistics(mean, covariance, count) if whole and count >= 2 else None
