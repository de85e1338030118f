"""Comparisons that are really run: outcome, failures, stopping and going on, what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aegan.comparison import Results, Trial, compare, comparing, worker
from aegan.comparison.settings import Settings, keep, order, sampling
from aegan.comparison.trials import Job, check_conditions, run_jobs
from aegan.config import RunConfig
from aegan.data import open_data
from aegan.errors import UserError
from aegan.runs.settings import resolve
from aegan.strategies import strategy
from aegan.strategies._registry import _known
from aegan.version import __version__

Files = Callable[[Path], dict[str, bytes]]


def again(found: Results, **changes: Any) -> Results:
    """The same comparison, continued, with some settings changed."""
    s = found.settings
    told: dict[str, Any] = {
        "seeds": s.seeds, "steps": s.steps, "count": s.count, "options": s.options, "device": s.device, **changes,
    }  # fmt: skip
    names = told.pop("strategies", s.strategies)
    return compare(s.data, names, out=found.folder, progress=False, **told)


def test_every_trial_is_recorded(compared: Results) -> None:
    by = {(t.strategy, t.seed): t for t in compared.trials}
    assert set(by) == {("autoencoder", 0), ("autoencoder", 1), ("gan", 0), ("gan", 1)} and compared.complete
    for seed in (0, 1):
        ended, failed = by["autoencoder", seed], by["gan", seed]
        assert ended.status == "finished" and ended.steps == 24 and ended.seconds > 0
        assert ended.value("fd") is not None and ended.curve and ended.peak_bytes > 2**26
        assert ended.operations and ended.parameters.keys() == {"E", "G"}
        assert failed.status == "diverged" and "diverged" in failed.reason


def test_what_it_writes(compared: Results) -> None:
    content = json.loads((compared.folder / "results.json").read_text())
    assert content["complete"] and len(content["trials"]) == 4
    assert content["strategies"]["gan"]["bad"] == {"diverged": 2, "crashed": 0, "collapsed": 0}
    assert {c["name"] for c in content["claims"]} == {"stability", "speed", "quality", "over-fitting", "cost"}
    assert (compared.folder / "runs" / "autoencoder-seed0" / "evaluation.json").is_file()
    page = (compared.folder / "index.html").read_text()
    assert "2 diverged of 2" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "autoencoder" in str(compared) and "2 diverged of 2" in str(compared)


def test_sizes_and_batches_are_matched(compared: Results) -> None:
    import yaml

    told = [
        yaml.safe_load((compared.folder / t.folder / "config.yaml").read_text())["options"] for t in compared.trials
    ]
    assert {o["width"] for o in told} == {8} and len({o["batch_size"] for o in told}) == 1


def test_finished_trials_are_not_run_again(compared: Results, files_of: Files) -> None:
    before = {k: v for k, v in files_of(compared.folder).items() if k.startswith("runs/")}
    assert [t.status for t in again(compared).trials] == [t.status for t in compared.trials]
    assert {k: v for k, v in files_of(compared.folder).items() if k.startswith("runs/")} == before


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"steps": 13}, "--steps (24, now 13)"),
        ({"steps": None, "minutes": 1.0}, "--minutes"),
        ({"count": 65}, "--count"),
        ({"options": {"": {"width": 16}}}, "--set"),
    ],
)
def test_unequal_conditions_are_refused(compared: Results, changes: dict[str, Any], word: str, files_of: Files) -> None:
    before = files_of(compared.folder)
    with pytest.raises(UserError, match="unequal conditions") as refused:
        again(compared, **changes)
    assert word in refused.value.what
    assert files_of(compared.folder) == before


def test_options_for_all_that_are_new_are_refused(tmp_path: Path) -> None:
    asked = Settings("ring", ("gan",), steps=4)
    keep(asked, "abc", tmp_path)
    with pytest.raises(UserError, match="another --set"):
        keep(dataclasses.replace(asked, options={"": {"width": 16}}), "abc", tmp_path)


@pytest.mark.parametrize(
    ("key", "before", "word"),
    [
        ("aegan", "0.0.1", "another version of aegan (0.0.1"),
        ("threads", 64, "another number of threads a trial (--jobs) (64"),
        ("options", {"lr": 1.0, "width": 8}, "another preset (lr: 1.0 → 0.5)"),
    ],
)
def test_trials_are_not_added_under_other_conditions(key: str, before: Any, word: str, tmp_path: Path) -> None:
    now = {"aegan": __version__, "threads": 1, "options": {"lr": 0.5, "width": 8}}
    asked = Settings("ring", ("gan",), seeds=2, steps=4)
    jobs = [order(asked, "gan", seed, {}, tmp_path, f"runs/{seed}", now) for seed in range(2)]
    check_conditions(jobs)  # nothing has been run
    jobs[0].folder.mkdir(parents=True)
    (jobs[0].folder / "order.json").write_text(json.dumps({"conditions": {**now, key: before}}))
    with pytest.raises(UserError, match="unequal conditions") as refused:
        check_conditions(jobs)
    assert word in refused.value.what
    for job in jobs:
        job.folder.mkdir(exist_ok=True)
        Trial("gan", 0, "", "finished").write(job.folder / "trial.json")
    check_conditions(jobs)  # nothing is left to run


def test_conditions_are_in_the_order_of_a_trial(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Job] = []
    monkeypatch.setattr(comparing, "run_jobs", lambda jobs, **_: seen.extend(jobs))
    compare(points, ["gan"], out=tmp_path / "out", seeds=1, steps=4, options={"": {"width": 8}}, progress=False)
    made = seen[0].order["conditions"]
    assert made["aegan"] == __version__ and made["threads"] >= 1 and made["options"]["width"] == 8
    assert json.loads(json.dumps(made)) == made


def test_all_strategies_are_those_that_take_the_data(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparing, "run_jobs", lambda jobs, **_: None)
    images_only = next(n for n in sampling() if not strategy(n).vectors)
    monkeypatch.setattr(comparing, "sampling", lambda: ("gan", images_only))
    found = compare(points, "all", out=tmp_path / "out", seeds=1, steps=4)
    assert found.settings.strategies == ("gan",)
    assert f"{images_only} is left out: it works on images, and this data is vectors" in capsys.readouterr().err
    labelled = Settings("digits", ("gan",), steps=4, classes=True)
    images: Any = SimpleNamespace(spec=SimpleNamespace(is_vector=False))
    unlabelled = next(n for n in sampling() if not strategy(n)().uses_labels)
    assert labelled.unfit(unlabelled, images) == "cannot use class labels" and not labelled.unfit("gan", images)


def test_a_strategy_without_presets_has_its_defaults(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in a file of the user's."""
    monkeypatch.setitem(_known, "mine", type("Mine", (strategy("gan"),), {"name": "mine"}))
    data = open_data(points)
    made = resolve(RunConfig(data=str(points), strategy="mine", steps=2), data, {})
    assert made.run.preset == "defaults" and made.strategy().lr_generator == strategy("mine")().lr_generator
    again = resolve(made.run, data, made.options)  # as a repeated run has it
    assert again.options == made.options
    with pytest.raises(UserError, match="Unknown preset"):
        resolve(dataclasses.replace(made.run, preset="toy"), data, {})
    with pytest.raises(UserError, match="Unknown preset"):
        resolve(RunConfig(data=str(points), strategy="gan", steps=2, preset="defaults"), data, {})


def test_a_model_of_nothing_has_diverged(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are bytes: what is not a number is black in them, and has a distance like any other picture."""
    real = worker.train

    def broken(*asked: Any, **how: Any) -> Any:
        run = real(*asked, **how)
        next(run.model.networks["G"].parameters()).data.fill_(math.nan)
        return run

    monkeypatch.setattr(worker, "train", broken)
    order = {
        "config": {"data": str(folder), "strategy": "gan", "steps": 2, "size": 16, "device": "cpu"},
        "options": {"width": 8, "critic_width": 8}, "folder": "run", "extractor": "pixels", "count": 30,
    }  # fmt: skip
    order["config"]["out"] = str(tmp_path / "run")
    found = worker.run_trial(tmp_path / "run", order)
    assert found.status == "diverged" and found.reason.startswith("The model's weights are not finite (G)")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"strategies": ["latnet"], "steps": 5}, "Unknown strategy"),
        ({"strategies": ["gan", "gan"], "steps": 5}, "twice"),
        ({"strategies": ["gan"]}, "one budget"),
        ({"strategies": ["gan"], "steps": 5, "minutes": 1.0}, "one budget"),
        ({"strategies": ["gan"], "steps": 5, "options": {"": {"colour": 1}}}, "has an option 'colour'"),
        ({"strategies": ["gan"], "steps": 5, "options": {"vae": {"lr": 1}}}, "not compared"),
        ({"strategies": ["gan"], "steps": 5, "classes": True}, "no classes"),
        ({"strategies": ["gan"], "steps": 5, "count": 30}, "at least 64"),
        ({"strategies": ["gan"], "steps": 5, "jobs": 0}, "--jobs"),
        ({"strategies": ["gan"], "steps": 5, "options": {"gan": {"batch_size": 8}}}, "one size"),
        ({"strategies": ["gan"], "steps": 5, "options": {"gan": {"n_critic": 0}}}, "at least 1"),
    ],
)
def test_bad_input_is_told_before_training(arguments: dict[str, Any], word: str, points: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=word):
        compare(points, arguments.pop("strategies"), out=tmp_path / "out", progress=False, **arguments)
    assert not (tmp_path / "out" / "runs").exists()


def test_labels_need_strategies_that_use_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot use class labels") as refused:
        compare(folder, ["vae", "gan"], out=tmp_path / "out", steps=5, classes=True, extractor="pixels", progress=False)
    assert "gan" in refused.value.fix


def test_another_folder_is_not_touched(points: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no comparison"):
        compare(points, ["gan"], out=tmp_path, steps=5, progress=False)


def test_an_array_is_kept_for_the_trials(
    make_circle: Callable[..., np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegan.comparison.comparing.run_jobs", lambda jobs, **_: [])
    found = compare(make_circle(100), ["gan"], out=tmp_path / "out", steps=5, progress=False)
    assert np.array_equal(np.load(found.settings.data), make_circle(100)) and not found.complete
    with pytest.raises(UserError, match="another array"):
        compare(make_circle(90), ["gan"], out=tmp_path / "out", steps=5, progress=False)


def test_a_killed_process_is_a_crash_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(job: Job, at_once: int, device: str | None) -> subprocess.Popen[bytes]:
        job.folder.mkdir()
        return subprocess.Popen([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])

    monkeypatch.setattr("aegan.comparison.trials._start", start)
    job = Job(tmp_path / "run", {"config": {"strategy": "gan", "seed": 3}, "folder": "run"}, "gan, seed 3")
    (found,) = run_jobs([job], at_once=1)
    assert found.status == "crashed" and "killed" in found.reason and found.seed == 3
    assert run_jobs([job], at_once=1) == [found]  # kept: not tried again


def test_an_error_in_a_strategy_is_a_crash(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.comparison.worker import run_trial
    from aegan.strategies.gan import GAN

    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(GAN, "generator", fail)
    order = {
        "config": {"data": str(points), "strategy": "gan", "steps": 3, "out": str(tmp_path / "run"), "device": "cpu"},
        "options": {"width": 8, "critic_width": 8}, "folder": "run", "extractor": "pixels", "count": 30,
    }  # fmt: skip
    found = run_trial(tmp_path / "run", order)
    assert (found.status, found.reason) == ("crashed", "RuntimeError: shapes do not match")


def test_stopped_and_continued(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    """Ctrl-C leaves a checkpoint; the same command goes on from it and ends with the steps that were asked for."""
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "aegan", "compare", str(points), "--strategies", "autoencoder", "--seeds", "1", "--steps",
        "2000", "--out", str(out), "--set", "width=8", "--set", "components=1", "--count", "64", "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )  # fmt: skip
    log = out / "runs" / "autoencoder-seed0" / "log.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (log.exists() and '"stage_step"' in log.read_text()):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "The same command goes on" in said, said
    run = out / "runs" / "autoencoder-seed0"
    assert not (run / "trial.json").exists() and list((run / "checkpoints").iterdir())
    done = aegan_cli(*command[3:])
    assert done.code == 0 and "resumed" in done.err, done.err
    trial = Trial.read(run / "trial.json")
    assert trial is not None and trial.steps == 2000 and trial.status == "finished"
    assert any(line.get("resumed") for line in map(json.loads, log.read_text().splitlines()))


@pytest.mark.usefixtures("trials_here")
def test_the_extractor_computes_where_training_does(folder: Path, tmp_path: Path) -> None:
    """`auto`, the device that nobody names, is no place: an extractor is asked for on the one it stands for."""
    found = compare(
        folder, ["autoencoder"], out=tmp_path / "out", seeds=1, steps=2, size=16, count=64, extractor="lite0",
        options={"autoencoder": {"width": 8, "components": "1"}}, progress=False,
    )  # fmt: skip
    assert [trial.status for trial in found.trials] == ["finished"]


def test_trials_are_neither_treated_nor_stopped_and_their_data_stay(tmp_path: Path) -> None:
    settings = Settings("digits", ("gan",), steps=3)
    config = settings.config("gan", 0, tmp_path)
    assert (config.guard, config.early_stop) == ("warn", "off")
    (tmp_path / "c").mkdir()
    keep(settings, "before", tmp_path / "c")
    keep(settings, "before", tmp_path / "c")
    with pytest.raises(UserError, match="contents"):
        keep(settings, "after", tmp_path / "c")
