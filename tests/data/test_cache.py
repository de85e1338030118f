"""The cache is written whole or not at all, is used when sound, and rebuilt when not."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aegan.data import build, open_data
from aegan.data import cache as cache_module
from aegan.data.decode import Skip
from aegan.data.files import ByteRange
from aegan.data.format import ImageFormat
from aegan.data.inspection import Inspection
from aegan.errors import UserError

from .conftest import MakeFolder, picture


def count_decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by a name for every image decoded."""
    names: list[str] = []
    decode = build.survey

    def counted(raw: bytes, wanted: ImageFormat, name: str) -> Any:
        names.append(name)
        return decode(raw, wanted, name)

    monkeypatch.setattr(build, "survey", counted)
    return names


def only(folder: Path) -> Path:
    (one,) = folder.iterdir()
    return one


def test_decoding_runs_once(pictures: MakeFolder, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    decoded, root = count_decodes(monkeypatch), pictures(12)
    found = open_data(root).inspection
    data = open_data(root)
    assert len(decoded) == 12 and data.inspection == found
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()
    assert Inspection.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert not data.train.items.flags.writeable and only(cache).is_dir()


def test_other_options_and_changed_files_are_decoded_anew(pictures: MakeFolder, cache: Path) -> None:
    root = pictures(12)
    prints = [open_data(root, **options).fingerprint for options in ({}, {"size": 16}, {"channels": 1})]
    (root / "000.png").write_bytes((root / "001.png").read_bytes())
    prints.append(open_data(root).fingerprint)
    (root / "000.png").unlink()
    prints.append(open_data(root).fingerprint)
    assert len(set(prints)) == 5 and len(list(cache.iterdir())) == 5


def test_cache_dir_goes_before_the_environment(pictures: MakeFolder, tmp_path: Path, cache: Path) -> None:
    open_data(pictures(12), cache_dir=str(tmp_path / "other"))
    assert only(tmp_path / "other").is_dir() and not cache.exists()


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "meta", "labels", "version", "file"])
def test_a_damaged_cache_is_rebuilt(
    pictures: MakeFolder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    pictures(10, "root/a")
    pictures(10, "root/b", seed=20)
    before = open_data(tmp_path / "root")
    expected, folder = np.array(before.train.items), only(cache)
    del before
    items = folder / "train-items.npy"
    if damage == "truncate":
        os.truncate(items, items.stat().st_size - 1_000)
    elif damage == "flip":
        raw = bytearray(items.read_bytes())
        raw[-10] ^= 255
        items.write_bytes(raw)
    elif damage == "delete":
        items.unlink()
    elif damage == "meta":
        (folder / "meta.json").write_text("{")
    elif damage == "labels":
        np.save(folder / "train-labels.npy", np.zeros_like(np.load(folder / "train-labels.npy")))
    elif damage == "version":
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"version": 0}))
    else:
        shutil.rmtree(folder)
        folder.write_text("in the way")
    decoded = count_decodes(monkeypatch)
    after = open_data(tmp_path / "root")
    assert len(decoded) == 20 and (after.train.items == expected).all() and after.train.labels.any()
    assert only(cache).name == folder.name


@pytest.mark.parametrize("where", ["write_rows", "write_manifest", "mkdtemp"])
def test_a_full_disk_is_told_and_leaves_nothing(
    pictures: MakeFolder, cache: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache_module.tempfile if where == "mkdtemp" else cache_module, where, full)
        with pytest.raises(UserError, match=r"can't be kept in .*cache: No space left on device.\nMake room"):
            open_data(pictures(12))
    assert not list(cache.iterdir())
    assert open_data(pictures(12)).spec.count


def test_too_little_room_is_seen_before_decoding(
    pictures: MakeFolder, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    decoded = count_decodes(monkeypatch)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(UserError, match=r"0\.1 MB needed, 0\.0 MB free"):
        open_data(pictures(12))
    assert not decoded and not list(cache.iterdir())


def test_a_folder_that_cannot_be_written(pictures: MakeFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be kept in"):
        open_data(pictures(12), cache_dir=str(tmp_path / "file" / "cache"))


def test_a_stopped_run_leaves_nothing(pictures: MakeFolder, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    root = pictures(40)
    monkeypatch.setattr(build.Tally, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        open_data(root)
    assert not list(cache.iterdir())


def test_what_a_killed_run_left_is_swept(pictures: MakeFolder, cache: Path) -> None:
    for name in ("old", "new"):
        (cache / f".unfinished-{name}").mkdir(parents=True)
    os.utime(cache / ".unfinished-old", (1, 1))
    open_data(pictures(12))
    assert {path.name for path in cache.glob(".*")} == {".unfinished-new"}


def test_two_runs_at_once_agree(pictures: MakeFolder, cache: Path) -> None:
    program = "import sys; from aegan.data import open_data; print(open_data(sys.argv[1]).fingerprint)"
    root = pictures(60, width=120)
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    prints = {run.communicate(timeout=60)[0] for run in runs}
    assert prints == {open_data(root).fingerprint + "\n"} and all(run.returncode == 0 for run in runs)
    assert only(cache).is_dir()


def test_a_run_that_comes_second_uses_the_work_of_the_first(
    pictures: MakeFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, publish = pictures(12), cache_module.publish

    def overtaken(folder: Path, final: Path) -> None:
        shutil.copytree(folder, final)
        publish(folder, final)

    monkeypatch.setattr(cache_module, "publish", overtaken)
    assert len(open_data(root).train) + len(open_data(root).held_out) == 12
    assert only(cache).is_dir()


def test_pixels_never_gather_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    images = np.random.default_rng(0).integers(0, 256, (4_000, 64, 64, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", images)
    whole = images.nbytes  # 49 MB
    del images
    monkeypatch.setattr("aegan.data.arrays.CHUNK", 2**20)
    monkeypatch.setattr("aegan.data.assemble.CHUNK", 2**20)
    tracemalloc.start()
    data = open_data(tmp_path / "x.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data.train) > 3_000 and peak < whole / 4


def test_the_progress_bar_goes_to_the_terminal(
    pictures: MakeFolder, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    open_data(pictures(12), progress=True)
    said = capfd.readouterr()
    assert said.out == "" and "decoding" in said.err
    open_data(pictures(13), progress=False)
    assert capfd.readouterr().err == ""


def test_importing_needs_no_torch() -> None:
    program = "import sys, aegan.data; assert not {'torch', 'pyarrow', 'sklearn', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_files_of_one_size_and_one_time_are_not_taken_for_others(tmp_path: Path) -> None:
    found = []
    for seed in (0, 100):
        root = tmp_path / "set"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for i in range(12):
            Image.fromarray(picture(seed + i)).save(root / f"{i}.bmp")
            os.utime(root / f"{i}.bmp", (315_532_800, 315_532_800))
        found.append(open_data(root))
    assert found[0].fingerprint != found[1].fingerprint


@pytest.mark.parametrize("why", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_what_could_not_be_read_is_tried_again(
    pictures: MakeFolder, monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    root = pictures(12)
    (root / "labels.csv").write_text("file,label\n" + "".join(f"{i:03},{'xy'[i % 2]}\n" for i in range(12)))
    failing, read = {"003.png", "labels.csv"}, ByteRange.__call__

    def refusing(self: ByteRange, most: int) -> bytes:
        if Path(self.path).name in failing:
            raise Skip("can't be read") if isinstance(why, OSError) or self.path.endswith("csv") else why
        return read(self, most)

    monkeypatch.setattr(ByteRange, "__call__", refusing)
    first, decoded = open_data(root), count_decodes(monkeypatch)
    assert first.inspection.count == 11 and not first.spec.classes
    assert open_data(root).fingerprint == first.fingerprint and not decoded
    failing.remove("003.png")
    assert open_data(root).inspection.count == 12
    failing.clear()
    assert open_data(root).spec.classes == ("x", "y")
