"""Images in parquet files, laid out as the Hugging Face hub does: an `image` column of {bytes, path}, a `label` column.

Rows may name files instead of holding them: these are read where they lie, below the folder of the parquet file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from aegan.data.choosing import LABELS_FROM, suffix_of
from aegan.data.decode import SUFFIXES, TOO_LARGE, Skip
from aegan.data.files import RULES, ByteRange, Entry, Found, Skips, stamp
from aegan.data.formats import refuse_pointer
from aegan.data.inspection import printable
from aegan.data.labels import label_of, label_rank, plain
from aegan.data.layout import SPLIT
from aegan.data.listing import Listed, hidden, walk
from aegan.data.matching import FILE_COLUMNS, SPLIT_COLUMNS
from aegan.data.splitnames import split_name, trains
from aegan.errors import UserError, first_line, required, unreadable
from aegan.names import as_bytes

MOST_GROUP = 2**32  # bytes of a row group, decompressed
ABSENT = "the file that the row names is not below the folder of the parquet file"
PATHS_PROBED = 64  # rows in which a column of text must name images to be one of paths
ROWS = 64  # read at a time: memory holds this many stored images


class Columns(NamedTuple):
    """The columns of a parquet file that are used; "" where there is none."""

    image: str  # encoded bytes, {bytes, path}, or paths
    label: str = ""
    split: str = ""
    classes: tuple[str, ...] = ()  # names by number, where the file has them
    unused: tuple[str, ...] = ()  # the other columns


def in_parquet(path: Path, listing: Iterable[Listed] = (), everything: bool = False) -> Found:
    """The images of a parquet file, or of all those in a folder; of its training split unless `everything` is asked for."""
    with required(f"Reading {path} needs pyarrow", "pyarrow"):
        import pyarrow.parquet as pq
    skips, notes = Skips(), list[str]()
    files = [Path(each.path) for each in listing if each.suffix == ".parquet" and may_read(each)] or [path]
    if not everything and (chosen := training(files)):
        notes.append(held_files(files, chosen, skips))
        files = chosen
    key = hashlib.blake2b(RULES, digest_size=16)
    total, columns = 0, Columns("")
    splits: Counter[str] = Counter()
    for file in files:
        try:
            key.update(as_bytes(f"{stamp(file)}\0"))
            refuse_pointer(file)
            with pq.ParquetFile(file) as opened:
                columns = _columns(opened, file, columns)
                _check_groups(opened.metadata, file)
                total += opened.metadata.num_rows
                if columns.split and not everything:
                    splits.update(map(str, opened.read(columns=[columns.split]).column(0).to_pylist()))
        except PermissionError as why:
            raise unreadable(file, why) from why
        except (OSError, ValueError) as why:  # pyarrow's ArrowInvalid is a ValueError
            raise UserError(
                f"{file} is not a whole parquet file ({first_line(why)[:200]}).", "Fetch it again."
            ) from why
    if use := trains(splits):
        held = ", ".join(f"'{printable(name)}' {n:,}" for name, n in sorted(splits.items()) if name not in use)
        notes.append(f"only the rows of the split {', '.join(sorted(use))} are used; held back: {held}")
        total = sum(splits[name] for name in use)
    said = f"column '{printable(columns.label)}'" if columns.label else "none: no column of labels"
    if columns.label:
        notes.append(LABELS_FROM.format(said))
    if columns.unused:
        shown = ", ".join(map(printable, columns.unused[:6])) + (", …" if len(columns.unused) > 6 else "")
        notes.append(f"not used: the column{'s' if len(columns.unused) > 1 else ''} {shown}")
    root = path if path.is_dir() else path.parent
    rows = _rows(files, columns, root, use, skips)
    some = files[:: max(1, len(files) // 8)]
    sample = [entry for file in some for entry in _rows([file], columns, root, use, Skips(), most=ROWS)]
    # rows that name files, found (ByteRange) or not (partial): those may change alone
    if any(isinstance(entry.read, ByteRange | partial) for entry in sample):
        for each in walk(root):
            if each.suffix in SUFFIXES and not each.why:
                key.update(as_bytes(f"{each.name}\0{each.size}\0{each.changed}\0"))
    return Found(key.hexdigest(), rows, sample, total, total, skips, notes, said, columns.classes, shards=True)


def _rows(
    files: Iterable[Path], columns: Columns, root: Path, use: Collection[str], skips: Skips, most: int | None = None
) -> Iterator[Entry]:
    """The rows of some files, or the first of each: those of the splits to `use`, or all where there are none such."""
    import pyarrow.parquet as pq

    wanted = [each for each in columns[:3] if each]
    for file in files:
        row = 0
        try:
            with pq.ParquetFile(file) as opened:
                rows = chain.from_iterable(batch.to_pylist() for batch in opened.iter_batches(ROWS, columns=wanted))
                for row, cells in enumerate(islice(rows, most), 1):
                    name = f"{file.name}/{row - 1}"
                    if use and str(cells[columns.split]) not in use:
                        skips.add(name, SPLIT)
                    else:
                        read = _reader(cells[columns.image], file, root)
                        yield Entry(name, read, label_of(cells.get(columns.label)))
        except (OSError, ValueError) as why:
            raise UserError(f"{file} is damaged after row {row} ({first_line(why)[:200]}).", "Fetch it again.") from why


def _reader(stored: Any, file: Path, root: Path) -> Callable[[int], bytes]:
    raw = stored.get("bytes") if isinstance(stored, dict) else stored
    named = stored.get("path") if isinstance(stored, dict) else stored if isinstance(stored, str) else None
    if raw and not isinstance(raw, str):
        return lambda most: bytes(raw[:most])
    if not named:
        return partial(_nothing, "neither an image nor the name of a file in the row")
    found = file_below(named, file.parent, root)
    return ByteRange(found, 0, os.path.getsize(found)) if found else partial(_nothing, ABSENT)


def _nothing(why: str, most: int) -> bytes:
    raise Skip(why)


def file_below(named: str, beside: Path, root: Path) -> str | None:
    """The file that a row names: relative to the parquet file's folder, or to the data's; never outside these.

    A path that was absolute on another machine is looked for by its last parts.
    """
    parts = [part for part in str(named).replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or hidden(parts[-1:]) or "\0" in str(named):
        return None
    for folder in dict.fromkeys((beside, root)):
        real = os.path.join(os.path.realpath(folder), "")
        for i in range(min(len(parts), 8)):
            path = os.path.realpath(os.path.join(real, *parts[i:]))
            if path.startswith(real) and os.path.isfile(path):
                return path
    return None


def _columns(opened: Any, file: Path, before: Columns) -> Columns:
    """The columns of an opened file that are used; those of the files `before` it, if there are any."""
    import pyarrow as pa

    def holds_images(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def is_text(kind: Any) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def is_number(kind: Any) -> bool:
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    def holds_labels(kind: Any) -> bool:
        if pa.types.is_dictionary(kind):
            return holds_labels(kind.value_type)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return is_number(kind.value_type)
        return is_number(kind) or pa.types.is_boolean(kind) or is_text(kind)

    schema = opened.schema_arrow
    images = [column.name for column in schema if holds_images(column.type)]
    images = images or _paths(opened, [column.name for column in schema if is_text(column.type)])
    if not images:
        raise UserError(
            f"{file} has no column of images; its columns: {', '.join(schema.names)}.",
            "It needs a column 'image' of encoded files (binary, or a struct with a field 'bytes'), or of the paths of "
            "image files that lie beside it.",
        )
    image = "image" if "image" in images else images[0]
    features: dict[str, Any] = {}
    with suppress(ValueError, KeyError, TypeError, RecursionError):  # written by something else: the columns must do
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    named = {name: f["names"] for name, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}
    others = [column.name for column in schema if column.name != image and holds_labels(column.type)]
    split = next((name for name in others if plain(name) in SPLIT_COLUMNS), "")
    usual = sorted((name for name in others if label_rank(name) >= 0), key=label_rank)
    label = next(iter([*usual, *(name for name in named if name in others)]), "")
    if not label:  # a single column that is left
        left = [n for n in others if n != split and plain(n) not in FILE_COLUMNS and not n.startswith("__index")]
        label = left[0] if len(left) == 1 and not pa.types.is_floating(schema.field(left[0]).type) else ""
    used = (image, label, split)
    unused = tuple(name for name in schema.names if name not in used and not name.startswith("__index"))
    found = Columns(*used, tuple(map(str, named.get(label) or ())), unused)
    if before.image and found != before:
        raise UserError(f"{file} has other columns than the files before it.", "Name one file or folder of a kind.")
    return found


def _paths(opened: Any, columns: Sequence[str]) -> list[str]:
    """Of some columns of text the one that holds paths of images, if there is one."""
    usual = sorted(columns, key=lambda name: plain(name) not in FILE_COLUMNS)
    for batch in islice(opened.iter_batches(PATHS_PROBED, columns=usual), 1):
        for name in usual:
            values = [value for value in batch.column(name).to_pylist() if value]
            if sum(suffix_of(value) in SUFFIXES for value in values) * 2 > len(values):
                return [name]
    return []


def _check_groups(metadata: Any, file: Path) -> None:
    """Refuses row groups that would fill memory when they are decompressed, by what the file says of them."""
    for i in range(metadata.num_row_groups):
        if (size := metadata.row_group(i).total_byte_size) > MOST_GROUP:
            raise UserError(
                f"{file} has a row group of {size / 1e9:.1f} GB, and the most is {MOST_GROUP / 1e9:.1f} GB.",
                "Write it again with smaller ones: to_parquet(..., row_group_size=1000).",
            )


def may_read(each: Listed) -> bool:
    """Whether a listed parquet file may be read: it may be larger than any one image."""
    return not each.why or each.why == TOO_LARGE


def training(files: Sequence[Path]) -> list[Path]:
    """Of files named after several splits (train-00000-of-00002.parquet, test-…) those to train on; else none."""
    for names in ({file: file.stem for file in files}, {file: file.parent.name for file in files}):
        if use := trains(names.values()):
            return [file for file in files if names[file] in use]
    return []


def held_files(files: Sequence[Path], chosen: Sequence[Path], skips: Skips) -> str:
    """Counts the files of other splits than those chosen; the note on it."""
    others = sorted(set(files) - set(chosen))
    for other in others:
        skips.add(other.name, SPLIT)
    what = split_name(chosen[0].stem) or split_name(chosen[0].parent.name)
    return (
        f"only the {len(chosen)} files of the split '{what.kind if what else 'train'}' are used; {len(others)} are held "
        "back (to use another file, name it)"
    )
