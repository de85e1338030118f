"""A model as two files: whole, of one run, of a version that is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aegan.errors import UserError
from aegan.hub import read_bundle, write_bundle

TENSORS = {"G/weight": torch.arange(4.0)}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "model", TENSORS, {"strategy": "gan", "notes": {"k": [1, "ä"]}})
    return tmp_path / "model"


def test_there_and_back(bundle: Path) -> None:
    tensors, config = read_bundle(bundle)
    assert torch.equal(tensors["G/weight"], TENSORS["G/weight"])
    assert config == {"format": 1, "strategy": "gan", "notes": {"k": [1, "ä"]}}
    assert sorted(p.name for p in bundle.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((bundle / "config.json").read_text())["strategy"] == "gan"


def test_numbers_that_json_lacks_become_words(tmp_path: Path) -> None:
    write_bundle(tmp_path, TENSORS, {"notes": {"a": float("nan"), "b": [float("inf")]}})
    assert "NaN" not in (tmp_path / "config.json").read_text()
    assert read_bundle(tmp_path)[1]["notes"] == {"a": "nan", "b": ["inf"]}


def test_other_programs_can_read_the_weights(bundle: Path) -> None:
    from safetensors.torch import load_file

    assert torch.equal(load_file(bundle / "model.safetensors")["G/weight"], TENSORS["G/weight"])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(UserError, match=name):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, -3])
def test_a_cut_file_is_named(bundle: Path, name: str, keep: float) -> None:
    raw = (bundle / name).read_bytes()
    (bundle / name).write_bytes(raw[: int(keep * len(raw)) if isinstance(keep, float) else keep])
    with pytest.raises(UserError, match=name):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "3",
        '{"format": "x"}',
        '{"format": null}',
        '{"format": Infinity}',
        '{"format": -1}',
        "{}",
        "\x00",
        "nonsense",
    ],
)
def test_a_config_that_is_none(bundle: Path, content: str) -> None:
    (bundle / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        read_bundle(bundle)


def test_a_newer_format(bundle: Path) -> None:
    path = bundle / "config.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(UserError, match="format 2, newer than this aegan knows"):
        read_bundle(bundle)


def test_a_newer_format_says_what_wrote_it(tmp_path: Path) -> None:
    write_bundle(tmp_path, TENSORS, {"aegan": "9.1", "format": 2})
    with pytest.raises(UserError, match=r"format 2, by aegan 9\.1, newer than"):
        read_bundle(tmp_path)


def test_files_of_two_runs(bundle: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "other", TENSORS, {"strategy": "vae"})
    shutil.copy(tmp_path / "other" / "config.json", bundle)
    with pytest.raises(UserError, match="does not belong to"):
        read_bundle(bundle)


def test_networks_of_another_version(trained: Path, tmp_path: Path) -> None:
    import aegan

    tensors, config = read_bundle(trained / "model")
    config["options"]["width"] = 24
    write_bundle(tmp_path / "model", tensors, config)
    with pytest.raises(UserError, match="whose networks are not those of") as error:
        aegan.load(tmp_path / "model")
    assert len(str(error.value).splitlines()) == 2


def test_a_strategy_that_is_not_there(trained: Path, tmp_path: Path) -> None:
    import aegan

    tensors, config = read_bundle(trained / "model")
    write_bundle(tmp_path / "model", tensors, {**config, "strategy": "latnet"})
    with pytest.raises(UserError, match="Did you mean 'latent'"):
        aegan.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("options", [1]), ("options", None), ("notes", ...), ("notes", 3), ("mean", "x"), ("scale", ...), ("own", None),
        ("spec", []), ("shape", [3, "x", 16]), ("shape", [3, 16]), ("shape", [3, -16, 16]), ("classes", 3), ("count", None),
        ("background", ["x", 0, 0]), ("depth", [1]),
    ],
    ids=str,
)  # fmt: skip
def test_a_config_of_nonsense(vector_run: Path, tmp_path: Path, key: str, value: Any) -> None:
    """Both files say the same, and yet no model."""
    import aegan

    tensors, config = read_bundle(vector_run / "model")
    within = config if key in config else config["spec"]
    if value is ...:
        del within[key]
    else:
        within[key] = value
    write_bundle(tmp_path / "model", tensors, config)
    with pytest.raises(UserError, match=r"config\.json is damaged: it describes no model"):
        aegan.load(tmp_path / "model")


def test_nothing_is_unpickled(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    def refuse(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        raise AssertionError("pickle")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    read_bundle(bundle)
