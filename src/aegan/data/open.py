"""Opens data of any kind: the one way in."""

from __future__ import annotations

import difflib
import glob
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np

from aegan.data import arrays, builtin
from aegan.data.assemble import Draft, in_memory, inspection_of_images
from aegan.data.build import AS_THEY_ARE, Advance, Asked, Stream, cached, open_found
from aegan.data.cache import key_of
from aegan.data.choosing import ARCHIVES
from aegan.data.decode import SUFFIXES
from aegan.data.depth import Depth
from aegan.data.files import Found, in_folder, in_zip
from aegan.data.fit import describe_fit, fit_all, seen_through, suggest, with_channels
from aegan.data.format import WHITE, Colour, ImageFormat, Size
from aegan.data.given import in_files, in_python, is_path
from aegan.data.inspection import Inspection, printable
from aegan.data.labels import checked_labels, number_labels, several_each
from aegan.data.listing import Listed, walk
from aegan.data.parquet import in_parquet, may_read
from aegan.data.shards import in_tars, listed_shards, named_shards, remote
from aegan.data.spec import Data, DataSpec, Numbered
from aegan.data.split import content_hashes
from aegan.errors import HoldsVectors, TooFew, UserError, unknown, unreadable
from aegan.folders import expanded

Source: TypeAlias = str | os.PathLike[str] | np.ndarray | Sequence[Any]  # and torch tensors; see `aegan.data.given`

IN_MEMORY = 2**30  # bytes up to which an array that is in memory stays there; a larger one goes through the cache
ONLY_IMAGES = "Leave size, channels, fit and background out."
ARRAYS = {  # by suffix
    ".npy": arrays.from_npy,
    ".npz": arrays.from_npz,
}
KINDS = "a folder of images, a .zip or .tar of one, an .npy, .npz or .parquet file"


def open_data(
    source: Source,
    *,
    size: Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    background: Colour = WHITE,
    labels: Any = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    progress: bool = False,
    stream: Stream = "auto",
    depth: Depth | None = None,
) -> Data:
    """Opens a data set: decodes it, holds a share out for evaluation, and reports what was found.

    Args:
        source: a folder of images (its sub-folders are classes), a .zip of one, an .npy or .npz file, a parquet file or a
            folder of them, tar shards (a .tar, a folder of them, a pattern {000..099}.tar, a list of them in a .txt or
            .list file), a pattern of image files (photos/*.png), or a built-in name (`aegan.data.builtin.NAMES`). Or, in
            Python: a NumPy array or torch tensor of images (N, H, W), (N, H, W, C) or (N, C, H, W), or of vectors (N, D); a
            list of arrays, of PIL images or of image files, which may differ in size.
        size: side of square images, "WIDTHxHEIGHT" or (width, height), pixels, multiples of 8; by default a square that
            suits the source, of at most 64.
        channels: 1 (grey), 3 (colour) or 4 (with alpha); by default colour, unless every image is grey.
        fit: images of another aspect ratio: "crop" keeps the centre, "pad" adds a margin, "stretch" distorts.
        background: what transparent images are composited on, and the colour of the margin: a name, "#rrggbb", "r,g,b", or
            three numbers.
        labels: False leaves labels out; with an array or a list, the label of each row (numbers or names).
        data_dir: where the files of `fashion-full` are.
        cache_dir: where decoded images are kept; by default see `aegan.folders.cache_root`.
        progress: show a progress bar while decoding.
        stream: "on" keeps no decoded images but decodes them whenever they are asked for; "off" never does; "auto" does
            so for tar and parquet shards of more than 4 GB of pixels.
        depth: the scale of values of more than 8 bits, as of a model (`model.spec.depth`); by default, and for kinds of
            values of which it says nothing, one for the whole set is measured.

    Raises:
        UserError: nothing usable there; says what, where, and what to do.

    >>> open_data("fashion").spec.shape, open_data("fashion", size="24x16").spec.shape
    ((1, 32, 32), (1, 16, 24))
    """
    wanted = replace(ImageFormat.of(size, channels, fit, background), depth=depth)
    if stream not in get_args(Stream):
        raise unknown("value of 'stream'", str(stream), get_args(Stream))
    given = None if labels is None or isinstance(labels, bool) else labels
    return _opened(source, Asked(wanted, labels is not False, cache_dir, progress, stream), given, data_dir)


def open_like(source: Source, spec: DataSpec, *, progress: bool = False) -> Data:
    """Data in the form that a model of this spec takes; raises as `open_data`. Fewer than training needs are not divided."""
    wanted = ImageFormat() if spec.is_vector else spec.format
    try:
        return open_as(source, wanted, progress=progress)
    except TooFew:
        return _opened(source, Asked(wanted, progress=progress, divide=False))


def open_as(source: Source, wanted: ImageFormat, *, progress: bool = False) -> Data:
    """Data whose images are brought to a form that is already known; raises as `open_data`."""
    data = _opened(source, Asked(wanted, progress=progress))
    fixed = wanted.depth or Depth()
    if wanted.size and fixed.bytes is None and data.spec.depth and data.spec.depth.bytes:
        # a form that is known says of which range 8 bits are: what is dark in it stays dark
        plain = replace(wanted, depth=replace(fixed, bytes=AS_THEY_ARE))
        return _opened(source, Asked(plain, progress=progress))
    return data


def _opened(source: Source, asked: Asked, given: Any = None, data_dir: str | None = None) -> Data:
    """`open_data`; `given` are labels."""
    if not is_path(source):
        held = in_python(source, given)
        if isinstance(held, Found):
            return open_found(held, "array", "the list", asked)
        return _array(arrays.from_array(held), "array", asked, given)
    if isinstance(source, str) and source in builtin.NAMES:
        _no_labels(given, f"'{source}'")
        return _builtin(source, asked, data_dir)
    check_name(os.fspath(source))
    path = expanded(source)
    name, shown = printable(Path(os.path.realpath(path)).stem), printable(str(path))
    if not path.exists() and (matches := sorted(filter(os.path.isfile, glob.glob(str(path), recursive=True)))):
        of_tars = given is None and all(match.lower().endswith(".tar") for match in matches)
        files = in_tars([Path(match) for match in matches]) if of_tars else in_files(matches, given)
        return open_found(files, "files", shown, asked)
    try:
        if path.is_file() and (read := ARRAYS.get(path.suffix.lower())):
            return _array(read(path), name, asked, given, shown)
        found = files_in(path, shown)
    except OSError as why:
        raise unreadable(shown, why) from why
    _no_labels(given, shown)
    return open_found(found, name, shown, asked)


def check_name(source: str) -> None:
    """Refuses what names no data, before it is looked for."""
    if not source:  # to Path, the current folder
        raise UserError("The name of the data is empty.", f"Name {KINDS}, or a built-in: {', '.join(builtin.NAMES)}.")
    if remote(source):
        raise UserError(
            f"{printable(source)} is not on this machine, and aegan reads no addresses and runs no commands.",
            "Fetch or mount the shards, and name their folder.",
        )


def _builtin(name: str, asked: Asked, data_dir: str | None) -> Data:
    wanted = asked.wanted
    one = builtin.NAMES[name]
    parts = [part for part in one.read(data_dir) if part is not None]
    rows, labels = np.concatenate([p.items for p in parts]), np.concatenate([p.labels for p in parts])
    held = None if len(parts) == 1 else np.arange(len(rows)) >= len(parts[0].items)
    names = Numbered(np.concatenate([np.arange(len(p.items)) for p in parts]))
    if rows.ndim == 2 and _of_images(wanted):
        raise UserError(f"'{name}' is made of points, not images.", ONLY_IMAGES)
    sides, stored = rows.shape[1:3], str(rows.dtype)
    if rows.ndim == 4:
        wanted = replace(wanted, size=wanted.size or (suggest(min(sides)),) * 2)
        rows = fit_all(with_channels(rows, wanted.channels or rows.shape[-1]), wanted)
    notes = [one.title, *filter(None, [builtin.shadowed(name)])]
    found = _inspection(rows, sides, stored, notes, rows.shape[-1], wanted)
    classes = one.classes if asked.labelled else ()
    found = replace(found, labels_from="the built-in data set" if classes else "none: left out or not there")
    draft = Draft(rows, content_hashes(rows), labels if classes else None, classes, names, found, held)
    return in_memory(asked.divided(draft), name, name)


def _array(stored: arrays.Stored, name: str, asked: Asked, given: Any, source: str = "an array") -> Data:
    """The `Data` of an array: in memory if it was and is small, else through the cache."""
    how = arrays.plan(stored, asked.wanted.depth)
    wanted, total = asked.wanted, stored.shape[0]
    if how.vectors and _of_images(wanted):
        raise HoldsVectors(f"{stored.where} holds vectors, not images (shape {stored.shape}).", ONLY_IMAGES)
    labels, classes, said, origin = _labels(stored, given, asked.labelled)
    sides = stored.shape[2:4] if how.first else stored.shape[1:3]
    if not how.vectors:
        wanted = replace(wanted, size=wanted.size or (suggest(min(sides)),) * 2)

    def make(folder: Path | None, advance: Advance) -> Draft:
        pieces, hashes, transparent, colour = [], [], 0, False
        for chunk in stored.rows():
            items, clear = arrays.examples(chunk, how, wanted)
            items = items if how.vectors else fit_all(items, wanted)
            items = with_channels(items, wanted.channels) if wanted.channels else items
            hashes.append(content_hashes(items))
            transparent += clear
            colour = colour or bool((items != items[..., :1]).any())
            if folder is None:
                pieces.append(items)
            else:
                with open(folder / "raw", "ab") as file:
                    file.write(np.ascontiguousarray(items).data)
            advance(len(items))
        shape = (total, *items.shape[1:])
        rows = np.concatenate(pieces) if folder is None else np.memmap(folder / "raw", items.dtype, "r", shape=shape)
        notes = (*stored.notes, *how.notes, *said, *(() if how.vectors else seen_through(transparent, total, wanted)))
        channels = shape[1] if how.vectors else wanted.channels or (3 if colour else 1)
        found = _inspection(rows, sides, str(stored.dtype), notes, channels, wanted)
        found = replace(found, labels_from=origin, depth=how.depth.as_dict() if how.depth else {})
        return Draft(rows, np.concatenate(hashes), labels, classes, Numbered(np.arange(total)), found)

    each = 4 * stored.shape[1] if how.vectors else math.prod(wanted.sides) * (wanted.channels or 3)
    need = 2 * total * each  # once as read, once in order
    if not stored.mark and need <= 2 * IN_MEMORY:
        return in_memory(asked.divided(make(None, lambda _: None)), name, source)
    fixed = None if labels is None else hashlib.blake2b(labels.tobytes(), digest_size=16).hexdigest()
    return cached(
        key_of(stored.mark or _digest(stored), wanted, fixed, classes, *asked.whole),
        name, source, need, total, make, asked,
    )  # fmt: skip


def _inspection(
    rows: np.ndarray, sides: Sequence[int], stored: str, notes: Sequence[str], channels: int, wanted: ImageFormat
) -> Inspection:
    """What is known of an array of examples; images are all of one size, `sides` = (H, W) as stored."""
    modes = {stored: len(rows)}
    if rows.ndim == 2:
        return Inspection("vectors", len(rows), 0, None, None, channels, modes=modes, notes=tuple(notes))
    heights, widths = np.array(sides)[:, None]
    notes = (*notes, *describe_fit(widths, heights, wanted, len(rows)))
    return inspection_of_images(widths, heights, modes, channels, wanted, notes)


def _of_images(wanted: ImageFormat) -> bool:
    """Whether something was asked for that only images have."""
    return replace(wanted, depth=None) != ImageFormat()


def _labels(
    stored: arrays.Stored, given: Any, labelled: bool
) -> tuple[np.ndarray | None, tuple[str, ...], list[str], str]:
    """The labels given with an array, or stored beside it, as numbers from 0; class names, notes, where they are from."""
    if not labelled:
        return None, (), [], "none: left out as asked"
    values = given if given is not None else stored.labels
    if values is None:
        return None, (), [], "none: there are none"
    if given is None and (why := several_each(values, stored.shape[0])):
        return None, (), [f"labels are left out: {why}"], f"none: {why}"
    values = checked_labels(values, stored.shape[0], f"The labels of {stored.where}", "a row")
    labels, classes, notes = number_labels(values, stored.classes)
    if labels is None:
        return None, classes, notes, "none: see the notes"
    return labels, classes, notes, "the labels given" if given is not None else f"the labels stored in {stored.where}"


def _digest(stored: arrays.Stored) -> str:
    digest = hashlib.blake2b(repr((stored.shape, stored.dtype)).encode(), digest_size=16)
    for chunk in stored.rows():
        digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()


def files_in(path: Path, shown: str, everything: bool = False) -> Found:
    """The images of a folder, a zip archive, parquet files or tar shards, not yet decoded.

    Those to train on, with their labels, or everything.
    """
    if not path.exists():
        if (shards := named_shards(str(path))) is not None:
            return in_tars(shards, everything=everything)
        raise _missing(path, shown)
    if path.is_dir():
        listing = list(walk(path))
        if _mostly(".tar", listing):
            return in_tars([], listing, everything)
        read = in_parquet if _mostly(".parquet", listing) else in_folder
        return read(path, listing, everything)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return in_parquet(path, everything=everything)
    if suffix == ".zip":
        return in_zip(path, everything)
    if suffix == ".tar":
        return in_tars([path], everything=everything)
    if suffix in (".txt", ".list"):
        return in_tars(listed_shards(path), everything=everything)
    if path.name.lower().endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        raise UserError(
            f"{shown} is a compressed tar, and shards are read where they are.",
            "Unpack it (gunzip), and name the .tar.",
        )
    if suffix in ARCHIVES:
        raise UserError(f"{shown} is an archive of a kind that is not read.", "Unpack it, and name the folder.")
    raise UserError(f"{shown} is a {path.suffix or 'plain'} file.", f"Name {KINDS}.")


def _mostly(suffix: str, listing: Sequence[Listed]) -> bool:
    """Whether a folder holds more bytes of such shards than of images."""
    shards = sum(each.size for each in listing if each.suffix == suffix and may_read(each))
    return shards > sum(each.size for each in listing if each.suffix in SUFFIXES and not each.why)


def _no_labels(given: Any, shown: str) -> None:
    if given is not None:
        raise UserError(f"Labels can be given for arrays only, and {shown} has its own.", "Leave labels out.")


def _missing(path: Path, shown: str) -> UserError:
    if path.is_symlink():
        leads = printable(os.readlink(path))
        return UserError(
            f"{shown} is a link that leads nowhere (to {leads}).", "Mend it, or name what it was to lead to."
        )
    if os.sep not in shown and not path.suffix:
        near = difflib.get_close_matches(shown, builtin.NAMES, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        return UserError(
            f"No file or folder '{shown}', nor a built-in data set of that name.",
            f"{hint}Built in: {', '.join(builtin.NAMES)}.",
        )
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.6)
    if near:
        return UserError(f"There is no {shown}.", f"Did you mean '{printable(str(path.parent / near[0]))}'?")
    return UserError(f"There is no {shown}.", f"Name {KINDS}, or a built-in: {', '.join(builtin.NAMES)}.")
