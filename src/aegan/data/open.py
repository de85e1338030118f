"""Opens data of any kind: the one way in."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aegan.data import arrays, builtin
from aegan.data.assemble import Draft, in_memory
from aegan.data.build import Advance, Stream, cached, number_labels, open_found
from aegan.data.cache import key_of
from aegan.data.decode import SUFFIXES
from aegan.data.files import Found, in_folder, in_zip
from aegan.data.fit import check_size, fit_all, of_images, suggest, told, with_channels
from aegan.data.inspection import Inspection, printable
from aegan.data.listing import Listed, walk
from aegan.data.parquet import in_parquet, may_read
from aegan.data.shards import in_tars, listed_shards, named_shards, remote
from aegan.data.spec import Data, Numbered
from aegan.data.split import content_hashes
from aegan.errors import UserError, unknown
from aegan.places import expanded

Array = NDArray[Any]
Source = str | os.PathLike[str] | Array

IN_MEMORY = 2**30  # bytes up to which an array that is in memory stays there; a larger one goes through the cache
KINDS = "a folder of images, a .zip or .tar of one, an .npy, .npz or .parquet file"


def open_data(
    source: Source,
    *,
    size: int | None = None,
    channels: int | None = None,
    labels: Any = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
    stream: Stream = "auto",
) -> Data:
    """Opens a data set: decodes it, holds a share out for evaluation, and tells what was found.

    Args:
        source: a folder of images (its sub-folders are classes), a .zip of one, an .npy or .npz file, a parquet file or a
            folder of them, tar shards (a .tar, a folder of them, a pattern {000..099}.tar, a list of them in a .txt or
            .list file), a NumPy array, or a built-in name (`aegan.data.builtin.NAMES`).
        size: side of the square images, pixels, a multiple of 8; by default what suits the source, at most 64.
        channels: 1 (grey) or 3 (colour); by default colour, unless every image is grey.
        labels: False leaves labels out; with an array, the label of each row (numbers or names).
        data_dir: where the files of `fashion-full` are.
        cache_dir: where decoded images are kept; by default see `aegan.places.cache_root`.
        progress: show a progress bar while decoding.
        stream: "on" keeps no decoded images but decodes them whenever they are asked for; "off" never does; "auto" does
            so for tar and parquet shards of more than 4 GB of pixels.

    Raises:
        UserError: nothing usable there; says what, where, and what to do.

    >>> open_data("fashion").spec.shape
    (1, 32, 32)
    """
    check_size(size, channels)
    if stream not in get_args(Stream):
        raise unknown("value of 'stream'", str(stream), get_args(Stream))
    labelled = labels is not False
    given = None if labels is None or isinstance(labels, bool) else labels
    if isinstance(source, str) and source in builtin.NAMES:
        _no_labels(given, f"'{source}'")
        return _builtin(source, size, channels, labelled, data_dir)
    if not isinstance(source, str | os.PathLike):
        try:
            stored = arrays.from_array(np.asarray(source))
        except (ValueError, TypeError) as why:  # a ragged list; a tensor on a GPU
            raise UserError(f"This can't be made an array: {why}.", f"Give a NumPy array, or name {KINDS}.") from why
        return _array(stored, "array", size, channels, labelled, given, cache_dir, progress)
    if not os.fspath(source):  # to Path, the current folder
        raise UserError("The name of the data is empty.", f"Name {KINDS}, or a built-in: {', '.join(builtin.NAMES)}.")
    if remote(os.fspath(source)):
        raise UserError(
            f"{printable(os.fspath(source))} is not on this machine, and aegan reads no addresses and runs no commands.",
            "Fetch or mount the shards, and name their folder.",
        )
    path = expanded(source)
    name, shown, suffix = printable(path.resolve().stem), printable(str(path)), path.suffix.lower()
    try:
        if suffix in (".npy", ".npz") and path.is_file():
            stored = arrays.from_npy(path) if suffix == ".npy" else arrays.from_npz(path)
            return _array(stored, name, size, channels, labelled, given, cache_dir, progress, shown)
        found = files_in(path, shown)
    except OSError as why:
        raise UserError(f"{shown} can't be read: {why.strerror or why}.", "Check its permissions.") from why
    _no_labels(given, shown)
    return open_found(found, name, shown, size, channels, labelled, cache_dir, progress, stream)


def inspect_data(
    source: Source,
    *,
    size: int | None = None,
    channels: int | None = None,
    labels: Any = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
    stream: Stream = "auto",
) -> Inspection:
    """What is in a data set; it is decoded as by `open_data`, into the same cache, so that training starts at once."""
    return open_data(
        source,
        size=size,
        channels=channels,
        labels=labels,
        data_dir=data_dir,
        cache_dir=cache_dir,
        progress=progress,
        stream=stream,
    ).inspection


def _builtin(name: str, size: int | None, channels: int | None, labelled: bool, data_dir: str | None) -> Data:
    one = builtin.NAMES[name]
    parts = [part for part in one.read(data_dir) if part is not None]
    rows, labels = np.concatenate([p.items for p in parts]), np.concatenate([p.labels for p in parts])
    held = None if len(parts) == 1 else np.arange(len(rows)) >= len(parts[0].items)
    names = Numbered(np.concatenate([np.arange(len(p.items)) for p in parts]))
    if rows.ndim == 2 and (size or channels):
        raise UserError(f"'{name}' is made of points, not images.", "Leave size and channels out.")
    native = rows.shape[1]
    if rows.ndim == 4:
        rows = with_channels(fit_all(rows, size or native), channels or rows.shape[-1])
    sides, stored = ((native, native), "uint8") if rows.ndim == 4 else ((), "float32")
    found = _inspection(rows, sides, stored, native, (one.title,), rows.shape[-1])
    classes = one.classes if labelled else ()
    draft = Draft(rows, content_hashes(rows), labels if classes else None, classes, names, found, held)
    return in_memory(draft, name, name)


def _array(
    stored: arrays.Stored,
    name: str,
    size: int | None,
    channels: int | None,
    labelled: bool,
    given: Any,
    cache_dir: str | None,
    progress: bool,
    source: str = "an array",
) -> Data:
    """The `Data` of an array: in memory if it was and is small, else through the cache."""
    how = arrays.plan(stored)
    if how.vectors and (size or channels):
        raise UserError(
            f"{stored.where} holds vectors, not images (shape {stored.shape}).", "Leave size and channels out."
        )
    labels, classes, said = _labels(stored, given, labelled)
    sides = () if how.vectors else stored.shape[2:4] if how.first else stored.shape[1:3]
    side = size or (suggest(min(sides)) if sides else 0)
    total = stored.shape[0]

    def make(folder: Path | None, advance: Advance) -> Draft:
        pieces, hashes, transparent, colour, row = [], [], 0, False, (0,)
        for chunk in stored.rows():
            items, clear = arrays.examples(chunk, how)
            items = items if how.vectors else fit_all(items, side)
            items = with_channels(items, channels) if channels else items
            hashes.append(content_hashes(items))
            transparent, row = transparent + clear, items.shape[1:]
            colour = colour or bool((items != items[..., :1]).any())
            if folder is None:
                pieces.append(items)
            else:
                with open(folder / "raw", "ab") as file:
                    file.write(np.ascontiguousarray(items).data)
            advance(len(items))
        dtype = np.float32 if how.vectors else np.uint8
        rows = np.concatenate(pieces) if folder is None else np.memmap(folder / "raw", dtype, "r", shape=(total, *row))
        notes = (*how.notes, *said, *of_images(transparent, total, "partly transparent: laid on white"))
        depth = row[0] if how.vectors else channels or (3 if colour else 1)
        found = _inspection(rows, tuple(sides), str(stored.dtype), None, notes, depth)
        return Draft(rows, np.concatenate(hashes), labels, classes, Numbered(np.arange(total)), found)

    need = (
        total * (4 * stored.shape[1] if how.vectors else side * side * (channels or 3)) * 2
    )  # once as read, once in order
    if not stored.mark and need <= 2 * IN_MEMORY:
        return in_memory(make(None, lambda _: None), name, source)
    mark = stored.mark or _digest(stored)
    fixed = None if labels is None else hashlib.blake2b(labels.tobytes(), digest_size=16).hexdigest()
    return cached(key_of(mark, side, channels, fixed, classes), name, source, need, total, make, cache_dir, progress)


def _inspection(
    rows: Array,
    sides: tuple[int, ...],
    stored: str,
    native: int | None,
    notes: Sequence[str],
    channels: int,
) -> Inspection:
    """What can be told of an array of examples; images are all of one size, `sides` = (H, W) as stored."""
    modes = {stored: len(rows)}
    if rows.ndim == 2:
        return Inspection("vectors", len(rows), 0, None, None, channels, modes=modes, notes=tuple(notes))
    size, (height, width) = rows.shape[1], sides
    return Inspection(
        kind="images",
        count=len(rows),
        held_out=0,
        size=size,
        suggested_size=native or suggest(min(sides)),
        channels=channels,
        widths=(width,) * 3,
        heights=(height,) * 3,
        modes=modes,
        notes=(*notes, *told(np.array([width]), np.array([height]), size, len(rows))),
    )


def _labels(stored: arrays.Stored, given: Any, labelled: bool) -> tuple[Array | None, tuple[str, ...], list[str]]:
    """The labels given with an array, or stored beside it, as numbers from 0."""
    values = given if given is not None else stored.labels
    if values is None or not labelled:
        return None, (), []
    values = np.asarray(values)
    if values.shape != stored.shape[:1] or values.dtype.kind not in "uibUS":
        raise UserError(
            f"The labels of {stored.where} have the shape {values.shape} and the type {values.dtype}.",
            f"They must be {stored.shape[0]:,} whole numbers or names, one a row.",
        )
    return number_labels(values.astype(np.int64) if values.dtype.kind in "uib" else values, stored.classes)


def _digest(stored: arrays.Stored) -> str:
    digest = hashlib.blake2b(repr((stored.shape, stored.dtype)).encode(), digest_size=16)
    for chunk in stored.rows():
        digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()


def files_in(path: Path, shown: str) -> Found:
    """The images of a folder, a zip archive, parquet files or tar shards, not yet decoded."""
    if not path.exists():
        if (shards := named_shards(str(path))) is not None:
            return in_tars(shards)
        raise _missing(path, shown)
    if path.is_dir():
        listing = list(walk(path))
        if _mostly(".tar", listing):
            return in_tars([], listing)
        return in_parquet(path, listing) if _mostly(".parquet", listing) else in_folder(path, listing)
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".zip"):
        return in_parquet(path) if suffix == ".parquet" else in_zip(path)
    if suffix == ".tar":
        return in_tars([path])
    if suffix in (".txt", ".list"):
        return in_tars(listed_shards(path))
    if path.name.lower().endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        raise UserError(
            f"{shown} is a compressed tar, and shards are read where they are.",
            "Unpack it (gunzip), and name the .tar.",
        )
    raise UserError(f"{shown} is a {path.suffix or 'plain'} file.", f"Name {KINDS}.")


def _mostly(suffix: str, listing: Sequence[Listed]) -> bool:
    """Whether a folder holds more bytes of such shards than of images."""
    shards = sum(each.size for each in listing if each.suffix == suffix and may_read(each))
    return shards > sum(each.size for each in listing if each.suffix in SUFFIXES and not each.why)


def _no_labels(given: Any, shown: str) -> None:
    if given is not None:
        raise UserError(f"Labels can be given for arrays only, and {shown} has its own.", "Leave labels out.")


def _missing(path: Path, shown: str) -> UserError:
    if os.sep not in shown and not path.suffix:
        near = difflib.get_close_matches(shown, builtin.NAMES, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        known = ", ".join(builtin.NAMES)
        return UserError(
            f"No file or folder '{shown}', nor a built-in data set of that name.", f"{hint}Built in: {known}."
        )
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.6)
    hint = (
        f"Did you mean '{printable(str(path.parent / near[0]))}'?"
        if near
        else f"Name {KINDS}, or a built-in: {', '.join(builtin.NAMES)}."
    )
    return UserError(f"There is no {shown}.", hint)
