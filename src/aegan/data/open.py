"""Opens data of any kind: the one way in."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aegan.data.assemble import assemble, class_counts, warnings_for
from aegan.data.builtin import NAMES, Part
from aegan.data.fit import check_size, fit_all, with_channels
from aegan.data.inspection import Inspection
from aegan.data.spec import Data, Numbered, Split
from aegan.data.split import content_hashes, duplicates, held_out
from aegan.errors import UserError

Array = NDArray[Any]
Source = str | os.PathLike[str] | Array


def open_data(
    source: Source,
    *,
    size: int | None = None,
    channels: int | None = None,
    labels: Any = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
) -> Data:
    """Opens a data set: decodes it, holds a share out for evaluation, and tells what was found.

    Args:
        source: a built-in name (`aegan.data.builtin.NAMES`).
        size: side of the square images, pixels, a multiple of 8; by default what suits the source, at most 64.
        channels: 1 (grey) or 3 (colour); by default colour, unless every image is grey.
        labels: False leaves labels out.
        data_dir: where the files of `fashion-full` are.
        cache_dir: where decoded images are kept; by default `$AEGAN_CACHE`, or `~/.cache/aegan`.
        progress: show a progress bar while decoding.

    Raises:
        UserError: nothing usable there; says what, where, and what to do.
    """
    check_size(size, channels)
    if isinstance(source, str) and source in NAMES:
        return _open_builtin(source, size, channels, labels is not False, data_dir)
    raise UserError(f"No data set named {source!r}.")


def inspect_data(
    source: Source,
    *,
    size: int | None = None,
    channels: int | None = None,
    labels: Any = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
) -> Inspection:
    """What is in a data set. It is decoded as `open_data` does it, into the same cache, so that training starts at once."""
    return open_data(
        source, size=size, channels=channels, labels=labels, data_dir=data_dir, cache_dir=cache_dir, progress=progress
    ).inspection


def _open_builtin(name: str, size: int | None, channels: int | None, labelled: bool, data_dir: str | None) -> Data:
    builtin = NAMES[name]
    train, held = builtin.read(data_dir)
    images = train.items.ndim == 4
    native, stored = train.items.shape[1], "uint8" if images else "float32"
    if not images and (size or channels):
        raise UserError(f"'{name}' is made of points, not images.", "Leave size and channels out.")

    def shaped(items: Array) -> Array:
        return with_channels(fit_all(items, size or native), channels or items.shape[-1]) if images else items

    parts = [Part(shaped(part.items), part.labels) for part in (train, held) if part is not None]
    hashes = [content_hashes(part.items) for part in parts]
    if len(parts) == 1:
        mask = held_out(hashes[0])
        places = [np.flatnonzero(~mask), np.flatnonzero(mask)]
        parts, hashes = [Part(parts[0].items[p], parts[0].labels[p]) for p in places], [hashes[0][p] for p in places]
    else:
        places = [np.arange(len(part.items)) for part in parts]
    classes = builtin.classes if labelled else ()
    splits = [
        Split(part.items, part.labels if labelled else None, Numbered(p)) for part, p in zip(parts, places, strict=True)
    ]
    count = sum(len(split) for split in splits)
    counts = class_counts(np.concatenate([part.labels for part in parts]) if labelled else None, classes)
    notes = [builtin.title]
    if images and size not in (None, native):
        notes.append(f"resized from {native}×{native} to {size}×{size}")
    found = Inspection(
        kind="images" if images else "vectors",
        count=count,
        held_out=len(splits[1]),
        size=splits[0].items.shape[1] if images else None,
        suggested_size=native if images else None,
        channels=splits[0].items.shape[-1],
        widths=(native,) * 3 if images else (),
        heights=(native,) * 3 if images else (),
        modes={stored: count},
        classes=counts,
        duplicates=duplicates(np.concatenate(hashes)),
        notes=(*notes, *warnings_for(count, counts, "images" if images else "points")),
    )
    return assemble(name, name, splits[0], splits[1], hashes, classes, found)
