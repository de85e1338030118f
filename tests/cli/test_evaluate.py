"""`aegan evaluate` and `aegan report`: results on the screen and in files, mistakes in two lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aegan

Cli = Callable[..., Any]
QUICK = ["--extractor", "pixels", "--metrics", "fd,kd"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, make_shapes: Any) -> Path:
    path = tmp_path_factory.mktemp("real") / "real.npz"
    np.savez(path, images=make_shapes(900, seed=1)[0])
    return path


def test_a_folder_of_any_origin(folder: Path, real: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any) -> None:
    before = files_of(folder)
    said = aegan_cli("evaluate", folder, "--against", real, *QUICK, "--json", tmp_path / "a.json")
    assert said.code == 0, said.err
    assert "Fréchet distance of samples" in said.out and "[" in said.out and "baseline" in said.out
    result = json.loads((tmp_path / "a.json").read_text())
    assert set(result["figures"]) == {"fd", "kd"} and result["figures"]["fd"]["standard_error"] > 0
    assert files_of(folder) == before, "nothing is written beside the images"
    again = aegan_cli("evaluate", folder, "--against", real, *QUICK, "--json", tmp_path / "b.json")
    assert again.code == 0
    said = aegan_cli("report", tmp_path / "a.json", tmp_path / "b.json")
    assert said.code == 0 and "overlap" in said.out
    aegan_cli("evaluate", folder, "--against", real, *QUICK, "--count", 64, "--json", tmp_path / "b.json")
    aegan_cli("report", tmp_path / "a.json", tmp_path / "b.json").refused("number of samples")


def test_a_model_folder(trained: Path, real: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("evaluate", trained / "model", "--against", real, *QUICK, "--count", 64)
    assert said.code == 0 and "64 samples against" in said.out, said.err
    aegan_cli("evaluate", trained / "model", *QUICK).refused("--against")


def test_a_run_against_other_data_keeps_its_own_result(
    trained: Path, real: Path, aegan_cli: Cli, files_of: Any
) -> None:
    before = files_of(trained)
    said = aegan_cli("evaluate", trained, "--against", real, *QUICK, "--count", 64)
    assert said.code == 0 and files_of(trained) == before


def test_mistakes(folder: Path, real: Path, trained: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    out = tmp_path / "x.json"
    common = ["--against", real, "--extractor", "pixels", "--json", out]
    aegan_cli("evaluate", folder).refused("not a run", "--against")
    aegan_cli("evaluate", folder, *common, "--metrics", "fid").refused("Did you mean 'fd'")
    aegan_cli("evaluate", folder, *common, "--metrics", "modes").refused("modes of this data are not known")
    aegan_cli("evaluate", folder, *common, "--metrics", "reconstruction").refused("encodes and decodes")
    aegan_cli("evaluate", folder, *common, "--metrics", "fd", "--count", 20).refused("at least 64 samples")
    aegan_cli("evaluate", folder, *common, "--checkpoint", "both").refused("of a run only")
    aegan_cli("evaluate", trained, *common, "--size", 32).refused("not its size")
    aegan_cli("evaluate", folder, "--against", tmp_path / "none").refused("none")
    np.save(tmp_path / "same.npy", np.full((90, 16, 16, 3), 9, np.uint8))
    aegan_cli("evaluate", tmp_path / "same.npy", *common).refused("1 different", "constant")
    (tmp_path / "broken.json").write_text("{")
    aegan_cli("report", tmp_path / "broken.json", tmp_path / "none.json").refused("broken.json is damaged")
    aegan_cli("report", trained, tmp_path / "broken.json").refused("evaluation.json")
    assert not out.exists() and not list(tmp_path.rglob("*.part"))


def test_a_model_whose_weights_are_not_finite(trained_copy: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    model = aegan.load(trained_copy, "cpu")
    for p in model.networks["G"].parameters():
        p.fill_(float("nan"))
    model.save(trained_copy / "model")
    said = aegan_cli("evaluate", trained_copy, *QUICK)
    assert said.code == 2 and "Error: The model's weights are not finite (G)" in said.err, said.err
    assert "Traceback" not in said.err and "--checkpoint best" in said.err
    aegan_cli("sample", trained_copy, "--n", 2, "--out", tmp_path / "a.png").refused("weights are not finite (G)")
    assert not (tmp_path / "a.png").exists()
