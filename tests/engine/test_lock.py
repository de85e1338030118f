"""One process a run folder, and none that is dead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aegan.engine.lock import LOCK, OWNER, locked
from aegan.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from aegan.engine.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_is_refused_and_a_killed_one_holds_nothing(
    tmp_path: Path, points: Path, aegan_cli: Any
) -> None:
    run = tmp_path / "run"
    process = holder(run)
    try:
        aegan_cli("train", points, "--steps", 2, "--out", run).refused(
            f"{run} is in use: process {process.pid} on {socket.gethostname()} is training there."
        )
        assert sorted(p.name for p in run.iterdir()) == [LOCK, OWNER], "the refused one wrote nothing"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (run / LOCK).exists(), "what a killed process leaves"
    said = aegan_cli(
        "train", points, "--strategy", "gan", "--steps", 2, "--out", run, "--no-evaluate", "--device", "cpu"
    )
    assert said.code == 0, said.err
    assert not (run / LOCK).exists() and not (run / OWNER).exists()


def test_resuming_is_refused_too(tmp_path: Path, points: Path, aegan_cli: Any) -> None:
    run = tmp_path / "run"
    assert aegan_cli("train", points, "--strategy", "gan", "--steps", 2, "--out", run, "--no-evaluate").code == 0
    with locked(run):
        aegan_cli("train", "--resume", "--out", run).refused("is in use", f"process {os.getpid()} on")


def test_it_is_let_go_whatever_happens(tmp_path: Path) -> None:
    run = tmp_path / "a" / "run"
    with pytest.raises(KeyError), locked(run):
        raise KeyError
    assert list(tmp_path.iterdir()) == [], "folders that it made and nobody used"
    with locked(run):
        (run / "kept").touch()
    assert [p.name for p in run.iterdir()] == ["kept"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_holder_that_has_not_said_who_it_is(content: bytes, tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / OWNER).write_bytes(content)
        with pytest.raises(UserError, match="another process is training there"), locked(tmp_path):
            pass


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="could not be written"), locked(tmp_path / "file" / "run"):
        pass
