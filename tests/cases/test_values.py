"""Numbers that cannot be, in every option of every command; batches larger than the data; devices that are not there."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aegan
from aegan.cli.main import COMMANDS
from aegan.errors import UserError

Cli = Callable[..., Any]

NEVER = ["nan", "inf", "-inf", "-1", "1e99", "many"]
ZERO = {"--seed", "--port", "--tune"}  # may be 0


def numeric() -> Iterator[tuple[str, str]]:
    """Every option that takes a number: its command and its name."""
    for command in COMMANDS:
        module = importlib.import_module(f"aegan.cli.{command.replace('-', '_')}")
        for name, parameter in inspect.signature(module.command, eval_str=True).parameters.items():
            kind, *marks = typing.get_args(parameter.annotation) or (parameter.annotation,)
            kinds = {kind, *typing.get_args(kind)}
            if kinds & {int, float} and bool not in kinds:
                flags = [d for mark in marks for d in getattr(mark, "param_decls", None) or ()]
                yield command, next(iter(flags), "--" + name.replace("_", "-"))


OPTIONS = sorted(set(numeric()))


@pytest.fixture
def arguments(trained: Path, folder: Path, tmp_path: Path) -> Callable[[str], list[object]]:
    """What a command needs beside the option that is tried; it would write below `out`."""

    def of(command: str) -> list[object]:
        image = next(folder.rglob("*.png"))
        out = tmp_path / "out"
        needs: dict[str, list[object]] = {
            "train": [folder, "--out", out],
            "check": [folder],
            "sample": [trained, "--out", out],
            "interpolate": [trained, "--out", out],
            "reconstruct": [trained, folder, "--out", out],
            "encode": [trained, folder, "--out", out / "codes.npz"],
            "similar": [trained, image, folder],
            "score": [trained, folder],
            "evaluate": [folder, "--against", folder, "--extractor", "pixels"],
            "compare": [folder, "--out", out],
            "benchmark": ["ring", "--out", out],
            "compress": [trained, folder, "--out", out / "x.aeg"],
            "rate-distortion": [trained, "--out", out],
            "serve": [trained],
            "watch": [trained],
        }
        return needs.get(command, [])

    return of


def test_there_are_options_to_try() -> None:
    assert {("train", "--steps"), ("sample", "--n"), ("sample", "--truncation"), ("evaluate", "--count")} <= set(
        OPTIONS
    )
    assert {("interpolate", "--fps"), ("serve", "--port"), ("train", "--checkpoint-every")} <= set(OPTIONS)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_numbers_that_cannot_be(
    command: str, option: str, arguments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    budget: list[str] = ["--steps=1"] if command == "compare" and option not in ("--minutes", "--steps") else []
    for value in NEVER if option in ZERO else [*NEVER, "0"]:
        said = aegan_cli(command, *arguments(command), *budget, f"{option}={value}")
        said.refused()
        word = option.removeprefix("--").replace("-", " ").split()[0]
        assert word in said.err.lower(), (value, said.err)
        assert not list(tmp_path.iterdir()), f"{value} left something behind"


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "tpu", "meta", ""])
def test_devices_that_are_not_there(device: str, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    for line in (
        ["sample", trained, "--out", tmp_path / "x.npz"],
        ["train", "ring", "--steps", 1, "--no-evaluate", "--out", tmp_path / "run"],
    ):
        aegan_cli(*line, f"--device={device}").refused("Device", "--device cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["train", "--stepz", "3"], ["--stepz", "aegan train --help"]),
        (["trian"], ["trian", "aegan --help"]),
        (["sample"], ["RUN", "aegan sample --help"]),
        (["train", "x", "--precision", "fp8"], ["fp8", "bf16"]),
        (["sample", "x", "y"], ["y"]),
        (["sample", "x", "--n"], ["--n"]),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(line: list[str], words: list[str], aegan_cli: Cli) -> None:
    aegan_cli(*line).refused(*words)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fourteen() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (14, 16, 16, 3), dtype=np.uint8)


def test_a_batch_is_no_larger_than_the_data(
    fourteen: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No example comes twice in a batch, and the line says so once."""
    from aegan.data.loader import Loader

    drawn: list[np.ndarray] = []
    real = Loader.next

    def watched(self: Loader) -> Any:
        batch = real(self)
        drawn.append(batch.index)
        return batch

    monkeypatch.setattr(Loader, "next", watched)
    run = aegan.fit(fourteen, strategy="gan", steps=3, batch_size=4096, size=16, out=tmp_path / "run", device="cpu")
    assert len(drawn) >= 3 and all(len(index) == len(set(index.tolist())) <= 14 for index in drawn)
    said = [line for line in capfd.readouterr().err.splitlines() if "not 4,096" in line]
    assert run.config.run.batch_size == run.config.options["batch_size"] < 14, "config.yaml holds what was used"
    assert len(said) == 1 and f"batch   {run.config.options['batch_size']} examples" in said[0]


def test_a_batch_that_fits_stays(fourteen: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = aegan.fit(
        fourteen, strategy="autoencoder", steps=2, batch_size=5, size=16, out=tmp_path / "run", device="cpu"
    )
    assert run.config.options["batch_size"] == 5 and "batch  " not in capfd.readouterr().err


def test_packs_stay_whole(fourteen: np.ndarray, tmp_path: Path) -> None:
    run = aegan.fit(
        fourteen, strategy="gan", steps=2, size=16, out=tmp_path / "run", device="cpu", progress=False,
        options={"pack": 4, "batch_size": 64},
    )  # fmt: skip
    assert run.config.options["batch_size"] in (8, 12)


def test_values_in_python(make_shapes: Any, tmp_path: Path) -> None:
    images, _ = make_shapes(20)
    for how in ({"minutes": float("nan")}, {"steps": -3}, {"seed": -1}, {"batch_size": 0}, {"seed": 1.5}):
        with pytest.raises(UserError):
            aegan.fit(images, out=tmp_path / "run", progress=False, **{"steps": None, **how})
    assert not (tmp_path / "run" / "config.yaml").exists()
