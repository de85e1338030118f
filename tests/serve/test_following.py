"""Following a run: new lines, a log that is rewritten, pictures, time left; all of it without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aegan.errors import UserError
from aegan.serve.following import PIECE, Following


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("run: {data: photos/, strategy: latent, minutes: 2.0, steps: null}\n")
    return tmp_path


def write(run: Path, *lines: dict[str, Any] | str) -> None:
    with open(run / "log.jsonl", "a") as file:
        file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.yaml"):
        Following(tmp_path)


def test_only_new_and_whole_lines_are_given(run: Path) -> None:
    following = Following(run)
    assert following.lines() == ([], "", False, False)
    write(run, {"event": "start"}, "damaged", {"step": 1})
    lines, mark, fresh, more = following.lines()
    assert lines == [{"event": "start"}, {"step": 1}] and fresh and not more
    assert following.lines(mark) == ([], mark, False, False)
    with open(run / "log.jsonl", "a") as file:
        file.write('{"step": 2')  # half a line
    assert following.lines(mark)[0] == []
    with open(run / "log.jsonl", "a") as file:
        file.write("}\n")
    lines, _, fresh, _ = following.lines(mark)
    assert lines == [{"step": 2}] and not fresh


def test_a_rewritten_log_is_read_again(run: Path) -> None:
    from aegan.engine.log import RunLog
    from aegan.events import Step

    write(run, *({"step": i} for i in range(10)))
    following = Following(run)
    _, mark, _, _ = following.lines()
    log = RunLog(run / "log.jsonl", step=4)  # as resuming does
    log.write(Step(5, "compress"))
    log.close()
    lines, _, fresh, _ = following.lines(mark)
    assert fresh and [line["step"] for line in lines] == [0, 1, 2, 3, 4, 5]


def test_a_long_log_comes_in_pieces(run: Path) -> None:
    write(run, *({"step": i, "text": "x" * 1000} for i in range(1500)))
    following, mark, steps, more, calls = Following(run), "", [], True, 0
    while more:
        lines, mark, _, more = following.lines(mark)
        steps += [line["step"] for line in lines]
        calls += 1
    assert steps == list(range(1500)) and calls == 2 and PIECE == 2**20


def test_the_state_of_a_run(run: Path) -> None:
    following = Following(run)
    assert following.state()["state"] == "starting"
    write(run, {"event": "stage", "stage": "compress", "step": 0, "seconds": 0.0})
    write(run, {"step": 40, "stage": "compress", "seconds": 30.0, "images": 640, "images_per_second": 21.3})
    state = following.state()
    assert state["state"] == "training" and state["stage"] == "compress" and state["data"] == "photos"
    assert state["seconds_left"] == 90 and state["progress"] == 0.25
    os.utime(run / "log.jsonl", (time.time() - 600,) * 2)
    assert following.state()["state"] == "stopped"
    write(run, {"event": "done", "step": 100, "seconds": 120.5})
    state = following.state()
    assert state["state"] == "done" and state["seconds_left"] == 0 and state["progress"] == 1 and state["step"] == 100
    write(run, {"event": "start", "resumed": True})
    assert following.state()["state"] == "training"


def test_a_budget_in_steps_is_told_in_seconds(run: Path) -> None:
    (run / "config.yaml").write_text("run: {data: ring, strategy: gan, minutes: null, steps: 200}\n")
    write(run, {"step": 50, "stage": "play", "seconds": 10.0})
    assert Following(run).state()["seconds_left"] == 30


def test_pictures_are_named_by_step_alone(run: Path) -> None:
    (run / "samples").mkdir()
    for name in ("0000020-compress.png", "0000100-sharpen.png", "note.txt", "x-y.png"):
        (run / "samples" / name).write_bytes(name.encode())
    following = Following(run)
    assert [(step, stage) for step, stage, _ in following.folder.previews()] == [(20, "compress"), (100, "sharpen")]
    assert following.picture() == b"0000100-sharpen.png" and following.picture(20) == b"0000020-compress.png"
    assert following.picture(21) is None


def test_the_api_of_a_real_run(client: Any, trained: Path) -> None:
    state = client.get("/api/run").json()
    assert state["state"] == "done" and state["step"] == 80
    lines, after = [], ""
    while True:
        part = client.get("/api/run/log", params={"after": after}).json()
        lines, after = lines + part["lines"], part["after"]
        if not part["more"]:
            break
    assert lines == [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    newest = sorted((trained / "samples").glob("*.png"))[-1]
    answer = client.get("/api/run/grid")
    assert answer.headers["content-type"] == "image/png" and answer.content == newest.read_bytes()
    assert client.get("/api/run/grid", params={"step": 10**9}).status_code == 404
    for wrong in ("../../etc", "1:2:3", "-1:5", "9" * 99 + ":0"):
        assert client.get("/api/run/log", params={"after": wrong}).status_code == 422
    # a mark of another file is no reason to fail
    assert client.get("/api/run/log", params={"after": "1:999999999999999"}).json()["fresh"]


def test_watching_needs_no_torch(run: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom aegan.serve.app import build_app\n"
        "from aegan.serve.following import Following\nimport aegan.cli.watch\n"
        "build_app(None, Following(Path(sys.argv[1])), name='x')\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
