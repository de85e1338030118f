"""Tables of codes and scores as files: .npz, .parquet, .csv, .json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aegan.engine.state import write_atomically
from aegan.errors import UserError

Array = NDArray[Any]


def write_codes(
    path: Path, codes: Array, names: list[str], labels: Array | None = None, classes: tuple[str, ...] = ()
) -> None:
    """Codes with the names and labels of their examples, whole or not at all.

    .npz holds `codes` float32 (N, ...), `names` (N,), and where there are any `labels` int64 (N,) and `classes`. A parquet
    file holds a row an example: `name`, `label`, `class`, and `code`, a list of fixed size (the code flattened; its shape
    is in the file's metadata under `code_shape`, as JSON).

    Raises:
        UserError: another suffix, or pyarrow is missing.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays: dict[str, Any] = {"codes": codes, "names": np.array(names), "labels": labels}
        arrays["classes"] = np.array(classes) if classes else None
        with io.BytesIO() as buffer:
            np.savez_compressed(buffer, **{k: v for k, v in arrays.items() if v is not None})
            write_atomically(path, buffer.getvalue())
    elif suffix == ".parquet":
        pa = _pyarrow(path)
        flat = np.ascontiguousarray(codes.reshape(len(codes), -1), np.float32)
        columns = {"name": pa.array(names, pa.string()), **_label_columns(pa, labels, classes)}
        columns["code"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
        _write_parquet(pa, path, columns, {"code_shape": json.dumps(list(codes.shape[1:]))})
    else:
        raise UserError(f"Codes are written as .npz or .parquet, not {suffix or 'a folder'}.", "Use --out codes.npz")


def write_rows(path: Path, rows: Mapping[str, Any]) -> None:
    """Columns of equal length as .csv, .json (a list of objects) or .parquet, whole or not at all.

    Raises:
        UserError: another suffix, or pyarrow is missing.
    """
    suffix = path.suffix.lower()
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in rows.items()}
    if suffix == ".json":
        listed = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
        write_atomically(path, (json.dumps(listed, indent=1) + "\n").encode())
    elif suffix == ".csv":
        with io.StringIO(newline="") as text:
            writer = csv.writer(text)
            writer.writerow(plain)
            writer.writerows(zip(*plain.values(), strict=True))
            # file names need not be UTF-8
            write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))
    elif suffix == ".parquet":
        pa = _pyarrow(path)
        _write_parquet(pa, path, {k: pa.array(v) for k, v in plain.items()}, {})
    else:
        raise UserError(f"A table is written as .csv, .json or .parquet, not {suffix or 'a folder'}.", "Name a file.")


def _label_columns(pa: Any, labels: Array | None, classes: tuple[str, ...]) -> dict[str, Any]:
    if labels is None:
        return {}
    found = {"label": pa.array(labels)}
    return found if not classes else {**found, "class": pa.array([classes[i] for i in labels], pa.string())}


def _write_parquet(pa: Any, path: Path, columns: dict[str, Any], metadata: dict[str, str]) -> None:
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata(metadata or None)
    with io.BytesIO() as buffer:
        pq.write_table(table, buffer)
        write_atomically(path, buffer.getvalue())


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
    except ImportError as why:
        raise UserError(f"Writing {path} needs pyarrow, which is missing.", 'pip install "aegan[parquet]"') from why
    return pyarrow
