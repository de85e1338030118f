"""Folders and archives as people have them: classes, splits, litter, links, traps."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aegan.data import files as files_module
from aegan.data import open_data
from aegan.errors import UserError

from .conftest import MakeFolder, picture


def test_a_flat_folder(pictures: MakeFolder) -> None:
    data = open_data(str(pictures(20)))
    assert data.spec.shape == (3, 32, 32) and data.spec.classes == () and data.train.labels is None
    assert len(data.train) + len(data.held_out) == 20 and len(data.held_out) >= 1
    assert sorted([*data.train.names, *data.held_out.names]) == [f"{i:03}.png" for i in range(20)]
    assert data.name == "pictures"
    # the pixels that stand under a name are those of the file of that name
    for split in (data.train, data.held_out):
        for item, name in zip(split.items, split.names, strict=True):
            small = Image.fromarray(picture(int(name[:3]))).resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3.0)
            assert (item == np.asarray(small)).all()


def test_grey_folders_have_one_channel_even_when_stored_in_colour(pictures: MakeFolder) -> None:
    grey = open_data(pictures(10, "grey", 32, channels=1))
    coloured = pictures(0, "stored-in-colour")
    for i in range(10):
        Image.fromarray(picture(i, 32, channels=1)).convert("RGB").save(coloured / f"{i:03}.png")
    same = open_data(coloured)
    assert grey.spec.shape == same.spec.shape == (1, 32, 32)
    assert (grey.train.items == same.train.items).all() and grey.fingerprint == same.fingerprint
    assert open_data(coloured, channels=3).spec.shape == (3, 32, 32)
    Image.fromarray(picture(99, 32)).save(coloured / "one-in-colour.png")
    assert open_data(coloured).spec.channels == 3
    assert open_data(coloured, channels=1).spec.channels == 1


def test_sub_folders_are_classes_in_natural_order(pictures: MakeFolder) -> None:
    for i, name in enumerate(["10", "2", "1"]):
        pictures(6, f"root/{name}", seed=10 * i)
    data = open_data(pictures(1, "root", seed=99))
    assert data.spec.classes == ("1", "2", "10")
    assert data.inspection.skipped["outside the class folders"].names == ("000.png",)
    for split in (data.train, data.held_out):
        assert [data.spec.classes[y] for y in split.labels] == [name.split("/")[0] for name in split.names]
    assert data.inspection.classes == {"1": 6, "2": 6, "10": 6}
    assert open_data(data.source, labels=False).spec.classes == ()


def test_a_wrapping_folder_is_no_class(pictures: MakeFolder, tmp_path: Path) -> None:
    pictures(8, "root/wrap/cat")
    pictures(8, "root/wrap/dog", seed=50)
    assert open_data(tmp_path / "root").spec.classes == ("cat", "dog")
    pictures(9, "single/only")
    assert open_data(tmp_path / "single").spec.classes == ()


def test_few_images_in_sub_folders_are_no_classes(pictures: MakeFolder) -> None:
    pictures(2, "root/a", seed=50)
    pictures(2, "root/b", seed=60)
    data = open_data(pictures(12, "root"))
    assert data.spec.classes == () and data.spec.count + len(data.held_out) == 16
    for i in range(12):
        pictures(1, f"each/{i}", seed=i)
    assert open_data(str(pictures(0, "each"))).spec.classes == ()


def test_of_train_and_test_folders_train_is_used(pictures: MakeFolder, tmp_path: Path) -> None:
    for k, part in enumerate(("train", "test")):
        for j, name in enumerate(("cat", "dog")):
            pictures(8, f"root/{part}/{name}", seed=100 * k + 10 * j)
    data = open_data(tmp_path / "root")
    assert data.spec.classes == ("cat", "dog") and data.inspection.count == 16
    assert data.inspection.skipped["of another split than train"].count == 16
    assert any("only the folder 'train'" in note for note in data.inspection.notes)


def test_what_cannot_be_used_is_skipped_by_name(pictures: MakeFolder, tmp_path: Path) -> None:
    root = pictures(12)
    (root / "empty.png").touch()
    (root / "notes.txt").write_text("words")
    (root / "drawing.svg").write_text("<svg/>")
    (root / "cut.png").write_bytes((root / "000.png").read_bytes()[:900])
    (root / ".DS_Store").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "._000.png").write_bytes(b"x")
    outside = tmp_path / "secret.png"
    Image.fromarray(picture(7)).save(outside)
    (root / "out.png").symlink_to(outside)
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "loop").symlink_to(root)
    (root / "inside.png").symlink_to(root / "000.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe.png")
    os.link(root / "001.png", root / "copy.png")
    found = open_data(root).inspection
    assert found.count == 14 and found.duplicates == 2  # 12, and two that repeat
    why = {name: reason for reason, each in found.skipped.items() for name in each.names}
    assert why.pop("pipe.png", "not a file") == "not a file"
    assert why == {
        "empty.png": "empty",
        "notes.txt": "not an image (.txt)",
        "drawing.svg": "SVG, a drawing: export it as PNG",
        "cut.png": "cut short",
        ".DS_Store": "hidden",
        "__MACOSX": "hidden",
        "out.png": "symbolic link that leads out of the folder",
        "gone.png": "broken symbolic link",
        "loop": "linked folder",
    }


def test_names_of_any_bytes(pictures: MakeFolder) -> None:
    root = pictures(10)
    for name in (b"caf\xe9.png", "naïve ✓.png".encode(), b"new\nline.png"):
        Image.fromarray(picture(len(name) + 100)).save(root / os.fsdecode(name))
    (root / os.fsdecode(b"bad\xff.png")).write_bytes(b"x")
    data = open_data(root)
    assert data.inspection.count == 13
    assert os.fsdecode(b"caf\xe9.png") in [*data.train.names, *data.held_out.names]
    "\n".join(data.inspection.lines()).encode()  # printable


def test_mixed_sizes_are_told(pictures: MakeFolder) -> None:
    root = pictures(10, width=64)
    Image.fromarray(picture(50, 20, 300)).save(root / "tall.png")
    Image.fromarray(picture(51, 30)).save(root / "small.png")
    Image.new("RGB", (64, 64), "red").save(root / "red.png")
    found = open_data(root, size=64).inspection
    assert (found.widths, found.heights) == ((20, 64, 64), (30, 64, 300))
    text = "\n".join(found.lines())
    for told in (
        "2 images are smaller than 64×64: enlarged",
        "1 image is not square",
        "1 image is of a single colour",
        "memorise",
    ):
        assert told in text


@pytest.mark.parametrize(("width", "size"), [(9, 8), (28, 32), (33, 32), (50, 48), (200, 64)])
def test_the_suggested_size(pictures: MakeFolder, width: int, size: int) -> None:
    found = open_data(pictures(9, width=width)).inspection
    assert found.size == found.suggested_size == size


def zipped(path: Path, root: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(root).as_posix())
    return path


def test_a_zip_gives_what_its_folder_gives(pictures: MakeFolder, tmp_path: Path) -> None:
    pictures(8, "root/cat")
    pictures(8, "root/dog", seed=50)
    folder = open_data(tmp_path / "root")
    archive = open_data(zipped(tmp_path / "root.zip", tmp_path / "root", prefix="root/"))
    assert archive.fingerprint == folder.fingerprint and archive.spec == folder.spec
    assert [name.removeprefix("root/") for name in archive.train.names] == list(folder.train.names)


def test_a_zip_cannot_write_or_read_outside_itself(pictures: MakeFolder, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", pictures(9))
    with zipfile.ZipFile(path, "a") as archive:
        raw = (tmp_path / "pictures/000.png").read_bytes()
        for name in ("../up.png", "/etc/absolute.png", "a/../../b.png"):
            archive.writestr(name, raw)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("__MACOSX/._a.png", b"x")
    before = sorted(tmp_path.rglob("*.png"))
    found = open_data(path).inspection
    assert found.count == 9
    assert {why: each.count for why, each in found.skipped.items()} == {
        "path that leads out of the archive": 3,
        "symbolic link": 1,
        "hidden": 1,
    }
    assert sorted(tmp_path.rglob("*.png")) == before


def test_a_member_damaged_in_its_archive_is_skipped(pictures: MakeFolder, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", pictures(10))
    raw = bytearray(path.read_bytes())
    raw[2_000] ^= 255
    path.write_bytes(raw)
    found = open_data(path).inspection
    assert found.count == 9 and list(found.skipped) == ["damaged in the archive"]


def test_a_bomb_of_bytes_is_not_read_whole(
    pictures: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "x.zip", pictures(9))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(200 << 20))
    found = open_data(path).inspection
    assert found.count == 9 and found.skipped["more than 128 MB"].names == ("bomb.png",)
    # the same where the archive's directory lies about the size
    monkeypatch.setattr(files_module, "unfit", lambda size: "")
    assert open_data(path, size=16).inspection.skipped["more than 128 MB"].names == ("bomb.png",)


@pytest.mark.parametrize("damage", [lambda raw: raw[:300], lambda raw: b"not a zip", lambda raw: b""])
def test_a_corrupted_zip_is_named(pictures: MakeFolder, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = zipped(tmp_path / "x.zip", pictures(9))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"x\.zip is not a whole zip archive"):
        open_data(path)


def test_too_little_to_train_on(pictures: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pictures is empty"):
        open_data(pictures(0))
    with pytest.raises(UserError, match=r"1 usable example\.\nGive at least 8"):
        open_data(pictures(1))
    same = pictures(0, "same")
    for i in range(30):
        Image.new("RGB", (32, 32), "red").save(same / f"{i}.png")
    with pytest.raises(UserError, match="30 usable examples, 1 different"):
        open_data(same)
    broken = tmp_path / "broken"
    broken.mkdir()
    for i in range(20):
        (broken / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (broken / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"No usable image among the 21 files of .*broken: 20 damaged"):
        open_data(broken)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("fashon", "No file or folder 'fashon'", "Did you mean 'fashion'"),
        ("", "is empty", "Name a folder"),
        ("zzz", "nor a built-in data set", "Built in: fashion"),
        ("{tmp}/pictres", "There is no", "Did you mean '.*pictures'"),
        ("{tmp}/nowhere/x.npz", "There is no", "Name a folder of images"),
        ("{tmp}/pictures/000.png", r"is a \.png file", "Name a folder of images"),
    ],
)
def test_a_wrong_name(pictures: MakeFolder, tmp_path: Path, name: str, what: str, fix: str) -> None:
    pictures(1)
    with pytest.raises(UserError, match=what) as caught:
        open_data(name.format(tmp=tmp_path))
    assert caught.match(fix)


@pytest.mark.parametrize(
    ("size", "channels", "why"),
    [
        (30, None, r"multiple of 8\.\nThe nearest is 32"),
        (-8, None, "The nearest is 8"),
        (10**9, None, "The nearest is 4096"),
        (None, 2, r"Ask for 1 \(grey\), 3"),
    ],
)
def test_impossible_shapes(size: int | None, channels: int | None, why: str) -> None:
    with pytest.raises(UserError, match=why):
        open_data("fashion", size=size, channels=channels)


@pytest.mark.parametrize(
    ("name", "fix"),
    [("x.npz", r"To use x\.npz, name that file itself"), ("train-images-idx3-ubyte.gz", "'fashion-full'")],
)
def test_a_folder_of_other_data_says_how_to_use_it(tmp_path: Path, name: str, fix: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / name).write_bytes(b"x")
    with pytest.raises(UserError, match=fix):
        open_data(tmp_path / "root")


def test_too_few_images_say_what_was_left_out(pictures: MakeFolder) -> None:
    root = pictures(5)
    for i in range(60):
        (root / f"{i}.psd").write_bytes(b"8BPS" + bytes(40))
    said = r"Too few to train on: 5 usable examples; skipped 60: PSD: export it as PNG \(0\.psd, .*57 more\)\.\nGive at"
    with pytest.raises(UserError, match=said):
        open_data(root)


@pytest.mark.skipif(os.name == "nt", reason="needs links: a system that is not Windows")
@pytest.mark.parametrize("name", ["links", "links.npy", "links.zip"])
def test_a_link_that_leads_nowhere(tmp_path: Path, name: str) -> None:
    for leads in (name, "nothing"):
        (tmp_path / name).symlink_to(leads)
        with pytest.raises(UserError, match=rf"{name} is a link that leads nowhere \(to {leads}\)"):
            open_data(tmp_path / name)
        with pytest.raises(UserError):
            open_data(tmp_path / name / "inside")
        (tmp_path / name).unlink()


@pytest.mark.parametrize("suffix", [".zip", ".npy", ".npz", ".tar", ".parquet"])
def test_a_git_lfs_pointer_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"set{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123456\n")
    for source in (path, tmp_path) if suffix == ".parquet" else (path,):
        with pytest.raises(UserError, match=r"Git LFS pointer(.|\n)*git lfs pull"):
            open_data(source)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".zip", ".parquet"])
def test_a_file_without_permission_is_named(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / f"x{suffix}").write_bytes(b"x")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"can't be read: Permission denied\.\nCheck its permissions"):
        open_data(tmp_path / f"x{suffix}")


def test_a_folder_of_one_array_an_image(tmp_path: Path) -> None:
    for i in range(12):
        np.save(tmp_path / f"{i}.npy", picture(i))
    with pytest.raises(UserError, match=r"Make one array of the \.npy files.*np\.stack"):
        open_data(tmp_path)
