"""Images in parquet files, laid out as the Hugging Face hub does: an `image` column of {bytes, path}, a `label` column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegan.data.decode import Skip, too_large
from aegan.data.files import OTHER_SPLITS, TRAINING, Entry, Found, Skips
from aegan.data.listing import Listed
from aegan.errors import UserError

MOST_GROUP = 2**32  # bytes of a row group, decompressed
ROWS = 64  # read at a time: memory holds this many stored images


@dataclass(frozen=True, slots=True)
class _Bytes:
    raw: Any

    def __call__(self, most: int) -> bytes:
        if not self.raw:
            raise Skip("no bytes in the row")
        return bytes(self.raw[:most])


def in_parquet(path: Path, listing: Iterable[Listed] = ()) -> Found:
    """The images of a parquet file, or of all those in a folder; of its training split where there are several.

    Raises:
        UserError: pyarrow is missing, a file is damaged, or there is no column of images.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as why:
        raise UserError(f"Reading {path} needs pyarrow, which is missing.", "pip install pyarrow") from why
    skips, notes = Skips(), []
    files = [Path(each.path) for each in listing if each.suffix == ".parquet" and may_read(each)] or [path]
    if chosen := training(files):
        for other in sorted(set(files) - set(chosen)):
            skips.add(other.name, "of another split than train")
        notes.append(f"only the {len(chosen)} files of the split 'train' are used: name another file to use that one")
        files = chosen
    key = hashlib.blake2b(digest_size=16)
    total, columns = 0, ("", "")
    classes: tuple[str, ...] = ()
    for file in files:
        try:
            # resolved, because the hub's own cache is a folder of links
            status = file.resolve().stat()
            with pq.ParquetFile(file) as opened:
                before, (columns, classes) = columns, _columns(opened.schema_arrow, file)
                if before not in (columns, ("", "")):
                    raise UserError(
                        f"{file} has other columns than the files before it.", "Name one file or folder of a kind."
                    )
                _check_groups(opened.metadata, file)
                total += opened.metadata.num_rows
        except (OSError, ValueError) as why:  # pyarrow's ArrowInvalid is a ValueError
            raise UserError(f"{file} is not a whole parquet file ({_first_line(why)}).", "Fetch it again.") from why
        key.update(f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    rows = _Rows(tuple(files), columns[0], columns[1], lambda file: pq.ParquetFile(file))
    step = max(1, len(files) // 8)
    sample = [entry for file in files[::step] for entry in rows.of(file, most=ROWS)]
    return Found(key.hexdigest(), rows, sample, total, total, skips, -1, notes, classes, bool(columns[1]), "parquet")


@dataclass(frozen=True)
class _Rows:
    """The rows of some parquet files, read as they are asked for."""

    files: Sequence[Path]
    image: str
    label: str
    open: Callable[[Path], Any]

    def __iter__(self) -> Iterator[Entry]:
        for file in self.files:
            yield from self.of(file)

    def of(self, file: Path, most: int | None = None) -> Iterator[Entry]:
        """The rows of one file, or the first of them."""
        columns, row = [each for each in (self.image, self.label) if each], 0
        try:
            with self.open(file) as opened:
                for batch in opened.iter_batches(ROWS, columns=columns):
                    images = batch.column(self.image).to_pylist()
                    labels = batch.column(self.label).to_pylist() if self.label else [-1] * len(images)
                    for image, label in zip(images, labels, strict=True):
                        raw = image.get("bytes") if isinstance(image, dict) else image
                        yield Entry(f"{file.name}/{row}", _Bytes(raw), -1 if label is None else label)
                        row += 1
                        if row == most:
                            return
        except (OSError, ValueError) as why:
            raise UserError(f"{file} is damaged after row {row} ({_first_line(why)}).", "Fetch it again.") from why


def _columns(schema: Any, file: Path) -> tuple[tuple[str, str], tuple[str, ...]]:
    """((column of images, column of labels or ""), class names) of a schema."""
    import pyarrow as pa

    def holds_images(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def holds_labels(kind: Any) -> bool:
        return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))

    images = [field.name for field in schema if holds_images(field.type)]
    if not images:
        raise UserError(
            f"{file} has no column of images; its columns: {', '.join(schema.names)}.",
            "It needs a column 'image' of encoded files: binary, or a struct with a field 'bytes'.",
        )
    image = "image" if "image" in images else images[0]
    features: dict[str, Any] = {}
    if stored := (schema.metadata or {}).get(b"huggingface"):
        try:
            features = json.loads(stored)["info"]["features"]
        except (ValueError, KeyError, TypeError, RecursionError):
            features = {}  # written by something else: the columns alone must do
    named = {name: f["names"] for name, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}
    usual = [name for name in ("label", "labels", "fine_label", "class") if name in schema.names]
    label = next((n for n in (*usual, *named) if n in schema.names and holds_labels(schema.field(n).type)), "")
    return (image, label), tuple(str(name) for name in named.get(label) or ())


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
    return not each.why or each.why == too_large()


def training(files: Sequence[Path]) -> list[Path]:
    """Of files named after several splits (train-00000-of-00002.parquet, test-…) those to train on; else none."""
    stems = {file: file.stem.lower().split("-")[0] for file in files}
    parents = {file: file.parent.name.lower() for file in files}
    for names in (stems, parents):
        if set(names.values()) & TRAINING and set(names.values()) & OTHER_SPLITS:
            return [file for file in files if names[file] in TRAINING]
    return []


def _first_line(why: Exception) -> str:
    return str(why).splitlines()[0][:200] if str(why) else type(why).__name__
