"""Folders and archives as they come: numbered parts, copies, strays, litter, results of other runs, foreign names."""

import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest

from aegan.codec.images import ImageSource
from aegan.data import open_data
from aegan.data.format import ImageFormat
from aegan.errors import UserError

from .making import labelled, opened, packed, picture, png, said, tree


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))


PARTS = {
    "steps of a thousand": ({"00000": 9, "01000": 9, "02000": 9}, False),
    "padded, the last one shorter": ({"00000": 9, "00001": 9, "00002": 4}, False),
    "padded, numbered on": ({"000": 9, "001": 8, "002": 9}, True),
    "parts by their name": ({"pets_part_1": 9, "pets_part_2": 5}, False),
}
CLASSES = {
    "digits": ({str(i): 4 for i in range(10)}, False),
    "digits, numbered on": ({str(i): 4 for i in range(10)}, True),
    "padded, of unequal size": ({"00000": 4, "00001": 9, "00002": 7}, False),
    "two digits": ({"01": 6, "02": 6, "03": 6}, False),
}


@pytest.mark.parametrize("case", PARTS)
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_that_are_parts(tmp_path: Path, case: str, kind: str) -> None:
    root = tree(tmp_path / "set", PARTS[case][0], on=PARTS[case][1])
    data = opened(root if kind == "folder" else packed(root, kind))
    assert data.spec.classes == () and data.inspection.count == sum(PARTS[case][0].values())
    (line,) = [note for note in data.inspection.notes if "parts of one set, not classes" in note]
    assert "list them in a labels.csv" in line


def test_parts_are_classes_where_a_file_says_so(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", PARTS["steps of a thousand"][0])
    names = [file.relative_to(root).as_posix() for file in root.rglob("*.png")]
    (root / "labels.csv").write_text("file_name,label\n" + "".join(f"{name},{name[:5]}\n" for name in names))
    data = opened(root)
    assert data.inspection.classes == {"00000": 9, "01000": 9, "02000": 9} and "parts of" not in said(data)


@pytest.mark.parametrize("case", CLASSES)
def test_folders_of_numbers_that_are_classes(tmp_path: Path, case: str) -> None:
    counts, on = CLASSES[case]
    data = opened(tree(tmp_path / "set", counts, on=on))
    assert data.inspection.classes == counts and "the sub-folders are taken as classes" in said(data)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_the_same_folder_once_more_inside_itself(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path / "cell", {"ill": 8, "well": 8}, on=True)
    tree(root / "cell", {"ill": 8, "well": 8}, on=True)
    picture(99).save(root / "cell/well/another.png")
    data = opened(root if kind == "folder" else packed(root, kind))
    assert data.inspection.classes == {"ill": 8, "well": 9} and data.inspection.duplicates == 0
    assert "16 images there twice, used once; 1 more used with the rest" in said(data)


def test_a_flat_folder_once_more_inside_itself(tmp_path: Path) -> None:
    root = tree(tmp_path / "pets", {"": 9, "pets": 9})
    for i in range(9):
        (root / f"pets/{i:04}.png").write_bytes((root / f"{i:04}.png").read_bytes())
    data = opened(root)
    assert data.inspection.count == 9 and data.inspection.duplicates == 0 and "used once" in said(data)


def test_strays_and_classes_that_are_none(tmp_path: Path) -> None:
    data = opened(tree(tmp_path / "strays", {"a": 6, "b": 6, "": 3}))
    assert data.inspection.classes == {"a": 6, "b": 6}
    assert data.inspection.skipped["outside the class folders"].names == ("0000.png", "0001.png", "0002.png")
    data = opened(tree(tmp_path / "wrapped", {"": 1, "New folder/a": 6, "New folder/b": 6}))
    assert data.inspection.classes == {"a": 6, "b": 6}
    data = opened(tree(tmp_path / "mostly", {"a": 3, "b": 3, "": 12}))
    assert data.inspection.count == 18 and "not taken as classes: 12 images lie beside them" in said(data)
    data = opened(tree(tmp_path / "single", {f"p{i}": 1 for i in range(12)}))
    assert data.spec.classes == () and "12 sub-folders are not taken as classes: with 12 images" in said(data)
    assert data.inspection.labels_from == "none: 12 sub-folders for 12 images"


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 6, "b": 6, "c": 0})
    assert opened(root).inspection.skipped["an empty folder"].names == ("c",)
    with zipfile.ZipFile(packed(root, "zip"), "a") as archive:
        archive.writestr("c/", b"")
    assert opened(tmp_path / "set.zip").inspection.skipped["an empty folder"].names == ("c",)


def test_unicode_forms_of_a_name_are_one_class(tmp_path: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    data = opened(tree(tmp_path / "set", {composed: 5, apart: 6, "thé": 7}))
    assert data.inspection.classes == {composed: 11, "thé": 7}
    assert "two Unicode forms" in said(data)


def test_names_that_differ_little_stay_apart_and_are_told(tmp_path: Path) -> None:
    data = opened(tree(tmp_path / "set", {"Cat": 5, "cat ": 6, "dog": 5}))
    assert dict(data.inspection.classes) == {"Cat": 5, "cat ": 6, "dog": 5}
    assert "differ in case or spaces only, kept apart: 'Cat', 'cat '" in said(data)


RUNS = {
    "aegan": ["config.yaml", "log.jsonl"],
    "a model": ["config.json", "model.safetensors"],
    "StyleGAN": ["training_options.json", "log.txt"],
    "TensorBoard": ["events.out.tfevents.1.host.2.0"],
    "CycleGAN": ["train_opt.txt"],
    "Lightning": ["hparams.yaml", "checkpoints/last.ckpt"],
}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
@pytest.mark.parametrize("case", RUNS)
def test_results_of_runs_are_never_data(tmp_path: Path, case: str, kind: str) -> None:
    root = tree(tmp_path / "set", {"a": 6, "b": 6, "results/00000-run/samples": 8, "results/00000-run": 4})
    for name in RUNS[case]:
        (root / "results/00000-run" / name).parent.mkdir(exist_ok=True)
        (root / "results/00000-run" / name).write_text("x")
    data = opened(root if kind == "folder" else packed(root, kind))
    assert data.inspection.classes == {"a": 6, "b": 6}
    assert any(why.startswith("a run's folder") for why in data.inspection.skipped)


def test_programs_own_folders_are_never_data(tmp_path: Path) -> None:
    data = opened(
        tree(tmp_path / "set", {"a": 6, "b": 6, "wandb/x": 3, "lightning_logs": 3, "__pycache__": 3, ".git": 3})
    )
    assert data.inspection.classes == {"a": 6, "b": 6}
    assert data.inspection.skipped["a program's own folder"].count == 3


@pytest.mark.parametrize("out", ["runs/one", "one", "."])
def test_training_inside_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    from aegan.config import RunConfig
    from aegan.engine.log import Display
    from aegan.runs.folder import Run
    from aegan.training import train

    root = tree(tmp_path / "photos", {"": 12})
    monkeypatch.chdir(root)
    before = open_data(".", size=16)
    config = RunConfig(data=".", strategy="autoencoder", steps=4, size=16, out=out, device="cpu", logger="none")
    train(config, {"width": 8}, evaluate=False, display=Display(quiet=True))
    picture(5).save(root / out / "report.png") if out != "." else None
    (root / out / "samples").mkdir(exist_ok=True)
    picture(6).save(root / out / "samples/step-000004.png")
    after = open_data(".", size=16)
    assert after.fingerprint == before.fingerprint == Run(out).data().fingerprint
    left = [name for why, each in after.inspection.skipped.items() if "run's folder" in why for name in each.names]
    assert set(left) == ({"checkpoints", "model", "samples"} & set(left) if out == "." else {out})
    assert left


def test_a_named_folder_of_results_is_used(tmp_path: Path) -> None:
    root = tree(tmp_path / "run/samples", {"": 9})
    (tmp_path / "run/config.yaml").write_text("aegan: 1")
    (tmp_path / "run/log.jsonl").write_text("")
    assert opened(root).inspection.count == 9
    with pytest.raises(UserError, match=r"a run's folder.*\(as samples\)"):
        opened(tmp_path / "run")


def test_archives_inside(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"a": 6, "b": 6})
    (root / "a/more.zip").write_bytes(b"PK")
    for path in (root, packed(root, "zip")):
        data = opened(path)
        assert data.inspection.skipped["archive: unpack it, and name the folder"].names == ("a/more.zip",)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "set.zip", "photos-001.zip")
    with pytest.raises(UserError, match=r"\nUnpack photos-001\.zip, and name the folder that comes out"):
        opened(tmp_path / "outer.zip")
    for name in ("x.rar", "x.7z"):
        (tmp_path / name).write_bytes(b"Rar!")
        with pytest.raises(UserError, match="Unpack it, and name the folder"):
            opened(tmp_path / name)


class _Foreign(zipfile.ZipInfo):
    """A member whose name is written in a code page, without the flag that says UTF-8."""

    page = "cp437"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.page), self.flag_bits & ~0x800


def foreign(path: Path, page: str, classes: tuple[str, ...], names: tuple[str, ...] = ()) -> Path:
    """A zip of two classes in a code page; with `names`, these as Unicode path fields beside other names."""
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(8):
            for k, name in enumerate(classes):
                info = _Foreign(f"{name}/{i}.png")
                info.page = page
                if names:
                    text = f"{names[k]}/{i}.png".encode()
                    crc = zlib.crc32(info.filename.encode(page))
                    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(text), 1, crc) + text
                archive.writestr(info, png(10 * i + k))
    return path


@pytest.mark.parametrize(
    ("page", "classes"),
    [
        ("gbk", ("猫", "狗")),
        ("shift_jis", ("表", "ソフト")),  # of which a byte is a backslash
        ("cp1251", ("кошка", "собака")),
        ("cp866", ("кошка", "собака")),
        ("big5", ("貓", "狗")),
        ("cp949", ("고양이", "강아지")),
        ("cp437", ("café", "naïve")),
        ("utf-8", ("猫", "狗")),
    ],
)
def test_names_in_the_code_page_of_another_country(tmp_path: Path, page: str, classes: tuple[str, str]) -> None:
    data = opened(foreign(tmp_path / "x.zip", page, classes))
    assert data.spec.classes == tuple(sorted(classes))
    assert set(labelled(data)) == {f"{name}/{i}.png" for name in classes for i in range(8)}
    assert ("a guess" in said(data)) == (page != "utf-8")


def test_names_that_say_themselves_what_they_are(tmp_path: Path) -> None:
    data = opened(foreign(tmp_path / "x.zip", "cp437", ("é1", "é2"), ("猫", "狗")))
    assert data.spec.classes == ("狗", "猫") and "guess" not in said(data)


def test_the_codec_takes_every_image(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 3, "train/b": 3, "test/a": 2, "": 1})
    assert len(ImageSource(str(root), False, ImageFormat()).names) == 9
