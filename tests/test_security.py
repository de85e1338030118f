"""No file that aegan opens can execute anything, or fill memory before it is refused."""

from __future__ import annotations

import ast
import io
import json
import pickle
import shutil
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import aegan
from aegan.data import arrays, files, open_data
from aegan.errors import UserError
from aegan.plain_yaml import read_yaml

Cli = Callable[..., Any]
SRC = Path(aegan.__file__).parent

# --- the source -------------------------------------------------------------------------------------------------------

FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
NEEDED = {  # what must stand in a call, for it to be safe
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "npy.read_array": ("allow_pickle", False),
}
NEVER = {"eval", "exec", "compile", "__import__", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"}
ALLOWED = {("networks/custom.py", "exec_module")}  # --networks FILE.py


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg or "": getattr(k.value, "value", None) for k in node.keywords}


def unsafe(source: str, where: str) -> list[str]:
    """What in a module could execute a file's content."""
    tree, found = ast.parse(source), []
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{where}: import {name}" for name in names if name.split(".")[0] in FORBIDDEN]
    for name, keywords in calls(tree):
        key, value = NEEDED.get(name, ("", None))
        if key and keywords.get(key) is not value:
            found.append(f"{where}: {name} without {key}={value}")
        last = name.rpartition(".")[2]
        if name in NEVER or (
            (name == "yaml.load" or last == "exec_module")
            and not ((where, name) in ALLOWED or (where, last) in ALLOWED)
        ):
            found.append(f"{where}: {name}")
        if "shell" in keywords and keywords["shell"] is not False:
            found.append(f"{where}: {name} with a shell")
    return found


def test_nothing_in_the_source_executes_what_it_reads() -> None:
    found = [each for p in sorted(SRC.rglob("*.py")) for each in unsafe(p.read_text(), p.relative_to(SRC).as_posix())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import torch\ntorch.load(f)", "np.load(f)", "eval(x)",
        "np.load(f, allow_pickle=True)", "yaml.load(f, Loader=L)", "run(x, shell=True)", "spec.loader.exec_module(m)",
    ],
)  # fmt: skip
def test_the_search_finds(source: str) -> None:
    assert unsafe(source, "x.py")


# --- files that would execute -----------------------------------------------------------------------------------------


class Bomb:
    """Unpickled, it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return Path.write_text, (self.canary, "executed")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "a file was executed"


@pytest.fixture
def hostile(canary: Path) -> bytes:
    raw = pickle.dumps(Bomb(canary), protocol=2)
    pickle.loads(raw)
    assert canary.exists(), "the bomb works"
    canary.unlink()
    return raw


SUFFIXES = ["npy", "npz", "zip", "parquet", "tar", "png", "txt", "list", "aeg", "pt", "yaml", "safetensors"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pickle_of_any_name(suffix: str, hostile: bytes, canary: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    path = tmp_path / f"x.{suffix}"
    for raw in (hostile, torch_saved(canary)):
        path.write_bytes(raw)
        aegan_cli("check", path).refused("x." + suffix)
        aegan_cli("train", path, "--out", tmp_path / "run").refused("x." + suffix)
        aegan_cli("sample", path).refused("x." + suffix)
        aegan_cli("decompress", path, "--out", tmp_path / "back").refused("x." + suffix)
        aegan_cli("train", "--config", path, "--out", tmp_path / "run").refused("x." + suffix)


def torch_saved(canary: Path) -> bytes:
    file = io.BytesIO()
    torch.save({"x": Bomb(canary)}, file)
    return file.getvalue()


def test_objects_in_arrays(canary: Path, tmp_path: Path) -> None:
    array = np.array([Bomb(canary)] * 20, object)
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    np.savez(tmp_path / "images.npz", images=array)
    np.savez(tmp_path / "labels.npz", images=np.zeros((20, 8, 8), np.uint8), labels=array)
    for name in ("x.npy", "images.npz", "labels.npz"):
        with pytest.raises(UserError, match="Python objects"):
            open_data(tmp_path / name)


def test_a_folder_of_pickles(hostile: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.pkl", "d.pt", "e.npy"):
        (folder / name).write_bytes(hostile)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(folder, ".")
    for source in (folder, tmp_path / "x.tar"):
        with pytest.raises(UserError, match="No usable image"):
            open_data(source)


@pytest.mark.parametrize(
    "tag", ["object/apply:builtins.open", "object/new:pathlib.Path", "module:os", "name:os.system"]
)
def test_yaml_with_objects(tag: str, canary: Path, trained_copy: Path, aegan_cli: Cli) -> None:
    config = trained_copy / "config.yaml"
    config.write_text(config.read_text() + f"\nextra: !!python/{tag} ['{canary}', 'w']\n")
    for command in (["train", "--resume", "--out", trained_copy], ["evaluate", trained_copy]):
        aegan_cli(*command).refused("config.yaml is damaged")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "[" * 100_000, "a: " + "x" * 2**20,
        "a: !!python/object/apply:os.getcwd []",
    ],
)  # fmt: skip
def test_yaml_that_grows(text: str) -> None:
    import yaml

    with pytest.raises(yaml.YAMLError):
        read_yaml(text)


@pytest.mark.parametrize("name", ["model/model.safetensors", "model/config.json"])
def test_a_model_that_is_a_pickle(
    name: str, hostile: bytes, trained_copy: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    (trained_copy / name).write_bytes(hostile)
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused(Path(name).name)
    (trained_copy / name).write_text("[" * 200_000)
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused(Path(name).name)


def test_checkpoints_that_are_pickles(hostile: bytes, trained_copy: Path, aegan_cli: Cli) -> None:
    for path in (trained_copy / "checkpoints").iterdir():
        path.write_bytes(hostile)
    aegan_cli("train", "--resume", "--out", trained_copy).refused("No whole checkpoint is left")


def test_a_cache_that_holds_pickles(
    hostile: bytes, canary: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGAN_CACHE", str(tmp_path / "cache"))
    before = open_data(folder).fingerprint
    (one,) = (tmp_path / "cache").iterdir()
    meta = json.loads((one / "meta.json").read_text())
    np.save(one / "train-items.npy", np.array([Bomb(canary)] * 20, object), allow_pickle=True)
    meta["files"]["train-items.npy"][0] = (one / "train-items.npy").stat().st_size
    (one / "meta.json").write_text(json.dumps(meta))
    assert open_data(folder).fingerprint == before


# --- files that would fill memory or disk -----------------------------------------------------------------------------


def npy(header: bytes, version: tuple[int, int] = (2, 0), length: int | None = None, body: bytes = b"") -> bytes:
    size = len(header) if length is None else length
    return b"\x93NUMPY" + bytes(version) + struct.pack("<I" if version > (1, 0) else "<H", size) + header + body


def described(shape: str, kind: str = "|u1", fortran: bool = False) -> bytes:
    return f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()


NPY_BOMBS = {
    "a header of 4 GB": (npy(b"{}", length=2**32 - 1), "header"),
    "more rows than there are": (npy(described("(1000000000000, 64, 64)")), "cut short"),
    "a row of 10 GB": (npy(described("(9, 100000, 100000)")), "rows of"),
    "deep nesting": (npy(b"(" * 9_000), "can't be read"),
}


@pytest.mark.parametrize("name", NPY_BOMBS)
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_that_claim_too_much(name: str, packed: bool, tmp_path: Path) -> None:
    raw, why = NPY_BOMBS[name]
    path = tmp_path / ("x.npz" if packed else "x.npy")
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", raw)
    else:
        path.write_bytes(raw)
    with pytest.raises(UserError, match=why):
        open_data(path)


@pytest.mark.parametrize("what", ["labels", "columns first"])
def test_an_npz_whose_small_arrays_are_not(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        fortran = what == "columns first"
        if fortran:
            monkeypatch.setattr(arrays, "MOST_WHOLE", 1_000)
        archive.writestr("images.npy", npy(described("(20, 8, 8)", fortran=fortran), body=bytes(1280)))
        if not fortran:
            archive.writestr("labels.npy", npy(described("(9000000000000,)", "<i8"), body=bytes(2**20)))
    with pytest.raises(UserError, match="must be read whole"):
        open_data(tmp_path / "x.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_bound_is_not_read(method: int, tmp_path: Path) -> None:
    """bzip2 makes 45,000 bytes of one, and zipfile lets it, whatever the archive says of the size."""
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("a.png", image.getvalue())
    with pytest.raises(UserError, match="another method than deflate"):
        open_data(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("images.npy", npy(described("(20, 8, 8)"), body=bytes(1280)))
    with pytest.raises(UserError, match="another method than deflate"):
        open_data(tmp_path / "x.npz")


def test_an_archive_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x.zip", "x.npz"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for i in range(100):
                archive.writestr(f"{i}.png", b"x")
        with monkeypatch.context() as patch:
            patch.setattr(files, "MOST_DIRECTORY", 1_000)
            with pytest.raises(UserError, match="lists too many files"):
                open_data(tmp_path / name)


def test_a_tar_that_claims_too_much(tmp_path: Path) -> None:
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG")
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for i in range(9):
            info = tarfile.TarInfo(f"{i}.png")
            one = io.BytesIO()
            Image.new("RGB", (8, 8), (i, 0, 0)).save(one, "PNG")
            info.size = len(one.getvalue())
            archive.addfile(info, io.BytesIO(one.getvalue()))
        huge = tarfile.TarInfo("huge.png")
        huge.size = 2**40
        archive.addfile(huge)
    found = open_data(tmp_path / "x.tar").inspection
    assert found.count == 9 and next(iter(found.skipped)).startswith("cut short")
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "y.tar").write_bytes(name.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(UserError, match="damaged from byte 0"):
        open_data(tmp_path / "y.tar")


def test_a_parquet_of_huge_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"image": [bytes(10_000)] * 50}), tmp_path / "x.parquet", compression="zstd")
    monkeypatch.setattr("aegan.data.parquet.MOST_GROUP", 5_000)
    with pytest.raises(UserError, match="has a row group of"):
        open_data(tmp_path / "x.parquet")


def test_links_in_a_run_lead_nowhere_else(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    """A model is two files by name; what else lies in its folder is not opened."""
    shutil.copytree(trained_copy / "model", tmp_path / "model")
    (tmp_path / "model" / "evil.py").write_text("raise SystemExit(3)")
    (tmp_path / "model" / "__init__.py").write_text("raise SystemExit(3)")
    assert aegan_cli("sample", tmp_path / "model", "--n", 2, "--out", tmp_path / "x.npz").code == 0


def test_nothing_is_asked_of_the_network(
    folder: Path, tmp_path: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*what: object, **_: object) -> None:
        asked.append(what)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    run = tmp_path / "run"
    begin = ("--strategy", "autoencoder", "--steps", 4, "--size", 16, "--set", "width=8", "--set", "components=1,2")
    for words in (
        ("train", folder, *begin, "--out", run),
        ("evaluate", run, "--count", 64),
        ("sample", run, "--n", 2, "--out", tmp_path / "x.npz"),
        ("report", run),
        ("export", run, "--hub", tmp_path / "hub"),
    ):
        assert aegan_cli(*words).code == 0, words
    assert not asked
