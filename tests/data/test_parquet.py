"""Parquet files in the layout of the Hugging Face hub."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.data import open_data
from aegan.errors import UserError

from .conftest import picture

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def encoded(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(seed, 32)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, seeds: range, label: Any = None, names: list[str] | None = None, struct: bool = True) -> Path:
    """A file of images of these seeds, with labels by the function `label`."""
    raw = [encoded(seed) for seed in seeds]
    columns: dict[str, Any] = {"image": [{"bytes": r, "path": None} for r in raw] if struct else raw}
    if label:
        columns["label"] = [label(seed) for seed in seeds]
    table = pa.table(columns)
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=7)
    return path


@pytest.mark.parametrize("struct", [True, False])
def test_a_file_with_class_names(tmp_path: Path, struct: bool) -> None:
    path = write(tmp_path / "x.parquet", range(20), lambda seed: seed % 2, ["cat", "dog"], struct)
    data = open_data(path)
    assert data.spec.classes == ("cat", "dog") and data.inspection.count == 20
    for split in (data.train, data.held_out):
        for item, label, name in zip(split.items, split.labels, split.names, strict=True):
            seed = int(name.removeprefix("x.parquet/"))
            assert (item == picture(seed, 32)).all() and label == seed % 2
    assert (open_data(path).train.items == data.train.items).all()


def test_a_folder_of_shards_uses_its_training_split(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / f"set/data/train-0000{i}-of-00002.parquet", range(10 * i, 10 * i + 10))
    write(tmp_path / "set/data/test-00000-of-00001.parquet", range(50, 60))
    (tmp_path / "set/README.md").write_text("words")
    data = open_data(tmp_path / "set")
    assert data.inspection.count == 20 and data.spec.classes == ()
    assert data.inspection.skipped["of another split than train"].count == 1


def test_the_hubs_own_cache_is_made_of_links(tmp_path: Path) -> None:
    blob = write(tmp_path / "hub/datasets--a--b/blobs/0123", range(12))
    link = tmp_path / "hub/datasets--a--b/snapshots/abcd/data/train-00000.parquet"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    assert open_data(link.parent.parent).inspection.count == 12


def test_rows_that_cannot_be_used(tmp_path: Path) -> None:
    images = [{"bytes": encoded(i), "path": ""} for i in range(12)]
    images += [{"bytes": None, "path": "x.png"}, {"bytes": b"damaged", "path": ""}, None]
    labels = [i % 2 for i in range(14)] + [None]
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "x.parquet")
    found = open_data(tmp_path / "x.parquet").inspection
    assert found.count == 12 and found.skipped_count == 3 and found.classes == {"0": 6, "1": 6}
    labels[0] = None
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "y.parquet")
    found = open_data(tmp_path / "y.parquet").inspection
    assert not found.classes and "labels are left out: 1 of 12 examples have none" in found.notes


def test_labels_that_are_names(tmp_path: Path) -> None:
    data = open_data(write(tmp_path / "x.parquet", range(12), lambda seed: "ab"[seed % 2]))
    assert data.spec.classes == ("a", "b")


def test_what_is_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match="no column of images; its columns: text, n"):
        open_data(tmp_path / "x.parquet")
    write(tmp_path / "set/a.parquet", range(9))
    write(tmp_path / "set/b.parquet", range(9), lambda seed: 0)
    with pytest.raises(UserError, match=r"b\.parquet has other columns"):
        open_data(tmp_path / "set")
    whole = write(tmp_path / "y.parquet", range(30)).read_bytes()
    (tmp_path / "y.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a whole parquet file"):
        open_data(tmp_path / "y.parquet")
    damaged = bytearray(whole)
    damaged[5_000:60_000] = bytes(55_000)
    (tmp_path / "y.parquet").write_bytes(damaged)
    with pytest.raises(UserError, match="damaged after row"):
        open_data(tmp_path / "y.parquet", size=32)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        open_data(tmp_path / "x.parquet")


def test_pixels_are_those_of_the_encoded_files(tmp_path: Path) -> None:
    data = open_data(write(tmp_path / "x.parquet", range(9)))
    expected = {picture(seed, 32).tobytes() for seed in range(9)}
    assert {np.ascontiguousarray(item).tobytes() for item in data.train.items} <= expected


def table(file: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


@pytest.mark.parametrize("form", ["struct", "text", "absolute", "windows"])
def test_rows_that_name_files(tmp_path: Path, form: str) -> None:
    root = tmp_path / "set"
    (root / "imgs").mkdir(parents=True)
    for i in range(12):
        (root / f"imgs/{i}.png").write_bytes(encoded(i))
    names = [f"imgs/{i}.png" for i in range(12)]
    column: list[Any] = {
        "struct": [{"bytes": None, "path": name} for name in names],
        "text": names,
        "absolute": [f"/data/somebody/set/{name}" for name in names],
        "windows": [name.replace("/", "\\") for name in names],
    }[form]
    path = table(root / "x.parquet", image=column, label=["ab"[i % 2] for i in range(12)])
    data = open_data(path)
    assert data.spec.classes == ("a", "b") and data.inspection.count == 12
    for split in (data.train, data.held_out):
        for item, label, name in zip(split.items, split.labels, split.names, strict=True):
            seed = int(name.removeprefix("x.parquet/"))
            assert (item == picture(seed, 32)).all() and label == seed % 2
    (root / "imgs/3.png").write_bytes(encoded(99))  # the files are part of the data, though the table is the same
    assert open_data(path).fingerprint != data.fingerprint


def test_rows_that_name_no_file_that_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(encoded(0))
    (tmp_path / "set").mkdir()
    (tmp_path / "set/link.png").symlink_to(tmp_path / "outside.png")
    names = ["../outside.png", str(tmp_path / "outside.png"), "link.png", "gone.png"] * 3
    path = table(tmp_path / "set/x.parquet", path=names)
    with pytest.raises(UserError, match="12 the file that the row names is not below the folder") as caught:
        open_data(path)
    assert caught.match("\nPut the parquet file beside them")


@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [
        ("species", pa.array(["a", "b"] * 6).dictionary_encode(), ("a", "b")),
        ("target", [-1, 1] * 6, ("-1", "1")),
        ("y", [0.0, 1.0] * 6, ("0", "1")),
        ("Class_Name", ["é", "f"] * 6, ("f", "é")),
        ("is_cat", [True, False] * 6, ("False", "True")),
        ("labels", [[0, 1], [1, 0]] * 6, ("0", "1")),
    ],
)
def test_label_columns_of_other_names_and_types(
    tmp_path: Path, name: str, values: Any, classes: tuple[str, ...]
) -> None:
    path = table(tmp_path / "x.parquet", image=[encoded(i) for i in range(12)], **{name: values})
    data = open_data(path)
    assert data.spec.classes == classes and data.inspection.labels_from == f"column '{name}'"


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    images = [encoded(i) for i in range(12)]
    found = open_data(
        table(tmp_path / "x.parquet", image=images, label=[[0.5, 0.5]] * 12, caption=["a"] * 12)
    ).inspection
    assert not found.classes and "not used: the column caption" in found.notes
    assert any("12 of 12 are vectors or lists" in note for note in found.notes)
    assert found.labels_from.startswith("none: ")


def test_minus_one_means_none_where_classes_have_names(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", range(12), lambda seed: seed % 2 or -1, ["cat", "dog"])
    found = open_data(path).inspection
    assert not found.classes and "labels are left out: 6 of 12 examples have none" in found.notes
