"""Features of images, kept between evaluations where the images are real: they are the slow half, and never change."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aegan.data.fit import with_channels
from aegan.data.format import colour_text
from aegan.errors import UserError
from aegan.evaluation.rows import Rows
from aegan.folders import cache_root
from aegan.metrics import Extractor
from aegan.metrics.features import Progress
from aegan.tensor_files import read_tensors, write_tensors

MOST = 2**31  # bytes of the whole cache; the files that were used longest ago make room


def cache_folder() -> Path:
    """`features` in the folder of caches, see `cache_root`."""
    return cache_root() / "features"


class OnBackground:
    """An extractor of RGB images for transparent ones: they are composited on a background before it sees them.

    Args:
        extract: takes images uint8 (N, H, W, 3).
        background: (R, G, B).
    """

    def __init__(self, extract: Extractor, background: tuple[int, int, int]) -> None:
        self.extract, self.background = extract, background

    def describe(self) -> dict[str, str]:
        return {**self.extract.describe(), "alpha": f"composited on {colour_text(self.background)}"}

    def __call__(self, images: np.ndarray, progress: Progress | None = None) -> Tensor:
        """uint8 (N, H, W, 4) -> float32 (N, D)."""
        return self.extract(with_channels(images, 3, self.background), progress)


def features(rows: Rows, extract: Extractor, progress: Progress | None = None) -> Tensor:
    """Features float32 (N, D) of images, read in pieces.

    Raises:
        UserError: some are not finite numbers.
    """
    found = torch.zeros(len(rows), 1)
    done = 0

    def advance(k: int, n: int) -> None:
        if progress:
            progress(done + k, len(rows))

    for piece in rows.pieces():
        part = extract(piece, advance)
        if not bool(part.isfinite().all()):
            bad = int((~part.isfinite().all(1)).nonzero()[0])
            raise UserError(
                f"The features of image {done + bad} are not finite numbers.",
                "Look for a broken image, or for broken weights of the extractor.",
            )
        if not done:  # filled in place: parts put together at the end would take twice the memory
            found = torch.empty(len(rows), part.shape[1])
        found[done : done + len(part)] = part
        done += len(part)
    return found


def cached_features(rows: Rows, extract: Extractor, progress: Progress | None = None) -> Tensor:
    """The same, from the cache if the same images met the same extractor before.

    The key is a hash of the images' content and of the extractor's description, which holds that of its weights. A
    damaged or unfinished file is made again; a folder that cannot be written is done without.
    """
    key = json.dumps([extract.describe(), rows.digest()], sort_keys=True)
    path = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    kept = _read(path, len(rows))
    if kept is not None:
        return kept
    found = features(rows, extract, progress)
    # a full disk or a read-only home must not stop an evaluation
    with contextlib.suppress(OSError, UserError):
        if _make_room(path.parent, found.numel() * 4):
            write_tensors(path, {"features": found}, {})
    return found


def _read(path: Path, count: int) -> Tensor | None:
    """What the file holds; None if there is none, or it is damaged."""
    try:
        found = read_tensors(path)[0]["features"]
    except (UserError, KeyError):
        return None
    with contextlib.suppress(OSError):
        path.touch()  # the age that `_make_room` goes by is that of the last use
    return found if found.ndim == 2 and len(found) == count else None


def _make_room(folder: Path, need: int) -> bool:
    """Removes the files that were used longest ago until `need` bytes more fit; False if they never will."""
    if need > MOST // 2:
        return False
    files = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.safetensors"))
    total = sum(size for _, size, _ in files) + need
    for _, size, path in files:
        if total <= MOST:
            break
        path.unlink(missing_ok=True)
        total -= size
    return True
