"""TensorBoard, W&B (offline) and trackio: the packages themselves, reading back what they wrote; and their failures."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import aegan
from aegan.engine import loggers as base
from aegan.engine.loggers import LOGGERS, Loggers, chosen
from aegan.errors import UserError

CONFIG = {"data": "shapes", "steps": 5, "options": {"components": [1, 2], "lr": 0.001}}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (12, 8), (200, 10, 10)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def said_nothing(text: str) -> None:
    raise AssertionError(text)


def log_a_run(name: str, folder: Path, picture: Path, say: Callable[[str], None] = said_nothing) -> None:
    folder.mkdir(exist_ok=True)
    loggers = Loggers((name,), folder, say)
    loggers.begin(CONFIG, 0)
    for step in (1, 2, 3):
        loggers.scalars(step, {"compress/terms/L1": 1 / step, "compress/rates/AE": 0.5})
    loggers.images(3, "compress/samples", picture)
    loggers.end()


def test_tensorboard(tmp_path: Path, picture: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_a_run("tensorboard", tmp_path / "run", picture)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    found = [(e.step, round(e.value, 4)) for e in events.Scalars("compress/terms/L1")]
    assert found == [(1, 1.0), (2, 0.5), (3, 0.3333)]
    (image,) = events.Images("compress/samples")
    assert (image.step, image.width, image.height) == (3, 12, 8)
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "components" in text and "lr: 0.001" in text


def test_tensorboard_of_a_resumed_run(tmp_path: Path) -> None:
    """What was written behind the checkpoint is taken back."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "run").mkdir()
    for start, values in ((0, {1: 1.0, 2: 2.0, 3: 3.0}), (2, {3: 30.0})):
        loggers = Loggers(("tensorboard",), tmp_path / "run", said_nothing)
        loggers.begin(CONFIG, start)
        for step, value in values.items():
            loggers.scalars(step, {"a": value})
        loggers.end()
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("a")][-1] == (3, 30.0)
    assert len([e for e in events.Scalars("a") if e.step == 3]) == 1


def test_wandb_offline(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    log_a_run("wandb", tmp_path / "run", picture)
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    (record,) = folder.glob("*.wandb")
    patience = time.monotonic() + 30  # its own process may write the last of it after the run was finished
    while b"compress/terms/L1" not in (raw := record.read_bytes()) and time.monotonic() < patience:
        time.sleep(0.1)
    assert b"compress/terms/L1" in raw and b"components" in raw
    (image,) = folder.rglob("*.png")
    assert image.read_bytes() == picture.read_bytes()
    assert record.stem == f"run-{(tmp_path / 'run' / 'wandb' / 'run-id').read_text()}"
    # a second stretch, as of a resumed run, keeps the name
    log_a_run("wandb", tmp_path / "run", picture)
    assert len({p.stem for p in (tmp_path / "run" / "wandb").rglob("*.wandb")}) == 1


def test_trackio(tmp_path: Path, picture: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log_a_run("trackio", tmp_path / "run", picture)
    trackio_folder = Path(os.environ["TRACKIO_DIR"])
    with sqlite3.connect(trackio_folder / "aegan.db") as db:
        rows = db.execute("select step, metrics from metrics where run_name = 'run' order by step, id").fetchall()
        config = db.execute("select config from configs where run_name = 'run'").fetchall()
    db.close()
    assert [step for step, _ in rows] == [1, 2, 3, 3] and '"compress/terms/L1"' in str(rows[0][1])
    assert "components" in str(config)
    assert [p.read_bytes() for p in trackio_folder.rglob("*.png")] == [picture.read_bytes()]
    assert capfd.readouterr().out == "", "it would print into the progress"


# --- the choice -------------------------------------------------------------------------------------------------------


def test_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("wandb, tensorboard,wandb") == ("wandb", "tensorboard")
    assert chosen("none") == ()
    assert chosen("auto") == (), "switched off for the tests"
    monkeypatch.setenv("AEGAN_TENSORBOARD", "auto")
    assert chosen("auto") == ("tensorboard",)
    with pytest.raises(UserError, match="Did you mean 'tensorboard'"):
        chosen("tensorbord")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"aegan\[loggers\]"):
        chosen("wandb")
    monkeypatch.setenv("AEGAN_TENSORBOARD", "auto")
    assert chosen("auto") == (), "what nobody asked for is not missed"


@pytest.mark.parametrize("name", ["tensorbord", "wandb,x"])
def test_a_wrong_name_is_told_before_anything_is_written(
    aegan_cli: Any, points: Path, tmp_path: Path, name: str
) -> None:
    aegan_cli("train", points, "--logger", name, "--steps", 4, "--out", tmp_path / "run").refused("Unknown logger")
    assert not (tmp_path / "run").exists()


# --- in training ------------------------------------------------------------------------------------------------------


class Broken:
    """Works until `step`, then fails at everything."""

    calls: list[tuple[str, int]] = []  # noqa: RUF012  shared on purpose
    step = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _call(self, what: str, step: int) -> None:
        self.calls.append((what, step))
        if step >= self.step:
            raise OSError("the service has gone\nand more")

    def begin(self, config: Mapping[str, Any], step: int) -> None:
        self._call("begin", step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._call("scalars", step)

    def images(self, step: int, name: str, path: Path) -> None:
        self._call("images", step)

    def end(self) -> None:
        self._call("end", 0)


@pytest.mark.parametrize("fails_at", [0, 5, 1000])
def test_a_logger_that_fails_never_stops_training(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, capfd: pytest.CaptureFixture[str]
) -> None:
    import aegan.engine.loggers.tensorboard as board

    monkeypatch.setattr(Broken, "step", fails_at)
    monkeypatch.setattr(Broken, "calls", [])
    monkeypatch.setattr(board, "logger", Broken)

    def fit(out: str, logger: str) -> aegan.Run:
        return aegan.fit(
            points, strategy="autoencoder", out=tmp_path / out, steps=20, device="cpu", logger=logger,
            options={"width": 8, "components": "1"},
        )  # fmt: skip

    run = fit("run", "tensorboard")
    said = capfd.readouterr().err
    told = said.count("The logger tensorboard has failed and is off; training goes on. the service has gone")
    assert told == (0 if fails_at == 1000 else 1), said
    kinds = [what for what, _ in Broken.calls]
    if fails_at == 0:
        assert kinds == ["begin"], "asked once, then never again"
    if fails_at == 5:
        assert kinds.count("scalars") >= 2 and "end" not in kinds and Broken.calls[-1][1] >= 5
    if fails_at == 1000:
        assert kinds[0] == "begin" and kinds[-1] == "end" and {"scalars", "images"} <= set(kinds)
    weights, plain = (r.model.networks["G"].state_dict() for r in (run, fit("plain", "none")))
    assert all(torch.equal(weights[k], plain[k]) for k in weights), "logging changes nothing"


def test_a_logger_that_cannot_even_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setitem(sys.modules, "aegan.engine.loggers.wandb", None)
    loggers = Loggers(("wandb",), tmp_path, said.append)
    loggers.begin(CONFIG, 0)
    assert len(said) == 1 and said[0].startswith("The logger wandb has failed and is off")


def test_every_logger_has_its_module() -> None:
    here = Path(base.__file__).parent
    assert {p.stem for p in here.glob("*.py") if not p.stem.startswith("_")} == set(LOGGERS)


def test_a_run_with_a_logger_keeps_it_in_its_settings(points: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = aegan.fit(
        points, strategy="autoencoder", out=tmp_path / "run", steps=20, device="cpu", logger="tensorboard",
        options={"width": 8, "components": "1"}, progress=False,
    )  # fmt: skip
    assert run.config.run.logger == "tensorboard"
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    tags = events.Tags()
    assert "compress/terms/AE.L1" in tags["scalars"] and "compress/rates/AE" in tags["scalars"]
    logged = {line["step"]: line["terms"]["AE.L1"] for line in run.log if "terms" in line}
    assert {e.step: pytest.approx(e.value, abs=1e-5) for e in events.Scalars("compress/terms/AE.L1")} == logged
    assert tags["images"] == ["compress/samples"]
