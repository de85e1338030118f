"""Tar shards: the same images as in a folder give the same data, streamed or not; damage is named; resuming is exact."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import aegan
from aegan.data import Data, open_data
from aegan.data.loader import Loader
from aegan.data.stream import Streamed
from aegan.errors import UserError
from aegan.jsonl import read_log

from .conftest import MakeFolder, picture


def png(seed: int, width: int = 32) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(seed, width)).save(file, "PNG")
    return file.getvalue()


def pack(path: Path, members: list[tuple[str, bytes]], style: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=style) as archive:
        for name, raw in members:
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path


@pytest.fixture
def both(pictures: MakeFolder, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of two classes, and the same images in three shards."""
    pictures(15, "root/cat")
    pictures(15, "root/dog", seed=50)
    root = tmp_path / "root"
    files = sorted(root.rglob("*.png"))
    for i in range(3):
        some = files[10 * i : 10 * i + 10]
        pack(tmp_path / f"shards/{i:03}.tar", [(f.relative_to(root).as_posix(), f.read_bytes()) for f in some])
    return root, tmp_path / "shards"


@pytest.mark.parametrize("stream", ["on", "off"])
@pytest.mark.parametrize("name", ["shards", "shards/{000..002}.tar", "shards/{000,001,002}.tar", "list.txt"])
def test_shards_give_what_their_folder_gives(
    both: tuple[Path, Path], tmp_path: Path, name: str, stream: aegan.data.build.Stream
) -> None:
    (tmp_path / "list.txt").write_text("# mine\nshards/000.tar\n\nshards/001.tar\nshards/002.tar\n")
    folder, shards = open_data(both[0]), open_data(tmp_path / name, stream=stream)
    assert isinstance(shards.train.items, Streamed) == (stream == "on")
    assert shards.fingerprint == folder.fingerprint and shards.spec == folder.spec
    assert shards.spec.classes == ("cat", "dog")
    assert (np.asarray(shards.train.items) == folder.train.items).all()
    assert (shards.train.labels == folder.train.labels).all()
    assert (shards.held_out.items == folder.held_out.items).all()
    assert [each.partition("/")[2] for each in shards.train.names] == list(folder.train.names)
    again = open_data(tmp_path / name, stream=stream)
    assert again.fingerprint == folder.fingerprint and again.inspection == shards.inspection


def test_a_streamed_folder_zip_and_parquet(both: tuple[Path, Path], tmp_path: Path) -> None:
    import shutil

    folder = open_data(both[0])
    shutil.make_archive(str(tmp_path / "packed"), "zip", both[0])
    for source in (both[0], tmp_path / "packed.zip"):
        data = open_data(source, stream="on")
        assert isinstance(data.train.items, Streamed) and data.fingerprint == folder.fingerprint
        assert (data.train.items[:] == folder.train.items).all()
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    raw = [path.read_bytes() for path in sorted(both[0].rglob("*.png"))]
    pq.write_table(pa.table({"image": raw, "label": ["cat"] * 15 + ["dog"] * 15}), tmp_path / "x.parquet")
    data = open_data(tmp_path / "x.parquet", stream="on")
    assert isinstance(data.train.items, Streamed) and data.fingerprint == folder.fingerprint
    assert (data.train.items[:] == folder.train.items).all()


@pytest.mark.parametrize("batch", [7, 40])
def test_the_loader_gives_the_same_batches_and_resumes(both: tuple[Path, Path], batch: int) -> None:
    plain = Loader(open_data(both[0]).train, batch, seed=3, flip=True)
    streamed = open_data(both[1], stream="on").train
    first = Loader(streamed, batch, seed=3, flip=True)
    for _ in range(9):
        a, b = plain.next(), first.next()
        assert torch.equal(a.x, b.x) and (a.index == b.index).all() and plain.state_dict() == first.state_dict()
        second = Loader(streamed, batch, seed=3, flip=True)
        second.load_state_dict(first.state_dict())
        third = Loader(streamed, batch, seed=3, flip=True)
        third.load_state_dict(plain.state_dict())
        assert torch.equal(second.next().x, third.next().x)
    assert torch.equal(plain.next().x, first.next().x)


def test_training_on_shards_is_training_on_the_folder(both: tuple[Path, Path], tmp_path: Path) -> None:
    logs = []
    for source, stream in ((both[0], "off"), (both[1], "on")):
        out = tmp_path / f"run-{stream}"
        aegan_run(source, out, stream)
        logs.append([line["terms"] for line in read_log(out / "log.jsonl") if "terms" in line])
    assert logs[0] and logs[0] == logs[1]


def aegan_run(source: Path, out: Path, stream: str) -> None:
    from aegan.config import RunConfig
    from aegan.engine.log import Display
    from aegan.training import train

    config = RunConfig(
        data=str(source), strategy="autoencoder", steps=6, size=16, out=str(out), device="cpu", batch_size=8,
        stream=stream, logger="none",  # type: ignore[arg-type]
    )  # fmt: skip
    train(config, {"width": 8}, evaluate=False, display=Display(quiet=True))


def test_an_index_reads_as_an_array_does(both: tuple[Path, Path]) -> None:
    items = open_data(both[1], stream="on").train.items
    whole = np.asarray(items)
    assert items.shape == whole.shape and items.nbytes == whole.nbytes and len(items) == len(whole)
    for index in (0, -1, slice(3, 20, 4), slice(5, 5), np.array([4, 4, 1]), np.arange(len(whole)) % 3 == 0, [2, 1]):
        assert (items[index] == whole[index]).all() and items[index].shape == whole[index].shape
    with pytest.raises(IndexError):
        items[len(whole)]


def test_copies_are_looked_for_among_so_many(both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.evaluation import task as module

    data = open_data(both[1], stream="on")
    monkeypatch.setattr(module, "SEARCHED", 5)
    rows = module.Rows([data.held_out.items])
    task = module.Task(None, data, None, rows, rows, 0, 0, "cpu", step=None)  # type: ignore[arg-type]
    assert (task.searched[:] == data.train.items[np.linspace(0, len(data.train) - 1, 5).astype(int)]).all()


def sample(i: int, label: object, kind: str = "cls") -> list[tuple[str, bytes]]:
    text = str(label) if kind == "cls" else json.dumps({"label": label})
    return [(f"{i:05}.{kind}", text.encode()), (f"{i:05}.png", png(i)), (f"{i:05}.txt", b"a caption")]


@pytest.mark.parametrize("kind", ["cls", "json"])
@pytest.mark.parametrize("labels", [(3, 5), ("cat", "dog")])
def test_classes_stand_beside_the_images(tmp_path: Path, kind: str, labels: tuple[object, object]) -> None:
    members = [each for i in range(20) for each in sample(i, labels[i % 2], kind)]
    data = open_data(pack(tmp_path / "x.tar", members))
    assert data.spec.classes == tuple(map(str, labels)) and data.inspection.count == 20
    for name, label in zip(data.train.names, data.train.labels, strict=True):
        assert label == int(name.split("/")[1][:5]) % 2
    assert not data.inspection.skipped


def test_samples_of_several_fields(tmp_path: Path) -> None:
    members = [each for i in range(10) for each in ((f"{i}.jpg", png(i)), (f"{i}.seg.png", png(i + 50)))]
    members += [("1.5.png", png(90)), ("1.6.png", png(91)), ("lonely.cls", b"3"), ("bad.cls", b"\xff\xfe")]
    found = open_data(pack(tmp_path / "x.tar", members)).inspection
    assert found.count == 12
    assert {why: each.count for why, each in found.skipped.items()} == {
        "further image of its sample": 10,
        "sample without an image": 2,
    }


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_foreign_names(tmp_path: Path, style: int) -> None:
    long = "folder-" * 12 + "/" + "x" * 90
    names = [f"{long}{i}.png" for i in range(9)]
    names += ["naïve ✓.png"] if style != tarfile.USTAR_FORMAT else []
    data = open_data(pack(tmp_path / "x.tar", [(name, png(i)) for i, name in enumerate(names)], style))
    assert sorted([*data.train.names, *data.held_out.names]) == sorted(f"x.tar/{name}" for name in names)


def test_a_tar_cannot_lead_outside_itself(tmp_path: Path) -> None:
    members = [(f"{i}.png", png(i)) for i in range(10)]
    members += [("../up.png", png(20)), ("/etc/absolute.png", png(21)), ("a/../../b.png", png(22)), (".DS_Store", b"x")]
    path = pack(tmp_path / "x.tar", members)
    with tarfile.open(path, "a") as archive:
        for name, kind in (
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    before = sorted(tmp_path.parent.rglob("*.png"))
    found = open_data(path).inspection
    assert found.count == 10
    assert {why: each.count for why, each in found.skipped.items()} == {
        "path that leads out of the archive": 3,
        "link": 2,
        "hidden": 1,
        "not a file": 1,
    }
    assert sorted(tmp_path.parent.rglob("*.png")) == before


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) * 2 // 3]


def header(raw: bytes) -> bytes:
    at = raw.index(b"00007.png")
    return raw[:at] + b"?" + raw[at + 1 :]


def image(raw: bytes) -> bytes:
    at = raw.index(b"00007.png") + 512 + 400
    return raw[:at] + bytes(300) + raw[at + 300 :]


@pytest.mark.parametrize(
    ("damage", "least", "why"),
    [
        (cut, 5, "cut short"),
        (header, 7, "damaged from byte"),
        (image, 11, "damaged"),
        (lambda raw: b"\x1f\x8b" + raw, 0, "compressed"),
        (lambda raw: b"words", 0, "not a tar"),
        (lambda raw: b"", 0, ""),
    ],
)
def test_a_damaged_shard_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], least: int, why: str) -> None:
    pack(tmp_path / "set/good.tar", [(f"{i:05}.png", png(i + 50)) for i in range(20)])
    bad = pack(tmp_path / "set/bad.tar", [(f"{i:05}.png", png(i)) for i in range(12)])
    bad.write_bytes(damage(bad.read_bytes()))
    found = open_data(tmp_path / "set").inspection
    assert 20 + least <= found.count <= 20 + 11 * bool(least)
    named = [name for said, each in found.skipped.items() if why in said for name in each.names]
    assert not why or named[0].startswith("bad")
    if not least:
        with pytest.raises(UserError, match=r"bad\.tar"):
            open_data(bad)


def test_a_shard_that_changes_while_it_is_read(both: tuple[Path, Path], tmp_path: Path) -> None:
    data = open_data(both[1], stream="on")
    path = both[1] / "001.tar"
    raw = path.read_bytes()
    path.write_bytes(raw[:600] + bytes(len(raw) - 600))
    with pytest.raises(UserError, match=r"001\.tar, at byte [\d,]+: an image that was whole is damaged"):
        data.train.items[:]
    path.unlink()
    with pytest.raises(UserError, match="can't be read"):
        data.train.items[:]
    path.write_bytes(raw)
    assert open_data(both[1], stream="on").fingerprint == data.fingerprint


def test_of_several_splits_train_is_used(tmp_path: Path) -> None:
    for k, part in enumerate(("train", "val")):
        pack(tmp_path / f"set/{part}-000.tar", [(f"{i}.png", png(100 * k + i)) for i in range(10)])
    found = open_data(tmp_path / "set").inspection
    assert found.count == 10 and found.skipped["of another split than train"].names == ("val-000.tar",)


def test_shards_are_streamed_from_a_size_on(both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def streamed(data: Data) -> bool:
        return isinstance(data.train.items, Streamed)

    assert not streamed(open_data(both[1]))
    monkeypatch.setattr("aegan.data.build.MOST_PIXELS_KEPT", 1_000)
    assert streamed(open_data(both[1])) and not streamed(open_data(both[0]))
    assert not streamed(open_data(both[1], stream="off"))
    monkeypatch.setattr("aegan.data.stream.MOST_WHOLE", 1_000)
    with pytest.raises(UserError, match=r"needs all 2\d images in memory"):
        np.asarray(open_data(both[1]).train.items)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("shards/{000..009}.tar", r"There is no shard .*003\.tar"),
        ("shards/{0..99999999}.tar", "over 1,000,000 shards"),
        ("shards/{,}{000..002}.tar", None),
        ("https://example.org/{000..002}.tar", "is not on this machine"),
        ("pipe:cat 000.tar", "runs no commands"),
        ("empty.txt", "names no shards"),
        ("words.txt", r"words\.txt, line 2: 'hello' is no \.tar file"),
        ("remote.list", "is no .tar file on this machine"),
        ("x.tar.gz", "is a compressed tar"),
    ],
)
def test_bad_names(both: tuple[Path, Path], tmp_path: Path, source: str, why: str | None) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "words.txt").write_text("#\nhello\n")
    (tmp_path / "remote.list").write_text("https://example.org/000.tar\n")
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b")
    name = source if ":" in source else str(tmp_path / source)
    if why is None:
        assert open_data(name).inspection.duplicates == 30  # each shard twice
        return
    with pytest.raises(UserError, match=why):
        open_data(name)


def test_only_some_batches_are_decoded_ahead(both: tuple[Path, Path]) -> None:
    loader = Loader(open_data(both[1], stream="on").train, 4, seed=0)
    for _ in range(20):
        loader.next()
        assert len(loader._drawn) <= 4
