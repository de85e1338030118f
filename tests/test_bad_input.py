"""Mistakes of users and of machines: one or two lines that say what, where and what to do; exit code 2; nothing written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import aegan
from aegan.errors import UserError
from aegan.jsonl import read_log

Cli = Callable[..., Any]
QUICK = ["--strategy", "autoencoder", "--steps", 6, "--set", "width=8", "--no-evaluate", "--device", "cpu"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Tests run in an empty folder; whatever is left there was written by mistake."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.rglob("*")) == []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


# --- data -------------------------------------------------------------------------------------------------------------


def no_such_path(root: Path) -> Path:
    return root / "photos"


def empty_folder(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


def one_image(root: Path) -> Path:
    (root / "one").mkdir()
    Image.new("RGB", (20, 20), "red").save(root / "one" / "a.png")
    return root / "one"


def copies_of_one_image(root: Path) -> Path:
    folder = one_image(root)
    for i in range(20):
        shutil.copy(folder / "a.png", folder / f"{i}.png")
    return folder


def all_broken(root: Path) -> Path:
    (root / "broken").mkdir()
    for i in range(20):
        (root / "broken" / f"{i}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50) if i % 2 else b"")
    return root / "broken"


def a_text_file(root: Path) -> Path:
    (root / "notes.txt").write_text("hello")
    return root / "notes.txt"


def saved(array: np.ndarray) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        np.save(root / "x.npy", array)
        return root / "x.npy"

    return make


def with_nan(shape: tuple[int, ...]) -> np.ndarray:
    array = np.random.default_rng(0).random(shape, np.float32)
    array[(3,) + (0,) * (len(shape) - 1)] = np.nan
    return array


def cut_npy(root: Path) -> Path:
    path = saved(np.zeros((50, 16, 16, 3), np.uint8))(root)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def damaged_zip(root: Path) -> Path:
    (root / "x.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    return root / "x.zip"


def objects(root: Path) -> Path:
    np.save(root / "x.npy", np.array([{"a": 1}] * 20, object), allow_pickle=True)
    return root / "x.npy"


SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (no_such_path, "photos"),
    "empty folder": (empty_folder, "empty"),
    "one image": (one_image, "Too few"),
    "copies of one image": (copies_of_one_image, "Too few"),
    "all broken": (all_broken, "broken"),
    "a text file": (a_text_file, "notes.txt"),
    "complex numbers": (saved(np.zeros((50, 16, 16), complex)), "complex"),
    "words": (saved(np.array(["a"] * 50)), "x.npy"),
    "one axis": (saved(np.zeros(50, np.uint8)), "shape"),
    "five axes": (saved(np.zeros((9, 4, 4, 3, 2), np.uint8)), "shape"),
    "no rows": (saved(np.zeros((0, 16, 16, 3), np.uint8)), "no rows"),
    "seven channels": (saved(np.zeros((20, 16, 16, 7), np.uint8)), "7 channels"),
    "NaN in images": (saved(with_nan((20, 16, 16, 3))), "row 3"),
    "NaN in vectors": (saved(with_nan((50, 2))), "row 3"),
    "a cut array": (cut_npy, "cut short"),
    "a damaged zip": (damaged_zip, "x.zip"),
    "pickled objects": (objects, "objects"),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("command", ["train", "check"])
def test_data_that_cannot_be_used(name: str, command: str, tmp_path: Path, out: Path, aegan_cli: Cli) -> None:
    make, word = SOURCES[name]
    source = make(tmp_path)
    said = aegan_cli(command, source, *(["--out", out] if command == "train" else []))
    said.refused(word)
    assert len(said.err.strip().splitlines()) == 2, "and what to do"
    assert not out.exists()


def test_a_name_that_is_nearly_right(aegan_cli: Cli) -> None:
    aegan_cli("train", "fasion").refused("fasion", "Did you mean 'fashion'")


def test_data_a_model_cannot_take(trained: Path, tmp_path: Path, points: Path, aegan_cli: Cli) -> None:
    target = tmp_path / "x.npz"
    aegan_cli("encode", trained, points, "--out", target).refused()
    aegan_cli("encode", trained, tmp_path / "nothing", "--out", target).refused("nothing")
    aegan_cli("reconstruct", trained, empty_folder(tmp_path), "--out", target).refused("empty")
    assert not target.exists()


def test_a_strategy_without_an_encoder(points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    run = tmp_path / "gan"
    quick = ["--strategy", "gan", "--steps", 2, "--set", "width=8", "--no-evaluate", "--device", "cpu"]
    assert aegan_cli("train", points, *quick, "--out", run).code == 0
    for command in (["encode", run, points], ["reconstruct", run, points], ["interpolate", run]):
        aegan_cli(*command, "--out", tmp_path / "x.npz").refused("'gan' cannot encode")
    assert not (tmp_path / "x.npz").exists()


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strategy", "latnet"], ["latnet", "Did you mean 'latent'"]),
        (["--preset", "tpy"], ["tpy", "Did you mean 'toy'"]),
        (["--set", "widht=3"], ["widht", "Did you mean 'width'"]),
        (["--set", "width"], ["key=value"]),
        (["--set", "width=wide"], ["'width' wants int"]),
        (["--set", "loss=hinges", "--strategy", "gan"], ["hinges", "Did you mean 'hinge'"]),
        (["--minutes", 1, "--steps", 5], ["--minutes", "--steps"]),
        (["--minutes", 0], ["--minutes is 0", "more than 0"]),
        (["--minutes", -2], ["more than 0"]),
        (["--minutes", "nan"], ["more than 0"]),
        (["--minutes", "inf"], ["more than 0"]),
        (["--steps", 0], ["--steps is 0"]),
        (["--batch-size", 0], ["--batch-size is 0"]),
        (["--batch-size", 1], ["at least 2"]),
        (["--seed", 2**70], ["seed"]),
        (["--device", "gpu"], ["'gpu'", "--device cpu"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--precision", "fp16", "--device", "cpu"], ["fp16"]),
        (["--size", 16], ["vectors"]),
    ],
)  # fmt: skip
def test_settings(options: list[object], words: list[str], points: Path, out: Path, aegan_cli: Cli) -> None:
    aegan_cli("train", points, "--out", out, *options).refused(*words)
    assert not out.exists()


@pytest.mark.parametrize("options", [["--minutes", "soon"], ["--steps", 1.5], ["--precision", "fp8"], ["--stepz", 3]])
def test_settings_of_the_wrong_kind(options: list[object], points: Path, out: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("train", points, "--out", out, *options)
    assert said.code == 2 and str(options[0]) in said.err and "Traceback" not in said.err
    assert not out.exists()


@pytest.mark.parametrize("size", [0, -8, 7, 100_000])
def test_sizes(size: int, folder: Path, out: Path, aegan_cli: Cli) -> None:
    aegan_cli("train", folder, "--out", out, "--size", size).refused(str(size))
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--class", "zebra"], ["zebra", "disc, square"]),
        (["--class", "sqare"], ["Did you mean 'square'"]),
        (["--class", 2], ["0 to 1"]),
        (["--truncation", 0], ["(0, 1]"]),
        (["--truncation", 1.5], ["(0, 1]"]),
        (["--truncation", "nan"], ["(0, 1]"]),
        (["--seed", 2**70], ["seed"]),
        (["--device", "gpu"], ["'gpu'"]),
    ],
)  # fmt: skip
def test_samples_that_cannot_be(
    options: list[object], words: list[str], trained: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    aegan_cli("sample", trained, "--out", tmp_path / "x.npz", *options).refused(*words)
    assert not (tmp_path / "x.npz").exists()


def test_a_class_of_a_model_without(vector_run: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    aegan_cli("sample", vector_run, "--class", "a", "--out", tmp_path / "x.npz").refused("without classes")


@pytest.mark.parametrize("name", ["x.gif", "x.pdf", "x.npy"])
def test_files_that_cannot_be_written(name: str, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / name).refused(Path(name).suffix)
    aegan_cli("encode", trained, "fashion", "--out", tmp_path / name).refused(".npz")
    assert not (tmp_path / name).exists()


# --- where it writes --------------------------------------------------------------------------------------------------


def test_a_folder_that_holds_another_run(trained_copy: Path, folder: Path, aegan_cli: Cli, files_of: Any) -> None:
    before = files_of(trained_copy)
    aegan_cli("train", folder, *QUICK, "--out", trained_copy).refused(str(trained_copy), "--resume", "--out")
    (trained_copy / "config.yaml").unlink()
    aegan_cli("train", folder, *QUICK, "--out", trained_copy).refused("already holds a run")
    before.pop("config.yaml")
    assert files_of(trained_copy) == before


@pytest.mark.parametrize("name", ["data.json", "log.jsonl", "model/model.safetensors", "samples/1.png", "report.html"])
def test_a_folder_with_files_that_a_run_would_write(
    name: str, folder: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any
) -> None:
    mine = tmp_path / "mine"
    (mine / name).parent.mkdir(parents=True)
    (mine / name).write_text("precious")
    before = files_of(mine)
    aegan_cli("train", folder, *QUICK, "--out", mine).refused(name.partition("/")[0], "--out")
    assert files_of(mine) == before


def test_other_files_in_the_folder_of_a_run_stay(points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    mine, names = tmp_path / "mine", ("notes.txt", ".movie.part", ".draft.2.part")
    mine.mkdir()
    for name in names:
        (mine / name).write_text("precious")
    assert aegan_cli("train", points, *QUICK, "--out", mine).code == 0
    assert all((mine / name).read_text() == "precious" for name in names)
    assert aegan_cli("train", "--resume", "--out", mine).code == 0
    assert (mine / ".movie.part").read_text() == "precious"


@pytest.mark.parametrize(
    "pair",
    [
        "lr=-1", "lr=nan", "lr=inf", "weight_decay=nan", "noise=nan", "components=0", "fit_limit=0", "code_dim=-4",
        "code_dim=1000000000", "width=0", "principal=-1", "bandwidth=-1",
    ],
)  # fmt: skip
def test_numbers_that_no_option_can_have(pair: str, points: Path, out: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("train", points, *QUICK, "--set", pair, "--out", out)
    said.refused(f"'{pair.partition('=')[0]}' is ", "it must be ")
    assert not out.exists(), "the corrected command can be given at once"


@pytest.mark.parametrize(
    "pair",
    [
        "beta1=-1", "beta2=2", "n_critic=0", "penalty_every=0", "critic_width=0", "play_width=0", "real_share=nan",
        "play_lr=nan", "compress_share=nan", "play_share=-1", "clip=nan", "ema_decay=-1", "walkback_steps=-1",
    ],
)  # fmt: skip
def test_numbers_that_no_option_of_a_game_can_have(pair: str, folder: Path, out: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("train", folder, "--steps", 6, "--size", 16, "--device", "cpu", "--set", pair, "--out", out)
    said.refused(f"'{pair.partition('=')[0]}' is ", "it must be ")
    assert not out.exists()


@pytest.mark.parametrize(
    "command",
    [("train", "fashion"), ("sample", "RUN"), ("encode", "RUN", "fashion"), ("export", "RUN"), ("evaluate", "RUN"),
     ("compare", "fashion")],
)  # fmt: skip
@pytest.mark.parametrize("out", [("--out", ""), ("--out=",)])
def test_an_empty_out(command: tuple[str, ...], out: tuple[str, ...], trained: Path, aegan_cli: Cli) -> None:
    """A variable of the shell that is not set; as a path it is the working folder."""
    aegan_cli(*(trained if each == "RUN" else each for each in command), *out).refused("--out is empty")


def test_an_empty_out_in_python(points: Path) -> None:
    with pytest.raises(UserError, match="empty"):
        aegan.fit(points, out="", steps=2, progress=False)


def test_out_is_a_file(points: Path, out: Path, aegan_cli: Cli) -> None:
    out.write_text("precious")
    aegan_cli("train", points, *QUICK, "--out", out).refused("is a file")
    aegan_cli("train", points, *QUICK, "--out", out / "below").refused(str(out))
    aegan_cli("train", "--resume", "--out", out).refused(str(out))
    assert out.read_text() == "precious"


def test_samples_into_a_folder_that_is_not_empty(trained: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any) -> None:
    target = tmp_path / "pictures"
    target.mkdir()
    (target / "0.png").write_text("precious")
    aegan_cli("sample", trained, "--n", 2, "--out", target).refused("not an empty folder")
    assert files_of(target) == {"0.png": b"precious"}
    (tmp_path / "a.png").mkdir()
    aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / "a.png").refused("a.png")
    (tmp_path / "file").write_text("precious")
    aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / "file" / "x.npz").refused("file")


def refuse(code: int, only: str = "") -> Callable[..., Any]:
    """An `os.replace` that fails for targets whose path holds `only`."""
    real = os.replace

    def replace(source: Any, target: Any, **how: Any) -> None:
        if only in str(target):
            raise OSError(code, os.strerror(code), str(target))
        real(source, target, **how)

    return replace


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission")])
def test_a_folder_that_takes_nothing(
    code: int, words: str, points: Path, trained: Path, out: Path, tmp_path: Path, aegan_cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("replace", "rename"):  # by which files, and whole folders, get their names
        monkeypatch.setattr(os, name, refuse(code, str(tmp_path)))
    aegan_cli("train", points, *QUICK, "--out", out).refused(words, str(out))
    assert [p for p in out.rglob("*") if p.is_file()] == [], "nothing is half written"
    for name in ("x.npz", "x.png", "many"):
        aegan_cli("sample", trained, "--n", 2, "--out", tmp_path / name).refused(words, name)
        assert not (tmp_path / name).is_file()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() == 0,
    reason="needs a user other than root, who may write everywhere: run the tests as one",
)
def test_no_permission(points: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    aegan_cli("train", points, *QUICK, "--out", locked / "run").refused("No permission")
    assert list(locked.iterdir()) == []


def test_the_disk_fills_up_during_the_run(
    points: Path, out: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before is whole, and the run goes on from there once there is space."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse(errno.ENOSPC, "step-000000003"))
        said = aegan_cli("train", points, *QUICK, "--out", out, "--checkpoint-every", 0.000001)
        assert said.code == 2 and "disk is full" in said.err and "--resume" in said.err and "Traceback" not in said.err
    found = sorted(p.name for p in (out / "checkpoints").glob("step-*"))
    assert found == ["step-000000001.safetensors", "step-000000002.safetensors"]
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0
    assert aegan_cli("sample", out, "--n", 2, "--out", out / "x.npz").code == 0


def test_the_disk_is_full_for_the_first_checkpoint(
    points: Path, out: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--resume is what the message says, so it must work though there is nothing to go on from."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse(errno.ENOSPC, "step-000000000"))
        said = aegan_cli("train", points, *QUICK, "--out", out)
        assert said.code == 2 and "disk is full" in said.err and "--resume" in said.err
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0
    assert aegan_cli("sample", out, "--n", 2, "--out", out / "x.npz").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full: run the tests on Linux")
def test_the_disk_is_full_for_the_log(points: Path, out: Path, aegan_cli: Cli) -> None:
    out.mkdir()
    (out / "log.jsonl").symlink_to("/dev/full")
    said = aegan_cli("train", points, *QUICK, "--out", out)
    assert said.code == 2 and "Traceback" not in said.err
    assert "full" in said.err.lower() or "No space" in said.err


# --- what a run left --------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(points: Path, out: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped at step 4, with checkpoints at 3 and 4."""
    import signal

    from aegan.data.loader import Loader

    real, left = Loader.next, [4]

    def counted(self: Loader) -> Any:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loader, "next", counted)
        assert aegan_cli("train", points, *QUICK, "--out", out, "--checkpoint-every", 0.000001).code == 143
    assert sorted(p.stem[-1] for p in (out / "checkpoints").glob("step-*")) == ["3", "4"]
    return out


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 4
    path.write_bytes(raw)


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_checkpoint(damage: Callable[[Path], None], stopped: Path, aegan_cli: Cli) -> None:
    damage(stopped / "checkpoints" / "step-000000004.safetensors")
    said = aegan_cli("train", "--resume", "--out", stopped, "--no-evaluate")
    assert said.code == 0
    assert "step-000000004.safetensors is damaged" in said.err and "checkpoint before it" in said.err
    start = [line for line in read_log(stopped / "log.jsonl") if "terms" in line]
    assert start[-1]["step"] == 6


def test_all_checkpoints_damaged(stopped: Path, aegan_cli: Cli, files_of: Any) -> None:
    for path in (stopped / "checkpoints").iterdir():
        cut(path)
    before = files_of(stopped)
    aegan_cli("train", "--resume", "--out", stopped).refused("No whole checkpoint is left", "--out")
    assert files_of(stopped) == before


def test_no_checkpoint(stopped: Path, aegan_cli: Cli) -> None:
    shutil.rmtree(stopped / "checkpoints")
    aegan_cli("train", "--resume", "--out", stopped).refused("holds no checkpoint", "--out")


def newer(path: Path) -> None:
    """Rewrites one of our safetensors files as if by a version to come."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["aegan"])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"aegan": json.dumps({**header, "format": 99})})


def test_newer_versions(stopped: Path, trained_copy: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any) -> None:
    newer(stopped / "checkpoints" / "step-000000004.safetensors")
    before = files_of(stopped)
    aegan_cli("train", "--resume", "--out", stopped).refused("format 99, newer", "pip install --upgrade aegan")
    assert files_of(stopped) == before
    config = stopped / "config.yaml"
    config.write_text(config.read_text().replace("format: 1\n", "format: 99\n"))
    aegan_cli("train", "--resume", "--out", stopped).refused("format 99, newer", "upgrade")
    aegan_cli("train", "--config", config, "--out", tmp_path / "new").refused("format 99, newer", "upgrade")
    model = trained_copy / "model"
    newer(model / "model.safetensors")
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused("format 99, newer", "upgrade")
    (model / "config.json").write_text((model / "config.json").read_text().replace('"format": 1', '"format": 99'))
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused("format 99, by aegan", "newer", "upgrade")
    assert not (tmp_path / "x.npz").exists() and not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", ["", "- 1\n", "run: [\n", "\0\0\0", "options: {}\n"])
def test_a_damaged_config(content: str, stopped: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any) -> None:
    (stopped / "config.yaml").write_text(content)
    before = files_of(stopped)
    aegan_cli("train", "--resume", "--out", stopped).refused("config.yaml is damaged")
    aegan_cli("train", "--config", stopped / "config.yaml", "--out", tmp_path / "new").refused("config.yaml is damaged")
    aegan_cli("evaluate", stopped).refused("config.yaml")
    assert files_of(stopped) == before and not (tmp_path / "new").exists()


def test_no_config(tmp_path: Path, aegan_cli: Cli) -> None:
    (tmp_path / "folder").mkdir()
    nowhere = tmp_path / "nowhere"
    aegan_cli("train", "--config", tmp_path / "none.yaml", "--out", nowhere).refused("none.yaml")
    for path in (tmp_path / "folder", nowhere):
        for command in ("sample", "evaluate", "report"):
            aegan_cli(command, path).refused(path.name)
        aegan_cli("train", "--resume", "--out", path).refused(path.name)
    assert not nowhere.exists() and list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", [cut, Path.unlink, flip])
def test_a_damaged_model(
    name: str, damage: Callable[[Path], None], trained_copy: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    damage(trained_copy / "model" / name)
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused(name)
    assert not (tmp_path / "x.npz").exists()


def test_a_run_without_a_model_yet(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    shutil.rmtree(trained_copy / "model")
    aegan_cli("sample", trained_copy, "--out", tmp_path / "x.npz").refused("no model yet", "--resume")


def test_the_data_has_changed(points: Path, tmp_path: Path, out: Path, aegan_cli: Cli, files_of: Any) -> None:
    source = Path(shutil.copy(points, tmp_path / "mine.npy"))
    assert aegan_cli("train", source, *QUICK, "--out", out).code == 0
    np.save(source, np.load(source) + 1)
    before = files_of(out)
    aegan_cli("train", "--resume", "--out", out).refused("not what this run was trained on")
    assert files_of(out) == before
    source.unlink()
    aegan_cli("train", "--resume", "--out", out).refused("mine.npy")
    assert files_of(out) == before


def test_training_that_diverges(points: Path, out: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.strategies import Loss
    from aegan.strategies.autoencoder import Autoencoder

    def broken(self: Any, nets: Any, batch: Any, clock: Any) -> Loss:
        return Loss({"L": nets["G"](nets["E"](batch.x)).sum() * float("nan")})

    monkeypatch.setattr(Autoencoder, "compress", broken)
    said = aegan_cli("train", points, *QUICK, "--out", out, "--steps", 100)
    assert said.code == 2 and "Traceback" not in said.err
    last = said.err.strip().splitlines()[-2:]
    assert last[0].startswith("Error: Training diverged 4 times in stage 'compress'") and "Lower the rates" in last[1]
    assert said.err.count("with rates ×") == 3
    assert [line["action"] for line in read_log(out / "log.jsonl") if line.get("event") == "guard"] == [
        "rollback"
    ] * 3 + ["stop"]
    assert torch.get_default_dtype() == torch.float32
