"""Splits by any of their usual names: what is for testing is never trained on, and no split is a class."""

from pathlib import Path

import pytest

from aegan.data import open_data
from aegan.errors import UserError

from .making import labelled, opened, packed, png, said, tree


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


PAIRS = [
    ("train", "test"), ("Train", "Valid"), ("training_set", "test_set"), ("training", "testing"), ("trainset", "testset"),
    ("train2017", "val2017"), ("TRAIN", "DEV"), ("Training-Data", "Validation-Data"), ("train_images", "test_images"),
    ("seg_train/seg_train", "seg_test/seg_test"), ("asl_alphabet_train", "asl_alphabet_test"), ("trainval", "test"),
    ("DIV2K_train_HR", "DIV2K_valid_HR"), ("bounding_box_train", "bounding_box_test"), ("train", "eval"),
]  # fmt: skip


@pytest.mark.parametrize(("train", "other"), PAIRS)
def test_the_training_split_alone_is_used(tmp_path: Path, train: str, other: str) -> None:
    counts = {f"{train}/cat": 8, f"{train}/dog": 8, f"{other}/cat": 6, f"{other}/dog": 6}
    data = opened(tree(tmp_path / "set", counts))
    assert data.spec.classes == ("cat", "dog")
    assert {name.rpartition("/")[0] for name in labelled(data)} == {f"{train}/cat", f"{train}/dog"}
    assert data.inspection.skipped["of another split than train"].count == 12
    assert f"held back for testing: '{other.partition('/')[0]}' 12" in said(data)
    # and the other one where it is named
    assert opened(tmp_path / "set" / other).inspection.count == 12


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_splits_in_archives(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path / "set", {"x/train/cat": 8, "x/train/dog": 8, "x/test/cat": 8})
    data = opened(packed(root, kind))
    assert data.inspection.classes == {"cat": 8, "dog": 8}
    assert not any("/test/" in name for name in labelled(data))


def test_two_domains(tmp_path: Path) -> None:
    data = opened(tree(tmp_path / "set", {"trainA": 9, "trainB": 8, "testA": 7, "testB": 6}))
    assert data.inspection.classes == {"A": 9, "B": 8}
    assert labelled(data)["trainB/0000.png"] == "B"
    assert "held back for testing: 'testA' 7, 'testB' 6" in said(data) and "domains A and B" in said(data)


def test_unlabelled_images(tmp_path: Path) -> None:
    tree(tmp_path / "set", {"train/1": 8, "train/2": 8, "test/1": 8, "unlabeled": 9, "extra": 5})
    data = opened(tmp_path / "set")
    assert data.inspection.classes == {"1": 8, "2": 8}
    assert "not used: 'unlabeled' 9, 'extra' 5" in said(data) or "not used: 'extra' 5, 'unlabeled' 9" in said(data)
    data = opened(tree(tmp_path / "none", {"unsup": 9, "test/1": 8, "test/2": 8}))
    assert data.inspection.count == 9 and data.spec.classes == ()
    assert "without labels, only the folder 'unsup' is used" in said(data)


def test_splits_in_each_class_and_beside_classes(tmp_path: Path) -> None:
    data = opened(tree(tmp_path / "in", {"cat/train": 8, "cat/test": 4, "dog/train": 8, "dog/test": 4}))
    assert data.inspection.classes == {"cat": 8, "dog": 8} and data.inspection.skipped_count == 8
    data = opened(tree(tmp_path / "beside", {"cat": 8, "dog": 8, "test": 6}))
    assert data.inspection.classes == {"cat": 8, "dog": 8} and data.inspection.skipped_count == 6


def test_words_that_are_classes(tmp_path: Path) -> None:
    """A train is a vehicle, a test is something a patient had: one such word makes no split."""
    assert opened(tree(tmp_path / "a", {"bus": 6, "plane": 6, "train": 6})).spec.classes == ("bus", "plane", "train")
    assert opened(tree(tmp_path / "b", {"control": 6, "test": 6})).spec.classes == ("control", "test")
    assert opened(tree(tmp_path / "c", {"valid": 6, "invalid": 6, "expired": 6})).inspection.count == 18
    assert opened(tree(tmp_path / "d", {"steam train": 6, "tram": 6})).spec.classes == ("steam train", "tram")


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing to train on: the folders are 'test', 'val'.*\nTo train on one"):
        opened(tree(tmp_path / "set", {"test": 9, "val": 9}))


def test_detection_and_segmentation_sets(tmp_path: Path) -> None:
    root = tree(tmp_path / "yolo", {"images/train": 9, "images/val": 9})
    (root / "labels/train").mkdir(parents=True)
    (root / "labels/train/0000.txt").write_text("0 .5 .5 .1 .1")
    data = opened(root)
    assert data.inspection.count == 9 and data.spec.classes == ()
    for counts in ({"images": 9, "masks": 9}, {"train": 9, "train_masks": 9, "test": 8}, {"JPEGImages": 9, "GT": 9}):
        data = opened(tree(tmp_path / str(len(counts)) / next(iter(counts)), counts))
        assert data.inspection.count == 9 and data.spec.classes == () and "masks or annotations" in said(data)
    masks = opened(tree(tmp_path / "faces", {"with_mask": 9, "without_mask": 9}))
    assert masks.spec.classes == ("with_mask", "without_mask")


def test_a_column_of_splits(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"images": 20})
    lines = "".join(f"{i:04}.png,{'xy'[i % 2]},{'train' if i < 14 else 'test'}\n" for i in range(20))
    (root / "metadata.csv").write_text("file_name,label,split\n" + lines)
    data = opened(root)
    assert set(labelled(data)) == {f"images/{i:04}.png" for i in range(14)} and data.spec.classes == ("x", "y")
    assert data.inspection.skipped["of another split than train"].count == 6


def test_files_named_after_splits(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"images": 20})
    (root / "train.csv").write_text("id,label\n" + "".join(f"{i:04},{i % 2}\n" for i in range(14)))
    (root / "test.csv").write_text("id\n" + "".join(f"{i:04}\n" for i in range(14, 20)))
    (root / "sample_submission.csv").write_text("id,label\n" + "".join(f"{i:04},0\n" for i in range(14, 20)))
    data = opened(root)
    assert data.inspection.classes == {"0": 7, "1": 7} and labelled(data)["images/0001.png"] == "1"
    assert data.inspection.skipped["of another split than train"].count == 6


def test_partitions_by_number(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"": 20})
    (root / "list_eval_partition.txt").write_text("".join(f"{i:04}.png {max(0, i // 5 - 1)}\n" for i in range(20)))
    assert set(labelled(opened(root))) == {f"{i:04}.png" for i in range(10)}


def test_metadata_in_every_split(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train": 12, "validation": 10})
    for folder, count in (("train", 12), ("validation", 10)):
        text = "".join(f"{i:04}.png,{'xy'[(i + (folder != 'train')) % 2]}\n" for i in range(count))
        (root / folder / "metadata.csv").write_text("file_name,label\n" + text)
    assert labelled(opened(root)) == {f"train/{i:04}.png": "xy"[i % 2] for i in range(12)}


def test_splits_of_parquet_files_and_rows(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for k, part in enumerate(("Training", "Test")):
        (tmp_path / "set" / part).mkdir(parents=True)
        pq.write_table(pa.table({"image": [png(100 * k + i) for i in range(9)]}), tmp_path / "set" / part / "0.parquet")
    data = open_data(tmp_path / "set")
    assert data.inspection.count == 9 and "held back" in said(data)
    table = {
        "image": [png(i) for i in range(20)],
        "split": ["train"] * 12 + ["val"] * 8,
        "y": [i % 2 for i in range(20)],
    }
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    data = open_data(tmp_path / "x.parquet")
    assert data.inspection.count == 12 and data.inspection.classes == {"0": 6, "1": 6}
    assert "held back: 'val' 8" in said(data)


@pytest.mark.parametrize("word", ["Gallery", "Val", "query"])
def test_words_that_are_splits_only_beside_one_to_train_on(tmp_path: Path, word: str) -> None:
    data = opened(tree(tmp_path / "photos", {"Beach": 8, "Museum": 8, word: 8}))
    assert sorted(data.spec.classes) == sorted(["Beach", "Museum", word]) and data.inspection.count == 24
    data = opened(tree(tmp_path / "set", {"train/a": 8, "train/b": 8, f"{word}/a": 4, f"{word}/b": 4}))
    assert data.spec.classes == ("a", "b") and f"held back for testing: '{word}' 8" in said(data)
    data = opened(tree(tmp_path / "flat", {"images": 12, word.lower(): 8}))
    assert f"held back for testing: '{word.lower()}' 8" in said(data)
