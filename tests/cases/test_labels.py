"""Labels in files beside the images, in the forms that people and their tools write."""

import json
from pathlib import Path

import numpy as np
import pytest

from aegan.comparison.settings import Settings, keep
from aegan.config import RunConfig
from aegan.data import open_data
from aegan.errors import UserError
from aegan.runs.settings import open_asked

from .making import labelled, opened, packed, said, tree

N = range(12)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


def rows(line: str, values: str = "xy") -> str:
    return "".join(line.format(i=i, v=values[i % 2]) for i in N)


FORMS = {
    "metadata.jsonl": "".join(json.dumps({"file_name": f"images/{i:04}.png", "label": "xy"[i % 2]}) + "\n" for i in N),
    "metadata.csv": "file_name,label\n" + rows("images/{i:04}.png,{v}\n"),
    "labels.csv": "id,breed\n" + rows("{i:04},{v}\n"),
    "train.csv": "\ufeffImage;Diagnosis;Age\r\n" + rows("{i:04}.png;{v};{i}\r\n"),
    "annotations.csv": rows("C:\\sets\\pets\\images\\{i:04}.png,{v}\n"),
    "info.tsv": "img\tspecies\n" + rows("./images/{i:04}.png\t{v}\n"),
    "labels.txt": rows("{i:04}.png {v}\n"),
    "class.json": json.dumps({f"{i:04}.png": "xy"[i % 2] for i in N}),
    "data.csv": ",path,class_name\n" + rows("{i},pets/images/{i:04}.PNG,{v}\n"),
    "numbers.csv": "index,id,category_id,category\n" + rows("{i},{i},1,{v}\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_label_file_gives_the_classes(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path / "pets", {"images": 12})
    (root / name).write_text(FORMS[name], encoding="utf-8", newline="")
    data = opened(root)
    assert labelled(data) == {f"images/{i:04}.png": "xy"[i % 2] for i in N}
    assert data.inspection.labels_from.startswith(f"{name}, column")
    assert f"the labels are those of {name}" in said(data) and not data.inspection.skipped


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_label_file_in_an_archive(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path / "pets", {"images": 12})
    (root / "metadata.csv").write_text(FORMS["metadata.csv"])
    data = opened(packed(root, kind))
    assert {name.rpartition("/")[2]: label for name, label in labelled(data).items()} == {
        f"{i:04}.png": "xy"[i % 2] for i in N
    }
    assert data.inspection.labels_from == "metadata.csv, column 'label'" and not data.inspection.skipped


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["-1", "1"], ("-1", "1")),
        (["0.0", "1.0"], ("0", "1")),
        (["10", "9"], ("9", "10")),
        (["007", "7"], ("007", "7")),
        (["img10", "img9"], ("img9", "img10")),
        (["True", "False"], ("False", "True")),
        (["none", "some"], ("none", "some")),
        (["cafe\u0301", "caf\u00e9 au lait"], ("caf\u00e9", "caf\u00e9 au lait")),
    ],
)
def test_values_of_any_kind(tmp_path: Path, values: list[str], classes: tuple[str, ...]) -> None:
    root = tree(tmp_path / "set", {"": 12})
    (root / "labels.csv").write_text("file,y\n" + "".join(f"{i:04}.png,{values[i % 2]}\n" for i in N), "utf-8")
    data = opened(root)
    assert data.spec.classes == classes
    first = classes[0] if values[0] in ("-1", "0.0", "007", "none", "cafe\u0301") else classes[1]
    assert labelled(data)["0000.png"] == first


def test_minus_one_is_a_label_of_arrays_too() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for labels in (np.array([-1, 1] * 10), np.array([-1.0, 1.0] * 10)):
        data = open_data(images, labels=labels)
        assert data.spec.classes == ("-1", "1") and data.inspection.classes == {"-1": 10, "1": 10}
        assert data.inspection.labels_from == "the labels given"


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
@pytest.mark.parametrize(
    "label",
    [lambda i: i % 2, lambda i: float(i % 2), lambda i: [1 - i % 2, i % 2], lambda i: [1.0 - i % 2, float(i % 2)]],
)
def test_dataset_json(tmp_path: Path, kind: str, label: object) -> None:
    root = tree(tmp_path / "set", {"00000": 10, "00001": 6}, "img{:08}.png", on=True)
    names = sorted(file.relative_to(root).as_posix() for file in root.rglob("*.png"))
    pairs = [[name, label(i)] for i, name in enumerate(names)]  # type: ignore[operator]
    for content in (pairs, dict(pairs)):
        (root / "dataset.json").write_text(json.dumps({"labels": content}))
        data = opened(root if kind == "folder" else packed(root, kind))
        found = {name.rpartition("/")[2]: label for name, label in labelled(data).items()}
        assert found == {f"img{i:08}.png": str(i % 2) for i in range(16)}
        assert data.inspection.labels_from == "dataset.json" and not data.inspection.skipped


@pytest.mark.parametrize("labels", [None, "vectors"])
def test_a_dataset_json_without_classes(tmp_path: Path, labels: str | None) -> None:
    root = tree(tmp_path / "set", {"00000": 10, "00001": 10, "00002": 5}, "img{:08}.png")
    pairs = [[f"0000{k}/img{i:08}.png", [0.25, 0.75]] for k in range(3) for i in range(10)] if labels else None
    (root / "dataset.json").write_text(json.dumps({"labels": pairs}))
    data = opened(root)
    assert data.spec.classes == () and data.inspection.count == 25
    assert "parts of one set, not classes" in said(data)
    assert "vectors or lists" in said(data) if labels else data.inspection.labels_from.startswith("none: dataset.json")


def test_names_of_classes_beside_numbers(tmp_path: Path) -> None:
    for first, name in ((0, "a"), (1, "b")):
        root = tree(tmp_path / name, {"": 12})
        (root / "labels.csv").write_text("file,label\n" + "".join(f"{i:04}.png,{i % 3 + first}\n" for i in N))
        (root / "classes.txt").write_text("pear\napple\nfig\n")
        data = opened(root)
        assert data.spec.classes == ("pear", "apple", "fig")
        assert labelled(data)["0001.png"] == "apple" and "classes.txt" in said(data)


def test_one_column_for_each_class(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"": 12})
    lines = "".join(f"{i:04},{float(i % 2)},{float(1 - i % 2)}\n" for i in N)
    (root / "truth.csv").write_text("image,MEL,NV\n" + lines)
    data = opened(root)
    assert labelled(data) == {f"{i:04}.png": ("NV", "MEL")[i % 2] for i in N}


UNUSED = {
    "captions": ("metadata.csv", "file_name,text\n" + rows("{i:04}.png,words {i}\n"), "'text' can't be classes"),
    "half of the images": (
        "labels.csv",
        "file,label\n0000.png,x\n0001.png,y\n0002.png,x\n0003.png,y\n",
        "labels for 4 of 12 images",
    ),
    "foreign names": ("labels.csv", "a,b\n" + rows("foo{i},{v}\n"), "none of its columns names the images"),
    "several columns": ("meta.csv", "file,hue,mood\n" + rows("{i:04}.png,{v},{v}\n"), "name one of them 'label'"),
    "boxes": ("annotations.json", '{"images": [], "annotations": []}', "COCO"),
    "damaged": ("metadata.jsonl", '{"file_name": "0000.png", "label"', "damaged"),
    "a spreadsheet": ("labels.xlsx", "PK", "save it as .csv"),
    "nothing in it": ("labels.json", "[]", "no rows"),
}


@pytest.mark.parametrize("case", UNUSED)
def test_what_is_not_used_is_named_with_the_reason(tmp_path: Path, case: str) -> None:
    name, text, why = UNUSED[case]
    root = tree(tmp_path / "set", {"": 12})
    (root / name).write_text(text)
    data = opened(root)
    assert data.spec.classes == () and data.inspection.count == 12
    (line,) = [note for note in data.inspection.notes if name in note]
    assert "is not used" in line and why in line
    assert data.inspection.labels_from.startswith("none: ")


def test_rows_without_images_and_images_without_rows_are_counted(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"": 20})
    lines = "".join(f"{i:04}.png,{'xy'[i % 2]}\n" for i in range(19))
    (root / "labels.csv").write_text(f"file,label\n{lines}gone.png,x\n")
    data = opened(root)
    assert data.inspection.count == 19 and "0019.png" not in labelled(data)
    assert data.inspection.skipped["no label in labels.csv"].names == ("0019.png",)
    assert "1 image without a label in labels.csv: left out" in said(data)
    assert "1 row of labels.csv for images that are not there (gone.png)" in said(data)


def test_a_label_file_beside_class_folders(tmp_path: Path) -> None:
    root = tree(tmp_path / "alike", {"cat": 8, "dog": 8}, on=True)
    (root / "labels.csv").write_text("file,label\n" + "".join(f"{i:04}.png,{i // 8}\n" for i in range(16)))
    data = opened(root)
    assert data.spec.classes == ("cat", "dog") and labelled(data)["dog/0008.png"] == "dog"
    root = tree(tmp_path / "otherwise", {"cat": 8, "dog": 8}, on=True)
    (root / "labels.csv").write_text("file,colour,label\n" + "".join(f"{i:04}.png,,{'xy'[i % 2]}\n" for i in range(16)))
    data = opened(root)
    assert data.spec.classes == ("x", "y") and labelled(data)["dog/0009.png"] == "y"
    assert "divide the images otherwise" in said(data) and "taken as classes" not in said(data)
    (root / "labels.csv").write_text("file,label\n" + "".join(f"{i:04}.png,{'xy'[i % 2]}\n" for i in range(4)))
    data = opened(root)
    assert data.spec.classes == ("cat", "dog") and "labels for 4 of 16" in said(data)


def test_the_same_number_in_several_folders(tmp_path: Path) -> None:
    """1.png lies in two folders: a path tells which, the bare name doesn't."""
    root = tree(tmp_path / "set", {"a": 10, "b": 10})
    lines = "".join(f"{f}/{i:04}.png,{'xy'[(i + (f == 'b')) % 2]}\n" for f in "ab" for i in range(10))
    (root / "labels.csv").write_text("path,label\n" + lines)
    found = labelled(opened(root))
    assert found["a/0001.png"] == "y" and found["b/0001.png"] == "x"
    (root / "labels.csv").write_text("path,label\n" + "".join(f"{i:04}.png,{'xy'[i % 2]}\n" for i in range(10)))
    data = opened(root)
    assert data.spec.classes == ("a", "b") and "labels.csv is not used" in said(data)


@pytest.mark.parametrize("kind", ["", "zip"])
def test_images_without_a_label_are_used_where_labels_are_not(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path / "pets", {"images": 24})
    lines = "".join(f"images/{i:04}.png,{'xy'[i % 2] if i > 1 else ''}\n" for i in range(24))
    (root / "metadata.csv").write_text("file_name,label\n" + lines)
    path = packed(root, kind) if kind else root
    with_labels = opened(path)
    assert len(labelled(with_labels)) == 22 and "2 no label in metadata.csv" in said(with_labels)
    without = open_data(str(path), size=16, labels=False)
    assert len(labelled(without)) == 24 and not without.inspection.skipped and not without.spec.classes
    assert "left out" in said(with_labels) and "without a label" not in " ".join(without.inspection.notes)


def test_without_classes_no_image_is_left_out_for_want_of_one(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"a": 12, "b": 12, "": 3})
    config = RunConfig(data=str(root), size=16, classes=False)
    data = open_asked(config)
    assert len(data.train) + len(data.held_out) == 27 and not data.spec.classes
    before = open_data(str(root), size=16)
    assert len(before.train) + len(before.held_out) == 24 and before.spec.classes == ("a", "b")
    assert open_asked(config, known=before.fingerprint).fingerprint == before.fingerprint, "a run of an earlier version"
    asked = Settings(str(root), ("gan",), steps=4, size=16)
    assert asked.open_data().fingerprint == data.fingerprint
    folder = tmp_path / "out"
    folder.mkdir()
    keep(asked, before.fingerprint, folder)
    with pytest.raises(UserError, match="unequal conditions"):  # trials of an earlier version have fewer images
        keep(asked, asked.open_data().fingerprint, folder)


def test_without_classes_labels_stay_for_the_figures_that_need_them(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"a": 12, "b": 12})
    assert open_asked(RunConfig(data=str(root), size=16, classes=False)).spec.classes == ("a", "b")


RECORD = '{{"file_name": "{i:04}.png", "label": "{v}"}}\n'
ODD = {
    "a line break in a cell": ("labels.csv", 'file,label,note\n{rows}', '"{i:04}.png","{v}","two\nlines"\n', ""),
    "a line break in a cell, semicolons": ("labels.csv", 'file;label;note\n{rows}', '{i:04}.png;{v};"a;\r\n\r\nb"\r\n', ""),
    "a remark on top": ("labels.csv", "# by hand\n#\nfile,label\n{rows}", "{i:04}.png,{v}\n", ""),
    "a head that begins with #": ("labels.csv", "#file,label\n{rows}", "{i:04}.png,{v}\n", ""),
    "a row too short": ("labels.csv", "file,label\n{rows}0099.png\n", "{i:04}.png,{v}\n", ""),
    "a row too long": ("labels.csv", "file,label\n0099.png,a,b\n{rows}", "{i:04}.png,{v}\n", "(2)"),
    "a quote that is never closed": ("labels.csv", 'file,label\n{rows}"0099.png,x\n', '{i:04}.png,"{v}"\n', ""),
    "a quote that is closed too late": ("labels.csv", 'file,label\n"0099.png,x\n{rows}', '"{i:04}.png","{v}"\n', "(2)"),
    "a broken line": ("metadata.jsonl", '{rows}\n{{"file_name": "0', RECORD, "(14)"),
    "a line of something else": ("metadata.jsonl", "3\n{rows}", RECORD, "(1)"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_one_odd_line_costs_no_other(tmp_path: Path, case: str) -> None:
    name, form, line, bad = ODD[case]
    root = tree(tmp_path / "set", {"": 12})
    (root / name).write_text(form.format(rows=rows(line)), "utf-8", newline="")
    data = opened(root)
    assert labelled(data) == {f"{i:04}.png": "xy"[i % 2] for i in N}
    assert (f"1 line of {name} that can't be read: left out {bad}" in said(data)) == bool(bad), said(data)


def test_a_damaged_line_is_told_by_its_number(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"": 12})
    (root / "metadata.jsonl").write_text('\n{"file_name": "0000.png", "label": "x"}\n' + '\n{"file_name": ' * 5)
    assert "damaged (line 4: " in said(opened(root))
