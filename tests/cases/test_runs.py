"""Runs that move, whose data moves, that go on after their end, begin from others, and are given their command again."""

from __future__ import annotations

import dataclasses
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file

import aegan
from aegan.config import RunConfig
from aegan.data.loader import Loader
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.runs.folder import Run, run_folder
from aegan.runs.settings import RunSettings
from aegan.training import train

Cli = Callable[..., Any]
QUICK = ("--strategy", "gan", "--steps", 12, "--set", "width=8", "--no-evaluate", "--device", "cpu", "--logger", "none")
PICTURES = (
    "--strategy", "autoencoder", "--steps", 12, "--size", 16, "--batch-size", 32, "--set", "width=8",
    "--set", "components=1,2", "--no-evaluate", "--device", "cpu",
)  # fmt: skip


def weights(run: Path) -> dict[str, np.ndarray]:
    return {k: v.numpy().copy() for k, v in load_file(run / "model" / "model.safetensors").items()}


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


def config(run: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run / "config.yaml").read_text()))


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """SIGTERM while the k-th step from now is computed."""
    left, real = [0], Loader.next

    def counted(self: Loader) -> Any:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGTERM)
        return real(self)

    monkeypatch.setattr(Loader, "next", counted)
    return lambda steps: left.__setitem__(0, steps)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_circle: Any) -> Path:
    """The current folder, with mine.npy in it."""
    place = tmp_path / "here"
    place.mkdir()
    np.save(place / "mine.npy", make_circle(300))
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def ended(here: Path, aegan_cli: Cli) -> Path:
    """here/run, of 12 steps on mine.npy."""
    assert aegan_cli("train", "mine.npy", *QUICK, "--out", "run").code == 0
    return here / "run"


@pytest.fixture
def stopped(here: Path, aegan_cli: Cli, stop_at: Callable[[int], None]) -> Path:
    """here/run, of 12 steps on mine.npy, stopped at the fifth."""
    stop_at(5)
    assert aegan_cli("train", "mine.npy", *QUICK, "--out", "run").code == 143
    return here / "run"


# --- a run or its data that moved -------------------------------------------------------------------------------------


def test_from_another_working_folder(
    stopped: Path, tmp_path: Path, make_circle: Any, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file of the same name lies there: it is not taken for the data."""
    assert aegan_cli("train", "mine.npy", *QUICK, "--out", tmp_path / "straight").code == 0
    other = tmp_path / "other"
    other.mkdir()
    np.save(other / "mine.npy", make_circle(200, seed=5))
    monkeypatch.chdir(other)
    assert aegan_cli("train", "--resume", "--out", "../here/run", "--no-evaluate", "--device", "cpu").code == 0
    assert same(tmp_path / "straight", stopped)
    assert aegan.Run(stopped).data().spec.count + len(aegan.Run(stopped).data().held_out) == 300
    assert aegan_cli("evaluate", stopped, "--count", 20, "--device", "cpu").code == 0
    again = aegan_cli(
        "train", "--config", "../here/run/config.yaml", "--out", "again", "--no-evaluate", "--device", "cpu"
    )
    assert again.code == 0 and "other data" not in again.err
    assert same(tmp_path / "straight", other / "again")


def test_run_and_data_moved_together(
    ended: Path, tmp_path: Path, aegan_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").rename(tmp_path / "there")
    assert aegan_cli("evaluate", "there/run", "--count", 20, "--device", "cpu").code == 0
    assert aegan_cli("train", "--resume", "--out", "there/run", "--no-evaluate", "--device", "cpu").code == 0
    assert config(tmp_path / "there" / "run")["places"]["data"]["absolute"] == str(tmp_path / "there" / "mine.npy")


@pytest.mark.parametrize("form", [("--data", "elsewhere.npy"), ("elsewhere.npy",)])
def test_data_that_moved(
    form: tuple[str, ...], stopped: Path, here: Path, tmp_path: Path, aegan_cli: Cli, files_of: Any
) -> None:
    assert aegan_cli("train", "mine.npy", *QUICK, "--out", tmp_path / "straight").code == 0
    (here / "mine.npy").rename(here / "elsewhere.npy")
    before = files_of(stopped)
    aegan_cli("train", "--resume", "--out", "run").refused(f"there is no {here / 'mine.npy'}", "--data PATH")
    aegan_cli("train", "--resume", "--out", "run", "--data", "nowhere.npy").refused("There is no nowhere.npy")
    assert files_of(stopped) == before
    assert aegan_cli("train", *form, "--resume", "--out", "run", "--no-evaluate", "--device", "cpu").code == 0
    assert same(tmp_path / "straight", stopped)
    assert config(stopped)["run"]["data"] == "elsewhere.npy"
    assert config(stopped)["places"]["data"] == {
        "absolute": str(here / "elsewhere.npy"),
        "relative": "../elsewhere.npy",
    }
    assert aegan_cli("train", "--resume", "--out", "run", "--no-evaluate", "--device", "cpu").code == 0, "it was noted"


def test_data_of_other_content_is_refused(
    stopped: Path, here: Path, make_circle: Any, aegan_cli: Cli, files_of: Any
) -> None:
    np.save(here / "fewer.npy", make_circle(250))
    np.save(here / "others.npy", make_circle(300, seed=9))
    before = files_of(stopped)
    for command in ("train", "--resume", "--out"), ("evaluate",), ("report",):
        said = aegan_cli(*command, "run", "--data", "fewer.npy")
        said.refused("fewer.npy is not the data that this run was trained on: 250 examples, not 300")
        aegan_cli(*command, "run", "--data", "others.npy").refused("300 examples of other content")
    with pytest.raises(aegan.UserError, match="is not the data that this run"):
        aegan.Run(stopped).data(here / "fewer.npy")
    assert files_of(stopped) == before, "nothing half-written"


def test_data_that_was_changed_where_it_lies(
    ended: Path, here: Path, make_circle: Any, aegan_cli: Cli, files_of: Any
) -> None:
    np.save(here / "mine.npy", make_circle(310))
    before = files_of(ended)
    for command in ("train", "--resume", "--steps", 3, "--out"), ("evaluate",):
        aegan_cli(*command, "run").refused("mine.npy has changed: 310 examples, not 300")
    assert files_of(ended) == before


def test_evaluate_and_report_where_the_data_is_now(ended: Path, here: Path, aegan_cli: Cli) -> None:
    (here / "mine.npy").rename(here / "now.npy")
    aegan_cli("evaluate", "run").refused("there is no", "--data PATH")
    said = aegan_cli("evaluate", "run", "--data", "now.npy", "--count", 20, "--device", "cpu")
    assert said.code == 0 and "need not be what the run was trained on" not in said.out
    assert aegan_cli("evaluate", "run", "--count", 20, "--device", "cpu").code == 0, "it was noted"
    (here / "now.npy").rename(here / "later.npy")
    assert aegan_cli("report", "run", "--data", "later.npy").code == 0
    assert config(ended)["run"]["data"] == "later.npy" and "later.npy" in (ended / "report.html").read_text()


def test_data_options_where_they_mean_nothing(ended: Path, trained: Path, aegan_cli: Cli) -> None:
    aegan_cli("evaluate", "mine.npy", "--data", "mine.npy").refused("--against DATA")
    aegan_cli("evaluate", "run", "--against", "mine.npy", "--data", "mine.npy").refused("--against DATA")
    aegan_cli("report", "run", trained, "--data", "mine.npy").refused("--data is for one run")
    aegan_cli("train", "mine.npy", "--data", "other.npy", *QUICK).refused("DATA was given twice")


def test_in_python(ended: Path, here: Path, make_circle: Any, tmp_path: Path) -> None:
    (here / "mine.npy").rename(here / "now.npy")
    run = aegan.Run(ended)
    assert len(run.data(source=here / "now.npy").train) == run.data().spec.count, "what was opened by a source is kept"
    assert len(run.data(source=make_circle(300)).train) == run.data().spec.count, "an array of the same content"
    aegan.fit("now.npy", out="run", resume=True, progress=False, device="cpu")
    assert config(ended)["run"]["data"] == "now.npy"


def test_an_array_of_images_is_given_again(make_shapes: Any, tmp_path: Path, aegan_cli: Cli) -> None:
    images, _ = make_shapes(60, size=24)
    out = tmp_path / "run"
    settings: dict[str, Any] = {"strategy": "autoencoder", "size": 16, "options": {"width": 8}, "device": "cpu"}
    aegan.fit(images, out=out, steps=4, progress=False, **settings)
    aegan_cli("evaluate", out).refused("an array that was given in Python", "--data FILE.npy")
    again = aegan.fit(images, out=out, resume=True, steps=3, progress=False, **settings)
    assert again.model.notes["training"]["steps"] == 7
    np.save(tmp_path / "images.npy", images)
    assert aegan_cli("evaluate", out, "--data", tmp_path / "images.npy", "--count", 20, "--device", "cpu").code == 0


def test_a_folder_of_images_that_was_renamed(folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    """Neither the folder's name nor the times of its files are part of what the data is."""
    shutil.copytree(folder, tmp_path / "photos")
    out = tmp_path / "run"
    assert aegan_cli("train", tmp_path / "photos", *PICTURES, "--out", out).code == 0
    shutil.copytree(tmp_path / "photos", tmp_path / "Bilder é", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "photos")
    said = aegan_cli("train", "--resume", "--steps", 3, "--data", tmp_path / "Bilder é", "--out", out, "--no-evaluate")
    assert said.code == 0, said.err
    assert config(out)["run"]["data"] == str(tmp_path / "Bilder é")


def test_a_run_of_an_older_version(ended: Path, here: Path, make_circle: Any, aegan_cli: Cli) -> None:
    """Its configuration knows neither places nor fingerprint; its checkpoints know what it was trained on."""
    old = config(ended)
    for key in ("data", "places", "extended", "init"):
        del old[key]
    del old["run"]["init"]
    (ended / "config.yaml").write_text(yaml.safe_dump(old, sort_keys=False))
    assert aegan_cli("evaluate", "run", "--count", 20, "--device", "cpu").code == 0
    (here / "mine.npy").rename(here / "now.npy")
    np.save(here / "others.npy", make_circle(300, seed=9))
    aegan_cli("evaluate", "run").refused("there is no mine.npy", "--data PATH")
    aegan_cli("train", "--resume", "--out", "run", "--data", "others.npy").refused("other content")
    assert aegan_cli("train", "--resume", "--out", "run", "--data", "now.npy", "--no-evaluate").code == 0
    assert config(ended)["places"]["data"]["absolute"] == str(here / "now.npy")


def test_networks_of_a_file_are_found_from_another_folder(
    here: Path, aegan_cli: Cli, stop_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layers = "torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)"
    code = f"import torch\ndef build(spec):\n    return {{'D': torch.nn.Sequential({layers})}}\n"
    (here / "nets.py").write_text(code)
    stop_at(5)
    own = ("--set", "pack=1", "--networks", "nets.py:build")
    assert aegan_cli("train", "mine.npy", *QUICK, *own, "--out", "run").code == 143
    monkeypatch.chdir(tmp_path)
    assert aegan_cli("train", "--resume", "--out", "here/run", "--no-evaluate", "--device", "cpu").code == 0


# --- the same command again -------------------------------------------------------------------------------------------


def test_the_same_command_with_resume_behind_it(stopped: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    assert aegan_cli("train", "mine.npy", *QUICK, "--out", tmp_path / "straight").code == 0
    command = ("train", "mine.npy", *QUICK, "--out", "run", "--resume")
    said = aegan_cli(*command)
    assert said.code == 0 and "has ended" not in said.err
    assert same(tmp_path / "straight", stopped)
    said = aegan_cli(*command)  # as a scheduler that starts a job again would
    assert said.code == 0 and "run has ended, after 12 steps" in said.err and "--resume --minutes 3" in said.err
    assert same(tmp_path / "straight", stopped)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--seed", 3), "--seed is 0 in the run, 3 here"),
        (("--batch-size", 16), "--batch-size is 256 in the run, 16 here"),
        (("--strategy", "autoencoder"), "--strategy is gan in the run, autoencoder here"),
        (("--set", "width=32"), "--set width is 8 in the run, 32 here"),
        (("--precision", "bf16", "--guard", "off"), "--precision is auto in the run, bf16 here; --guard is warn in the"),
        (("--no-classes",), "--classes is True in the run, False here"),
        (("--init", "x"), "--init is not set in the run, x here"),
        (("--networks", "a.py:b"), "--networks is not set in the run, a.py:b here"),
        (("--steps", 40), "--steps is 12 in the run, 40 here, and the run has not ended"),
        (("--minutes", 2), "--minutes is not set in the run, 2 here, and the run has not ended"),
        (("--minutes", 0), "--minutes is 0"),
        (("--minutes", "nan"), "--minutes is nan"),
        (("--steps", -1), "--steps is -1"),
        (("--steps", 4, "--minutes", 1), "Both --minutes and --steps"),
        (("--strategy", "gna"), "Unknown strategy 'gna'"),
        (("--set", "widht=8"), "Did you mean 'width'"),
        (("--config", "run/config.yaml"), "--resume and --config"),
        (("--dry-run",), "--dry-run"),
    ],
)  # fmt: skip
def test_other_settings_are_refused_by_name(
    flags: tuple[Any, ...], words: str, stopped: Path, aegan_cli: Cli, files_of: Any
) -> None:
    before = files_of(stopped)
    aegan_cli("train", "--resume", "--out", "run", *flags).refused(words)
    assert files_of(stopped) == before


def test_what_decides_nothing_may_change(stopped: Path, aegan_cli: Cli) -> None:
    flags = ("--checkpoint-every", 7, "--logger", "none", "--no-evaluate", "--device", "cpu", "--set", "augment=auto")
    assert aegan_cli("train", "--resume", "--out", "run", *flags).code == 0
    assert config(stopped)["run"]["checkpoint_every"] == 7


def test_the_same_call_in_python(stopped: Path) -> None:
    settings: dict[str, Any] = {"strategy": "gan", "steps": 12, "options": {"width": 8}, "device": "cpu", "out": "run"}
    with pytest.raises(aegan.UserError, match="--seed is 0 in the run, 5 here"):
        aegan.fit("mine.npy", resume=True, seed=5, **settings)
    run = aegan.fit("mine.npy", resume=True, progress=False, **settings)
    assert run.model.notes["training"]["steps"] == 12


# --- a run that has ended ---------------------------------------------------------------------------------------------


def test_steps_are_added_to_a_run_that_has_ended(ended: Path, here: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    before = weights(ended)
    said = aegan_cli("train", "--resume", "--steps", 9, "--out", "run", "--device", "cpu")
    assert said.code == 0 and "9 steps more, after 12 steps: play-2" in said.err
    after = weights(ended)
    assert any((before[k] != after[k]).any() for k in before)
    assert config(ended)["extended"] == [{"minutes": None, "steps": 9}] and config(ended)["run"]["steps"] == 12
    assert config(ended)["plans"]["play-2"]["knots"] == [[0, 0.0, 9]]
    assert aegan.load("run").notes["training"]["steps"] == 21
    page = (ended / "report.html").read_text()
    assert "extended by 9 steps" in page and "trained for 9 steps more" in page and "is not finished" not in page
    assert read_log(ended / "log.jsonl")[-1]["event"] == "done"
    # and again, by the same command, since it names no data
    assert aegan_cli("train", "--resume", "--steps", 9, "--out", "run", "--no-evaluate", "--device", "cpu").code == 0
    assert aegan.load("run").notes["training"]["steps"] == 30
    # its configuration repeats all of it
    assert (
        aegan_cli("train", "--config", "run/config.yaml", "--out", "again", "--no-evaluate", "--device", "cpu").code
        == 0
    )
    assert same(ended, here / "again")


def test_stopped_in_the_extension(
    ended: Path, here: Path, tmp_path: Path, aegan_cli: Cli, stop_at: Callable[[int], None]
) -> None:
    shutil.copytree(ended, here / "straight")
    more = ("train", "--resume", "--steps", 9, "--no-evaluate", "--device", "cpu", "--out")
    assert aegan_cli(*more, "straight").code == 0
    stop_at(4)
    assert aegan_cli(*more, "run").code == 143
    aegan_cli("train", "--resume", "--steps", 5, "--out", "run").refused("--steps is 9 in the run, 5 here")
    stop_at(2)
    assert aegan_cli(*more, "run").code == 143, "the same command goes on with the same nine"
    assert aegan_cli("train", "--resume", "--no-evaluate", "--device", "cpu", "--out", "run").code == 0
    assert same(here / "straight", ended)
    assert len(config(ended)["extended"]) == 1


def test_minutes_are_added(ended: Path, aegan_cli: Cli) -> None:
    said = aegan_cli("train", "--resume", "--minutes", 0.02, "--out", "run", "--no-evaluate", "--device", "cpu")
    assert said.code == 0 and "0.02 minutes more" in said.err
    assert config(ended)["plans"]["play-2"]["knots"][-1][2] > 1


def test_a_run_that_has_ended_says_what_can_be_done(ended: Path, aegan_cli: Cli) -> None:
    before = weights(ended)
    said = aegan_cli("train", "--resume", "--out", "run", "--no-evaluate", "--device", "cpu")
    assert said.code == 0
    assert "run has ended, after 12 steps" in said.err and "aegan train --resume --minutes 3 --out run" in said.err
    assert all(np.array_equal(before[k], v) for k, v in weights(ended).items())


# --- from the weights of another --------------------------------------------------------------------------------------


@pytest.fixture
def compressed(tmp_path: Path, folder: Path, aegan_cli: Cli) -> Path:
    """A run of `autoencoder` on 16×16."""
    out = tmp_path / "compressed"
    assert aegan_cli("train", folder, *PICTURES, "--out", out).code == 0
    return out


def test_latent_begins_with_an_autoencoder(compressed: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    flags = (
        "--steps",
        4,
        "--size",
        16,
        "--set",
        "width=8",
        "--set",
        "critic_width=8",
        "--no-evaluate",
        "--device",
        "cpu",
    )
    out = tmp_path / "run"
    said = aegan_cli("train", folder, *flags, "--init", compressed, "--out", out)
    assert said.code == 0, said.err
    assert "('autoencoder') taken: E (12 tensors), G (14 tensors)" in said.err
    assert "begun anew: P, f, C, D" in said.err and "its classes" not in said.err
    (line,) = [line for line in read_log(out / "log.jsonl") if line.get("event") == "init"]
    assert len(line["taken"]["E"]) == 12 and line["source"] == str(compressed)
    found = config(out)
    assert found["run"]["init"] == str(compressed)
    assert found["init"]["strategy"] == "autoencoder" and found["init"]["hash"] == line["hash"]
    assert "taken: E (12 tensors)" in (aegan_cli("report", out) and (out / "report.html").read_text())
    # repeated: the same weights to begin with, the same at the end
    again = ("train", "--config", out / "config.yaml", "--no-evaluate", "--device", "cpu", "--out")
    assert aegan_cli(*again, tmp_path / "again").code == 0
    assert same(out, tmp_path / "again")
    shutil.rmtree(compressed)
    aegan_cli(*again, tmp_path / "third").refused("--init", "there is no such run or model")
    assert not (tmp_path / "third").exists()


def test_the_weights_are_those_of_the_other(compressed: Path, folder: Path, tmp_path: Path) -> None:
    """With rates of nothing they stay as they came, whether named by path, by the model's folder, or as a model."""
    theirs = weights(compressed)
    ways: list[str | Path | aegan.Model] = [compressed, str(compressed / "model"), aegan.load(compressed)]
    for i, init in enumerate(ways):
        run = aegan.fit(
            folder, strategy="autoencoder", out=tmp_path / str(i), steps=2, size=16, init=init, device="cpu",
            options={"width": 8, "lr": 1e-12, "weight_decay": 0.0}, progress=False,
        )  # fmt: skip
        mine = weights(run.path)
        assert all(np.allclose(theirs[k], mine[k], atol=1e-8) for k in theirs if k[:2] in ("E/", "G/"))
        assert run.config.init["hash"] == aegan.Run(tmp_path / "0").config.init["hash"]
    aegan.fit(folder, out=tmp_path / "2", resume=True, progress=False, device="cpu")
    settings = RunSettings.read(tmp_path / "2" / "config.yaml")
    again = dataclasses.replace(settings.run, out=str(tmp_path / "3"))
    with pytest.raises(aegan.UserError, match="given in Python"):
        train(again, {}, repeat=settings)


def test_what_fits_in_part_and_other_classes(
    compressed: Path, make_shapes: Any, tmp_path: Path, aegan_cli: Cli
) -> None:
    images, labels = make_shapes(80, size=32)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / "signs" / ("round", "edged")[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    said = aegan_cli(
        "train", tmp_path / "signs", "--strategy", "autoencoder", "--steps", 2, "--size", 32, "--set", "width=8",
        "--no-evaluate", "--device", "cpu", "--init", compressed, "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "E in part (" in said.err and "G in part (" in said.err
    assert "it was trained on 16×16, colour, this run is on 32×32, colour" in said.err
    assert "its classes are disc, square; here edged, round" in said.err
    (line,) = [line for line in read_log(tmp_path / "run" / "log.jsonl") if line.get("event") == "init"]
    assert line["fresh"]["E"] and line["taken"]["E"] and not set(line["fresh"]["E"]) & set(line["taken"]["E"])


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("nowhere", "there is no such run or model"),
        ("mine.npy", "neither a run nor a model"),
        (".", "neither a run nor a model"),
        ("run", "nothing of it fits 'autoencoder' at vectors of 2"),
    ],
)
def test_what_nothing_can_begin_with(init: str, words: str, ended: Path, here: Path, aegan_cli: Cli) -> None:
    common = ("train", "mine.npy", "--strategy", "autoencoder", "--steps", 2, "--set", "width=16", "--no-evaluate")
    aegan_cli(*common, "--init", init, "--out", "new").refused("--init", words)
    assert not (here / "new").exists()


def test_a_damaged_model_to_begin_with(compressed: Path, folder: Path, tmp_path: Path, aegan_cli: Cli) -> None:
    model = compressed / "model" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-7])
    aegan_cli("train", folder, *PICTURES, "--init", compressed, "--out", tmp_path / "new").refused("is damaged")
    shutil.rmtree(compressed / "model")
    aegan_cli("train", folder, *PICTURES, "--init", compressed, "--out", tmp_path / "new").refused("has no model yet")
    assert not (tmp_path / "new").exists()


def test_an_init_that_changed_before_the_first_checkpoint(
    compressed: Path, folder: Path, tmp_path: Path, aegan_cli: Cli
) -> None:
    """A run that was stopped before its first checkpoint begins again, with the same weights or not at all."""
    out = tmp_path / "run"
    assert aegan_cli("train", folder, *PICTURES, "--init", compressed, "--out", out).code == 0
    straight = weights(out)
    for name in ("checkpoints", "log.jsonl", "model", "samples"):
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = ("train", "--resume", "--out", out, "--no-evaluate", "--device", "cpu")
    assert aegan_cli(*again).code == 0
    assert all(np.array_equal(straight[k], v) for k, v in weights(out).items())
    shutil.rmtree(out / "checkpoints")
    (out / "log.jsonl").unlink()
    assert (
        aegan_cli("train", "--resume", "--steps", 3, "--out", compressed, "--no-evaluate", "--device", "cpu").code == 0
    )
    aegan_cli(*again).refused("no longer has the weights that this run began with")


def test_dry_run_tells_what_would_be_taken(compressed: Path, folder: Path, aegan_cli: Cli, tmp_path: Path) -> None:
    said = aegan_cli("train", folder, *PICTURES, "--init", compressed, "--dry-run", "--out", tmp_path / "new")
    assert said.code == 0 and "taken: E (12 tensors), G (14 tensors)" in " ".join(said.out.split())  # lines may wrap
    assert not (tmp_path / "new").exists()


# --- runs without --out, and runs that an error ended at once ---------------------------------------------------------


def test_runs_without_a_name_that_begin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(data="photos", strategy="gan")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: run_folder(config), range(8)))
    assert sorted(map(str, found)) == sorted(["runs/photos-gan", *(f"runs/photos-gan-{i}" for i in range(2, 9))])


def test_a_run_without_a_name_that_is_refused_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aegan_cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    aegan_cli("train", "photos", "--steps", 2).refused("photos")
    assert not list(tmp_path.glob("runs/*"))


def test_an_error_before_the_first_checkpoint_does_not_hinder_a_second_try(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("unexpected")

    out = tmp_path / "run"
    how: dict[str, Any] = {"strategy": "gan", "device": "cpu", "evaluate": False, "progress": False}
    with monkeypatch.context() as patch:
        patch.setattr("aegan.engine.saving.Saving.save", broken)
        with pytest.raises(KeyError):
            aegan.fit(points, out=out, steps=2, **how)
    aegan.fit(points, out=out, steps=3, **how)
    assert Run(out).config.run.steps == 3
    lines = [line for line in read_log(out / "log.jsonl") if line.get("event") == "start"]
    assert len(lines) == 1, "the log is of the second try alone"
    with pytest.raises(UserError, match="already holds a run"):
        aegan.fit(points, out=out, steps=3, **how)
