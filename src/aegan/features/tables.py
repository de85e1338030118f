"""Tables of codes and scores as files: .npz, .parquet, .csv, .json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aegan.errors import UserError, required
from aegan.files import write_arrays, write_atomically, write_json
from aegan.hints import Array
from aegan.names import as_bytes


def write_codes(
    path: Path, codes: Array, names: list[str], labels: Array | None = None, classes: tuple[str, ...] = ()
) -> None:
    """Codes with the names and labels of their examples, whole or not at all.

    .npz holds `codes` float32 (N, ...), `names` (N,), and where there are any `labels` int64 (N,) and `classes`. A parquet
    file holds a row an example: `name`, `label`, `class`, and `code`, a list of fixed size (the code flattened; its shape
    is in the file's metadata under `code_shape`, as JSON). Names that are not UTF-8 are exact in an .npz, where stray bytes
    are lone surrogates (`os.fsencode` gives the bytes), and in a parquet file's column `name_bytes`.

    Raises:
        UserError: another suffix, or pyarrow is missing.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        write_arrays(path, codes=codes, names=np.array(names), labels=labels, classes=classes or None)
    elif suffix == ".parquet":
        pa = _pyarrow(path)
        flat = np.ascontiguousarray(codes.reshape(len(codes), -1), np.float32)
        columns = _text(pa, "name", names)
        if labels is not None:
            columns["label"] = pa.array(labels)
            if classes:
                columns["class"] = pa.array([classes[i] for i in labels], pa.string())
        columns["code"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
        _write_parquet(pa, path, columns, {"code_shape": json.dumps(list(codes.shape[1:]))})
    else:
        raise UserError(f"Codes are written as .npz or .parquet, not {suffix or 'a folder'}.", "Use --out codes.npz")


def write_rows(path: Path, rows: Mapping[str, Any]) -> None:
    """Columns of equal length as .csv, .json (a list of objects) or .parquet, whole or not at all.

    Names that are not UTF-8 are exact: in a .csv their bytes as they are, in .json lone surrogates (`os.fsencode` gives the
    bytes), in .parquet a column NAME_bytes beside the column of text.

    Raises:
        UserError: another suffix, or pyarrow is missing.
    """
    suffix = path.suffix.lower()
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in rows.items()}
    if suffix == ".json":
        write_json(path, rows_of(plain))
    elif suffix == ".csv":
        with io.StringIO(newline="") as text:
            writer = csv.writer(text)
            writer.writerow(plain)
            writer.writerows(zip(*plain.values(), strict=True))
            write_atomically(path, as_bytes(text.getvalue()))
    elif suffix == ".parquet":
        pa = _pyarrow(path)
        columns: dict[str, Any] = {}
        for k, v in plain.items():
            columns |= _text(pa, k, v) if v and isinstance(v[0], str) else {k: pa.array(v)}
        _write_parquet(pa, path, columns, None)
    else:
        raise UserError(f"A table is written as .csv, .json or .parquet, not {suffix or 'a folder'}.", "Name a file.")


def rows_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(pa: Any, column: str, values: list[str]) -> dict[str, Any]:
    """A column of text; where some are not UTF-8, which parquet's text is, also their bytes as COLUMN_bytes."""
    shown = [v.encode("utf-8", "backslashreplace").decode() for v in values]
    found = {column: pa.array(shown, pa.string())}
    return found if shown == values else {**found, f"{column}_bytes": pa.array(map(as_bytes, values), pa.binary())}


def _write_parquet(pa: Any, path: Path, columns: dict[str, Any], metadata: dict[str, str] | None) -> None:
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata(metadata)
    with io.BytesIO() as buffer:
        pq.write_table(table, buffer)
        write_atomically(path, buffer.getvalue())


def _pyarrow(path: Path) -> Any:
    with required(f"Writing {path} needs pyarrow", '"aegan[parquet]"'):
        import pyarrow
    return pyarrow
