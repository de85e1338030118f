"""Options that have been renamed or removed, defaults that have changed, formats that have followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import aegan
from aegan import bundle, migrate
from aegan.bundle import read_bundle, write_bundle
from aegan.errors import UserError
from aegan.runs.settings import RunSettings


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `width` had been called `channels`, `dropout` had been removed, and `blocks` were new."""
    monkeypatch.setattr(migrate, "OPTIONS", {"autoencoder": {"channels": "width", "dropout": None}})
    monkeypatch.setattr(migrate, "STRATEGIES", {"ae": "autoencoder"})
    monkeypatch.setattr(migrate, "BEFORE", {"autoencoder": {"blocks": 1}})


@pytest.fixture
def old(vector_run: Path, tmp_path: Path) -> Path:
    """The vector run's model as an older version would have written it."""
    tensors, config = read_bundle(vector_run / "model")
    options = {**config["options"], "dropout": 0.1}
    options["channels"] = options.pop("width")
    del options["blocks"]
    write_bundle(tmp_path / "old", tensors, {**config, "strategy": "ae", "options": options, "aegan": "0.0.9"})
    return tmp_path / "old"


def test_a_model_of_old_options(tables: None, old: Path, vector_run: Path) -> None:
    then, now = aegan.load(old, "cpu"), aegan.load(vector_run, "cpu")
    assert then.strategy == now.strategy
    assert np.array_equal(then.sample(5), now.sample(5))


def test_a_run_of_old_options(tables: None, vector_run: Path, tmp_path: Path) -> None:
    content = yaml.safe_load((vector_run / "config.yaml").read_text())
    content["options"]["channels"] = content["options"].pop("width")
    content["run"]["strategy"], content["aegan"] = "ae", "0.0.9"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    then, now = RunSettings.read(tmp_path / "config.yaml"), RunSettings.read(vector_run / "config.yaml")
    assert then.strategy() == now.strategy() and then.run.strategy == "autoencoder"


def test_a_value_of_the_file_goes_before_the_old_default(tables: None) -> None:
    assert migrate.migrated_options("ae", {"blocks": 3}, "x") == ("autoencoder", {"blocks": 3})


def test_an_option_of_a_later_version(vector_run: Path, tmp_path: Path) -> None:
    tensors, config = read_bundle(vector_run / "model")
    write_bundle(tmp_path / "m", tensors, {**config, "options": {**config["options"], "swirl": 1}, "aegan": "99.0"})
    with pytest.raises(UserError, match=r"written by aegan 99\.0, with options .* does not know: swirl") as error:
        aegan.load(tmp_path / "m")
    assert "Update" in str(error.value)


def test_an_option_that_never_was(vector_run: Path, tmp_path: Path) -> None:
    """Of this very version: a mistake, not a migration; the nearest is named."""
    tensors, config = read_bundle(vector_run / "model")
    write_bundle(tmp_path / "m", tensors, {**config, "options": {**config["options"], "widht": 1}})
    with pytest.raises(UserError, match="Did you mean 'width'"):
        aegan.load(tmp_path / "m")


def test_formats_follow_each_other(old: Path, vector_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if format 3 had come: every step runs once, in order, on weights and configuration."""
    seen: list[int] = []

    def second(tensors: dict[str, Any], config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        seen.append(1)
        return tensors, {**config, "strategy": "autoencoder"}

    def third(tensors: dict[str, Any], config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        seen.append(2)
        assert config["strategy"] == "autoencoder" and config["format"] == 2
        options = {k: v for k, v in config["options"].items() if k not in ("channels", "dropout")}
        return {f"{k}": v for k, v in tensors.items()}, {**config, "options": {**options, "width": 8}}

    monkeypatch.setattr(bundle, "FORMAT", 3)
    monkeypatch.setattr(migrate, "STEPS", {1: second, 2: third})
    model = aegan.load(old, "cpu")
    assert seen == [1, 2]
    assert np.array_equal(model.sample(5), aegan.load(vector_run, "cpu").sample(5))
    assert json.loads((old / "config.json").read_text())["format"] == 1, "the file stays as it is"


def test_every_table_speaks_of_what_exists() -> None:
    from aegan.strategies import strategies, strategy

    assert not set(migrate.STRATEGIES) & set(strategies()), "an old name was given to another strategy"
    assert set(migrate.STRATEGIES.values()) <= set(strategies())
    for name, renamed in migrate.OPTIONS.items():
        fields = set(strategy(name).__dataclass_fields__)
        assert not set(renamed) & fields and {new for new in renamed.values() if new} <= fields
    for name, before in migrate.BEFORE.items():
        assert set(before) <= set(strategy(name).__dataclass_fields__)
    assert sorted(migrate.STEPS) == list(range(1, bundle.FORMAT))
