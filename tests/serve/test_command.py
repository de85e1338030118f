"""`aegan serve` and `aegan watch` on the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegan.serve.listening import listen


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_port_in_use_names_a_free_one(command: str, aegan_cli: Callable[..., Any], trained: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = aegan_cli(command, trained, "--port", port)
    said.refused(f"Port {port} is in use", "--port ")
    free = int(re.findall(r"--port (\d+)", said.err)[-1])
    listen("127.0.0.1", free).close()


def test_users_mistakes(aegan_cli: Callable[..., Any], trained: Path, tmp_path: Path) -> None:
    aegan_cli("serve", tmp_path / "none").refused("does not exist")
    aegan_cli("watch", tmp_path).refused("no config.yaml")
    aegan_cli("watch", trained, "--host", "no.such.host.invalid").refused("no host")
    aegan_cli("watch", trained, "--host", "192.0.2.1").refused("not an address of this machine")


def test_what_is_missing_is_named(
    aegan_cli: Callable[..., Any], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    aegan_cli("serve", trained).refused("uvicorn", "aegan[serve]")


@pytest.mark.parametrize(("command", "host"), [("serve", "127.0.0.1"), ("watch", "0.0.0.0")])
def test_it_serves_until_it_is_interrupted(command: str, host: str, trained: Path) -> None:
    program = [sys.executable, "-m", "aegan", command, str(trained), "--port", "0", "--host", host]
    program += ["--device", "cpu"] if command == "serve" else []
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        try:
            url = running.stdout.readline().split()[0]
            if host == "0.0.0.0":
                assert "Warning: anyone" in running.stdout.readline()
            with urllib.request.urlopen(url + "api/about", timeout=30) as answer:
                about = json.load(answer)
            assert about["plays"] is (command == "serve") and about["follows"] is True
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert (running.returncode, err, out.splitlines()[-1]) == (0, "", "Ended.")


def test_the_wheel_holds_the_page() -> None:
    """Hatch packs every file below src/aegan that git does not ignore."""
    from importlib.resources import files

    static = files("aegan.serve").joinpath("static")
    html = static.joinpath("index.html").read_text(encoding="utf-8")
    for name in ("page.css", "page.js"):
        assert static.joinpath(name).is_file() and f'"static/{name}"' in html
    text = (
        html + static.joinpath("page.js").read_text(encoding="utf-8") + static.joinpath("page.css").read_text("utf-8")
    )
    # nothing from elsewhere, nothing inline
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)|innerHTML|javascript:", text)
