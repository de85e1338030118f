"""The last step of opening: from examples and their hashes to a `Data`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aegan.data.inspection import Inspection
from aegan.data.spec import Data, DataSpec, Split
from aegan.errors import UserError

Array = NDArray[Any]

FEW = 1_000  # examples under which a generator tends to memorise
FEW_OF_CLASS = 10


def assemble(
    name: str,
    source: str,
    train: Split,
    held: Split,
    hashes: Sequence[Array],
    classes: tuple[str, ...],
    found: Inspection,
) -> Data:
    """A `Data` of two splits.

    Args:
        train, held: the splits, vectors as they came.
        hashes: content hashes of each, uint8 (N, 16).
        found: the inspection; it already counts everything.
    """
    shape = train.items.shape[1:]
    if len(shape) == 3:
        shape = (shape[2], shape[0], shape[1])
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((1, shape, classes, len(train), len(held))).encode())
    for split, each in zip((train, held), hashes, strict=True):
        digest.update(np.ascontiguousarray(each).tobytes())
        digest.update(b"" if split.labels is None else split.labels.tobytes())
    mean = scale = None
    if len(shape) == 1:
        mean, scale = standardisation(train.items)
        train, held = (replace(split, mean=mean, scale=scale) for split in (train, held))
    spec = DataSpec(tuple(int(n) for n in shape), classes, len(train))
    return Data(name, source, spec, train, held, found, digest.hexdigest(), mean, scale)


def standardisation(vectors: Array, chunk: int = 65_536) -> tuple[Array, Array]:
    """The per-axis mean (D,) and the one common standard deviation () of (N, D), float32, read in chunks.

    One sd for all axes, because one per axis would change the shape of the distribution.

    Raises:
        UserError: all vectors are the same.
    """
    total = np.zeros(vectors.shape[1], np.float64)
    for start in range(0, len(vectors), chunk):
        total += vectors[start : start + chunk].astype(np.float64).sum(0)
    mean = total / len(vectors)
    square = sum(
        float(np.square(vectors[start : start + chunk] - mean).sum()) for start in range(0, len(vectors), chunk)
    )
    scale = np.sqrt(square / vectors.size)
    if not scale > 0:
        raise UserError("All vectors are the same.", "Give data that varies.")
    return mean.astype(np.float32), np.asarray(scale, np.float32)


def class_counts(labels: Array | None, classes: tuple[str, ...]) -> dict[str, int]:
    """How many examples each class has, in the order of the labels."""
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(classes))
    return {name: int(n) for name, n in zip(classes, counts, strict=True)}


def warnings_for(count: int, counts: Mapping[str, int], noun: str) -> list[str]:
    """What deserves a thought before training on so many examples, in such classes."""
    out = []
    if count < FEW:
        out.append(f"only {count:,} {noun}: the model is likely to memorise them")
    if few := [name for name, n in counts.items() if n < FEW_OF_CLASS]:
        shown = ", ".join(few[:5]) + (", …" if len(few) > 5 else "")
        out.append(f"{len(few)} class{'es' if len(few) > 1 else ''} of under {FEW_OF_CLASS} examples: {shown}")
    return out
