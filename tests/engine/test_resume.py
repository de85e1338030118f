"""Resume is bit-exact, wherever a run was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from narrow import small
from safetensors.torch import load_file

from aegan.data import Data, open_data
from aegan.engine import Engine
from aegan.engine.loop import Interrupted
from aegan.errors import UserError
from aegan.jsonl import read_log
from aegan.strategies import Fit, strategies, strategy


def interrupted_everywhere(make: Callable[[], Engine], set_stop: Callable[[int | None], None]) -> tuple[Engine, int]:
    """Stops a run after each of its steps and in each of its fits, and resumes it each time."""
    stops, resume = 0, False
    for _ in range(100):
        engine = make()
        set_stop(1)
        try:
            engine.run(resume)
        except Interrupted:
            stops, resume = stops + 1, True
        else:
            set_stop(None)
            return engine, stops
    raise AssertionError("the run never ended")


@pytest.mark.parametrize("name", sorted(strategies()))
def test_stopped_after_every_step_and_in_every_fit(
    name: str,
    request: pytest.FixtureRequest,
    make_engine: Any,
    weights_of: Any,
    assert_equal: Any,
    stop_after: Any,
    stopper: Any,
) -> None:
    data: Data = request.getfixturevalue("vectors" if strategy(name).vectors else "pictures")
    chosen = small(name)
    steps = 6 if name == "projected" else 12  # it reads its large network anew after every stop
    straight = make_engine(chosen, data, "straight", steps=steps).run()
    fits = [s.name for s in chosen.stages(data.spec) if isinstance(s, Fit)]

    def make() -> Engine:
        done = [n.name for n in chosen.stages(data.spec)][: made[-1].counters.stage] if made else []
        stopper.at = next((f for f in fits if f not in done), None)
        made.append(make_engine(chosen, data, "stopped", steps=steps, display=stopper))
        return made[-1]

    made: list[Engine] = []
    engine, stops = interrupted_everywhere(make, stop_after)
    assert stops >= straight.steps, "it was not stopped after each step"
    assert_equal(weights_of(straight), weights_of(engine))
    assert engine.counters.step == straight.steps
    assert engine.notes == straight.notes


@pytest.mark.parametrize(("precision", "matrix_lr"), [("fp32", 0.0), ("bf16", 0.0), ("fp32", 3e-3), ("bf16", 3e-3)])
def test_images_with_classes_in_either_precision_and_with_either_optimiser(
    precision: str,
    matrix_lr: float,
    pictures: Data,
    make_engine: Any,
    weights_of: Any,
    assert_equal: Any,
    stop_after: Any,
) -> None:
    chosen = small("latent", matrix_lr=matrix_lr, matrix_lr_generator=matrix_lr)
    straight = make_engine(chosen, pictures, "straight", steps=9, precision=precision).run()
    made: list[Engine] = []

    def make() -> Engine:
        made.append(make_engine(chosen, pictures, "stopped", steps=9, precision=precision))
        return made[-1]

    engine, _ = interrupted_everywhere(make, stop_after)
    assert_equal(weights_of(straight), weights_of(engine))


def test_eyes_of_both_kinds(
    pictures: Data, make_engine: Any, weights_of: Any, assert_equal: Any, stop_after: Any
) -> None:
    """Those of a package are loaded in the midst of training, and draw nothing from its random numbers."""
    chosen = small(
        "latent", eyes="lite1+contrastive+pixels", principal=12, play_share=0,
        upsampling="bilinear+noise", chroma=2.0, anchor_scale=4, feature_anchor=1.0, blur=2.0,
    )  # fmt: skip
    straight = make_engine(chosen, pictures, "straight", steps=12).run()
    made: list[Engine] = []

    def make() -> Engine:
        made.append(make_engine(chosen, pictures, "stopped", steps=12))
        return made[-1]

    engine, _ = interrupted_everywhere(make, stop_after)
    assert_equal(weights_of(straight), weights_of(engine))


def test_another_seed_gives_other_weights(vectors: Data, make_engine: Any, weights_of: Any) -> None:
    """The control of the tests above: equality is not all that `weights_of` can say."""
    one, two = (make_engine(small("autoencoder"), vectors, f"run{s}", seed=s).run() for s in (0, 1))
    assert (weights_of(one)["E.skip.weight"] != weights_of(two)["E.skip.weight"]).any()


def test_model_is_written_when_stopped_in_the_last_fit(
    folder: Path, tmp_path: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aegan.strategies._pieces import fit_prior as real

    def stopping(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return real(*args, **kwargs)

    monkeypatch.setattr("aegan.strategies._groups.fit_prior", stopping)
    out = tmp_path / "run"
    said = aegan_cli(
        "train", folder, "--strategy", "autoencoder", "--steps", 4, "--set", "width=8", "--out", out, "--no-evaluate"
    )
    assert said.code == 143
    monkeypatch.setattr("aegan.strategies._groups.fit_prior", real)
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0
    assert aegan_cli("sample", out, "--n", 2, "--out", tmp_path / "x.npz").code == 0


def test_resuming_a_finished_run_changes_no_weights(
    vectors: Data, make_engine: Any, weights_of: Any, assert_equal: Any
) -> None:
    first = make_engine(small("autoencoder"), vectors)
    first.run()
    again = make_engine(small("autoencoder"), vectors)
    outcome = again.run(resume=True)
    assert_equal(weights_of(first), weights_of(outcome))
    assert outcome.steps == 12


def test_a_damaged_model_of_a_finished_run_is_written_again(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    out = tmp_path / "run"
    assert aegan_cli("train", points, "--strategy", "gan", "--steps", 4, "--out", out, "--no-evaluate").code == 0
    model = out / "model" / "model.safetensors"
    whole = {k: v.clone() for k, v in load_file(model).items()}  # the file lies mapped in memory
    model.write_bytes(b"")
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0
    assert all(np.array_equal(whole[k].numpy(), v.numpy()) for k, v in load_file(model).items())


def test_a_cut_config_is_noticed(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    """Options that are missing would silently be defaults."""
    out = tmp_path / "run"
    settings = ("--strategy", "gan", "--set", "width=8", "--set", "lr_critic=1e-3", "--steps", 4, "--no-evaluate")
    assert aegan_cli("train", points, *settings, "--out", out).code == 0
    config = out / "config.yaml"
    text = config.read_text()
    config.write_text(text[: text.index("  lr_critic")])
    aegan_cli("train", "--resume", "--out", out).refused("is damaged")
    plans = text[text.index("plans:") :]
    config.write_text(text[: text.index("  lr_critic")] + plans)
    aegan_cli("train", "--resume", "--out", out).refused("options.lr_critic: 0.001 → 0.0004")


def test_a_log_of_noise_does_not_matter(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    out = tmp_path / "run"
    assert aegan_cli("train", points, "--strategy", "gan", "--steps", 4, "--out", out, "--no-evaluate").code == 0
    (out / "log.jsonl").write_bytes(bytes(range(256)) + b'\n[1]\n{"step": "x"}\n')
    (out / "checkpoints" / ".step-000000009.safetensors.77.part").write_bytes(b"half")
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0
    assert read_log(out / "log.jsonl")[0]["event"] == "start"
    assert not list(out.rglob(".*")), "what killed processes left is swept"


def test_killed_in_the_first_checkpoint(points: Path, tmp_path: Path, aegan_cli: Any) -> None:
    """Half a file is nothing to go on from, and no reason to refuse."""
    out = tmp_path / "run"
    settings = ("--strategy", "gan", "--steps", 4, "--no-evaluate")
    assert aegan_cli("train", points, *settings, "--out", out).code == 0
    for path in (out / "checkpoints").iterdir():
        path.rename(path.with_name(f".{path.name}.77.part"))
    (out / "log.jsonl").write_text('{"event": "start"}\n{"event": "sta')
    assert aegan_cli("train", "--resume", "--out", out, "--no-evaluate").code == 0


@pytest.mark.parametrize("after", [2, 25])
def test_a_run_by_minutes_goes_on(after: int, vectors: Data, make_engine: Any, stop_after: Any, tmp_path: Path) -> None:
    """Stopped while it was still timing its first steps, and behind that."""
    stop_after(after)
    with pytest.raises(Interrupted):
        make_engine(small("autoencoder"), vectors, minutes=0.03).run()
    outcome = make_engine(small("autoencoder"), vectors, minutes=0.03).run(resume=True)
    assert outcome.steps == outcome.plans["compress"].total >= after
    assert outcome.networks["P"].fitted  # type: ignore[union-attr]


def test_other_data_is_refused(vectors: Data, make_circle: Any, make_engine: Any) -> None:
    make_engine(small("autoencoder"), vectors).run()
    other = open_data(make_circle(200, seed=1))
    with pytest.raises(UserError, match="data is not what this run was trained on"):
        make_engine(small("autoencoder"), other).run(resume=True)


def test_nothing_to_resume(vectors: Data, make_engine: Any) -> None:
    with pytest.raises(UserError, match="holds no checkpoint"):
        make_engine(small("autoencoder"), vectors).run(resume=True)


def test_the_log_goes_on_where_the_checkpoint_was(
    vectors: Data, make_engine: Any, stop_after: Any, tmp_path: Path
) -> None:
    """Steps behind the checkpoint are taken again, so their lines must not be there twice."""
    engine = make_engine(small("autoencoder"), vectors)
    stop_after(8)
    with pytest.raises(Interrupted):
        engine.run()
    path = tmp_path / "run" / "log.jsonl"
    with open(path, "a") as file:
        file.write(json.dumps({"step": 9, "stage": "compress"}) + "\n" + '{"step": 10, "sta')  # a crash, mid-line
    make_engine(small("autoencoder"), vectors).run(resume=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    steps = [line["step"] for line in lines if "terms" in line]
    assert steps == sorted(set(steps)) and steps[-1] == 12
    assert [line["step"] for line in lines if "event" not in line and "terms" not in line] == []
    assert [line.get("resumed") for line in lines if line.get("event") == "start"] == [False, True]


def test_images_and_seconds_go_on_counting(vectors: Data, make_engine: Any, stop_after: Any, tmp_path: Path) -> None:
    stop_after(5)
    with pytest.raises(Interrupted):
        make_engine(small("autoencoder"), vectors).run()
    outcome = make_engine(small("autoencoder"), vectors).run(resume=True)
    assert outcome.images == 12 * 16
    seconds = [line["seconds"] for line in read_log(tmp_path / "run" / "log.jsonl") if "terms" in line]
    assert seconds == sorted(seconds)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "aegan", *map(str, arguments)]


def test_sigterm_and_resume_from_the_command_line(folder: Path, tmp_path: Path, aegan_cli: Any) -> None:
    """A process that gets SIGTERM leaves a checkpoint, says how to go on, exits with 143; --resume ends where it should."""
    common = ["train", folder, "--steps", 300, "--set", "width=8", "--set", "critic_width=8", "--set", "components=1,2",
              "--precision", "fp32", "--batch-size", 8, "--no-evaluate", "--device", "cpu"]  # fmt: skip
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    process = subprocess.Popen(
        command(*common, "--out", stopped), stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    deadline = time.monotonic() + 120
    while not any("terms" in line for line in read_log(stopped / "log.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr and process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert f"aegan train --resume --out {stopped}" in " ".join(err.split())
    at = max(line.get("step", 0) for line in read_log(stopped / "log.jsonl"))
    assert 0 < at < 300, "the signal came too late to test anything"
    assert list((stopped / "checkpoints").glob("*.safetensors"))

    assert aegan_cli("train", "--resume", "--out", stopped, "--no-evaluate", "--device", "cpu").code == 0
    assert aegan_cli(*common, "--out", straight).code == 0
    a, b = (load_file(run / "model" / "model.safetensors") for run in (stopped, straight))
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k].numpy(), b[k].numpy()) for k in a)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGUSR1", 138)])
def test_exit_codes_of_signals(
    name: str, code: int, points: Path, tmp_path: Path, aegan_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aegan.data.loader import Loader

    signum = getattr(signal, name)
    code = code if sys.platform == "linux" else 128 + signum
    real, left = Loader.next, [5]

    def counted(self: Loader) -> Any:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signum)
        return real(self)

    monkeypatch.setattr(Loader, "next", counted)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signum)
    if before == signal.SIG_IGN:  # under nohup a hangup is ignored, and aegan leaves it so
        signal.signal(signum, signal.SIG_DFL)
    try:
        said = aegan_cli("train", points, "--strategy", "gan", "--steps", 20, "--no-evaluate")
    finally:
        signal.signal(signum, before)
    assert said.code == code
    assert "Stopped at step 5" in said.err
    assert said.err.split()[-1] == "runs/circle-gan", "it must name the folder that it wrote"
    assert aegan_cli("train", "--resume", "--out", "runs/circle-gan", "--no-evaluate").code == 0


def test_handlers_are_put_back(vectors: Data, make_engine: Any) -> None:
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(s) for s in every]
    make_engine(small("autoencoder"), vectors, steps=2).run()
    assert [signal.getsignal(s) for s in every] == before


def test_a_hangup_that_is_ignored_stays_ignored(
    vectors: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `nohup` starts programs."""
    from aegan.data.loader import Loader

    real = Loader.next

    def hung_up(self: Loader) -> Any:
        signal.raise_signal(signal.SIGHUP)
        return real(self)

    monkeypatch.setattr(Loader, "next", hung_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert make_engine(small("autoencoder"), vectors).run().steps == 12
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_warning_and_the_end_of_a_scheduler(vectors: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM behind SIGUSR1 does not take away the checkpoint that the first asked for."""
    from aegan.data.loader import Loader

    real = Loader.next

    def both(self: Loader) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        return real(self)

    monkeypatch.setattr(Loader, "next", both)
    engine = make_engine(small("autoencoder"), vectors)
    with pytest.raises(Interrupted) as stopped:
        engine.run()
    assert stopped.value.signum == signal.SIGUSR1 and stopped.value.step == 1
    assert engine.checkpoints.newest()[1]["counters"]["step"] == 1


def test_a_second_ctrl_c_stops_at_once(vectors: Data, make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from aegan.data.loader import Loader

    def twice(self: Loader) -> Any:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loader, "next", twice)
    with pytest.raises(KeyboardInterrupt):
        make_engine(small("autoencoder"), vectors).run()
