"""Cases that a review found: few images, packages that came later, arrays of many names, patterns, hostile headers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import aegan
from aegan.config import RunConfig, with_options
from aegan.data import open_data, open_like
from aegan.data.format import read_size
from aegan.errors import UserError
from aegan.names import stem_of

Cli = Callable[..., Any]


def write(folder: Path, n: int, size: int = 16) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(np.random.default_rng(n).integers(0, 256, (n, size, size, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


@pytest.mark.parametrize("n", [1, 5])
def test_a_trained_model_takes_a_few_images(n: int, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    few = write(tmp_path / "few", n)
    assert aegan_cli("encode", trained, few, "--out", tmp_path / "codes.npz").code == 0
    with np.load(tmp_path / "codes.npz") as kept:
        assert len(kept["codes"]) == n
    assert aegan_cli("reconstruct", trained, few, "--out", tmp_path / "pairs.png").code == 0
    assert aegan_cli("score", trained, few, "--out", tmp_path / "scores.csv").code == 0
    model = aegan.load(trained)
    array = np.stack([np.asarray(Image.open(path)) for path in sorted(few.iterdir())])
    data = open_like(array, model.spec)
    assert len(data.train) == n and len(data.held_out) == 0
    vectors = open_like(np.ones((n, 3)), aegan.data.DataSpec((3,)))
    assert len(vectors.train) == n and np.isfinite(vectors.train.items).all()
    with pytest.raises(UserError, match="Too few to train on"):
        open_data(few)


def test_what_was_left_out_is_said(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    folder = write(tmp_path / "some", 12)
    (folder / "broken.png").write_bytes(b"no image")
    said = aegan_cli("encode", trained, folder, "--out", tmp_path / "codes.npz")
    assert said.code == 0 and "1 file was left out" in said.err


def test_a_package_that_is_there_now_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was left out for want of it is not left out for ever."""
    folder = write(tmp_path / "some", 12)
    (folder / "new.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    said = "HEIC: pip install "
    monkeypatch.setattr(
        "aegan.data.formats.foreign", lambda raw, name: said + "no_such_package" if "heic" in name else ""
    )
    found = open_data(folder, size=16)
    assert list(found.inspection.skipped) == [said + "no_such_package"] and len(found.train) + len(found.held_out) == 12
    asked: list[str] = []

    def foreign(raw: bytes, name: str) -> str:
        asked.append(name)
        return said + "json" if "heic" in name else ""

    monkeypatch.setattr("aegan.data.formats.foreign", foreign)
    open_data(folder, size=16)
    assert not asked, "nothing has changed"
    monkeypatch.setattr("aegan.data.formats.readable", lambda name: True)
    open_data(folder, size=16)
    assert any("heic" in name for name in asked)


def test_arrays_of_several_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, more = (rng.integers(0, 256, (n, 8, 8), np.uint8) for n in (40, 20))
    y = np.arange(40) % 3
    np.savez(tmp_path / "a.npz", X=x, Y=y)
    found = open_data(tmp_path / "a.npz")
    assert found.train.labels is not None and len(found.spec.classes) == 3
    np.savez(tmp_path / "keras.npz", x_test=more, x_train=x, y_train=y, y_test=np.zeros(20, int))
    found = open_data(tmp_path / "keras.npz")
    assert len(found.train) + len(found.held_out) == 40 and len(found.spec.classes) == 3
    assert "array 'x_train' is used; not used: x_test, y_test" in found.inspection.notes
    np.savez(tmp_path / "med.npz", val_images=more, train_labels=y, train_images=x)
    found = open_data(tmp_path / "med.npz")
    assert len(found.train) + len(found.held_out) == 40 and len(found.spec.classes) == 3
    np.savez(tmp_path / "plain.npz", images=x, more=more)
    assert "not used: more" in " ".join(open_data(tmp_path / "plain.npz").inspection.notes)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_a_flipped_byte_in_a_compressed_array(at: float, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.random.default_rng(0).integers(0, 9, (400, 8, 8), np.uint8))
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].compress_size
    raw[60 + int(at * size)] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(UserError):
        open_data(path)


def test_a_run_on_a_pattern_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "photos", 20)
    monkeypatch.chdir(tmp_path)
    run = aegan.fit(
        "photos/*.png", strategy="autoencoder", steps=2, out=tmp_path / "run", size=16, progress=False,
        options={"width": 8, "components": (1,)},
    )  # fmt: skip
    monkeypatch.chdir("/")
    assert len(aegan.Run(run.path).data().train) > 0


def test_a_pattern_of_shards_and_a_streamed_pattern(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", 20)
    for i in range(2):
        with tarfile.open(tmp_path / f"{i}.tar", "w") as archive:
            for path in sorted(folder.iterdir())[10 * i : 10 * i + 10]:
                archive.add(path, path.name)
    found = open_data(f"{tmp_path}/*.tar", size=16)
    assert len(found.train) + len(found.held_out) == 20
    streamed = open_data(f"{folder}/*.png", size=16, stream="on")
    assert type(streamed.train.items).__name__ == "Streamed"
    whole = open_data(f"{folder}/*.png", size=16)
    assert streamed.fingerprint == whole.fingerprint and np.array_equal(streamed.train.items[:], whole.train.items)


def test_a_tar_of_negative_sizes_ends(tmp_path: Path) -> None:
    raw = bytearray(1024)
    info = tarfile.TarInfo("a.png")
    raw[:512] = info.tobuf(tarfile.USTAR_FORMAT)
    raw[124:136] = b"-0000001000\0"
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    (tmp_path / "a.tar").write_bytes(bytes(raw))
    done = subprocess.run(
        [sys.executable, "-m", "aegan", "check", str(tmp_path / "a.tar")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_damaged_tables_stop_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "some", 12)
    (folder / "classes.txt").write_bytes(b"\xff\xfea\0b\0c")
    pytest.importorskip("pyarrow")
    (folder / "metadata.parquet").write_bytes(b"PAR1" + bytes(40) + b"\x20\0\0\0PAR1")
    found = open_data(folder)
    assert len(found.train) + len(found.held_out) == 12
    assert any("metadata.parquet is not used" in note for note in found.inspection.notes)


def test_a_mistyped_name_is_answered(aegan_cli: Cli) -> None:
    aegan_cli("train", "fashon", "--dry-run").refused("Did you mean 'fashion'?")
    aegan_cli("train", "ring", "--size", "32", "--dry-run").refused("made of points")


def test_a_built_in_name_beside_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "ring", 12)
    monkeypatch.chdir(tmp_path)
    assert any("./ring" in note for note in open_data("ring").inspection.notes)


def test_an_array_is_evaluated_against_itself_without_a_word(tmp_path: Path, make_shapes: Any) -> None:
    run = aegan.fit(
        make_shapes(120)[0], size=16, strategy="autoencoder", steps=2, out=tmp_path / "run", evaluate=True,
        options={"width": 8, "components": (1,)}, progress=False,
    )  # fmt: skip
    remarks = json.loads((run.path / "evaluation.json").read_text())["remarks"]
    assert not any("need not be" in said for said in remarks)
    assert len(run.data().train) > 0


def test_networks_may_be_named_in_any_order(tmp_path: Path, make_shapes: Any) -> None:
    from torch import nn

    images = make_shapes(60)[0]

    def networks(order: str) -> dict[str, nn.Module]:
        made = {
            "E": nn.Sequential(nn.Flatten(), nn.Linear(768, 4)),
            "G": nn.Sequential(nn.Linear(4, 768), nn.Unflatten(1, (3, 16, 16))),
        }
        return {name: made[name] for name in order}

    common: dict[str, Any] = {
        "strategy": "autoencoder", "size": 16, "out": tmp_path / "run", "progress": False,
        "options": {"code_dim": 4, "components": (1,)},
    }  # fmt: skip
    aegan.fit(images, steps=2, networks=networks("EG"), **common)
    aegan.fit(images, steps=2, networks=networks("GE"), resume=True, **common)


def test_names_sizes_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [stem_of(name) for name in ("photos/*.png", "a/b.zip", "x/{000..003}.tar", "[ab]?")] == [
        "data", "b", "000..003", "ab"
    ]  # fmt: skip
    assert read_size(np.int64(64)) == read_size(64.0) == (64, 64)  # type: ignore[arg-type]
    assert with_options(RunConfig(), {"out": "none", "minutes": "none"}, "a test").out == "none"
    monkeypatch.setenv("HOME", str(tmp_path))
    from aegan.runs.folder import run_folder

    assert run_folder(RunConfig(out="~/runs/a")) == tmp_path / "runs" / "a"
    with pytest.raises(UserError, match=str(tmp_path)):
        aegan.load("~/nothing")


def test_with_json_nothing_is_printed_where_a_file_cannot_be_written(
    trained: Path, folder: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    if getattr(os, "geteuid", lambda: 1)() == 0:
        target = Path("/dev/full/scores.csv")
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        target = tmp_path / "locked" / "scores.csv"
    said = aegan_cli("score", trained, folder, "--out", target, "--json")
    assert said.code == 2 and said.out == ""


def test_options_that_would_say_nothing_are_refused(trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    walk = ("interpolate", trained, "--seeds", "1,5", "--out", tmp_path / "walk.png")
    aegan_cli(*walk, "--rows", "3").refused("between samples")
    aegan_cli(*walk, "--seed", "3").refused("between samples")
    aegan_cli("train", "ring", "--mirror", "--out", tmp_path / "run").refused("--mirror is for images")
    against = write(tmp_path / "some", 12)
    aegan_cli("evaluate", against, "--against", against, "--checkpoint", "best").refused("Only a run")


def test_a_dry_run_counts_the_networks_of_the_user(tmp_path: Path, aegan_cli: Cli) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def networks(spec):\n"
        "    return {'E': nn.Sequential(nn.Flatten(), nn.Linear(64, 4, bias=False))}\n"
    )
    given = ("--networks", f"{tmp_path}/mine.py:networks", "--set", "code_dim=4", "--strategy", "autoencoder")
    said = aegan_cli("train", "digits", *given, "--dry-run", "--json")
    assert json.loads(said.out)["weights"]["E"] == 256
    assert "no function" in aegan_cli("train", "digits", "--networks", f"{tmp_path}/mine.py:other", "--dry-run").err
