"""The page's application on the shared trained runs, and a server of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="session")
def play(trained: Path) -> Any:
    import aegan
    from aegan.runs.folder import Run
    from aegan.serve.play import Play

    return Play(aegan.load(trained, "cpu"), Run(trained, "cpu"))


@pytest.fixture(scope="session")
def client(trained: Path, play: Any) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    from aegan.serve.app import build_app
    from aegan.serve.following import Following

    app = build_app(play, Following(trained), name="latent")
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def serve_app() -> Iterator[Callable[[Any], str]]:
    """Serves an application on a free port until the tests end, and tells its URL."""
    import uvicorn

    from aegan.serve.listening import listen

    started = []

    def serve(app: Any) -> str:
        sock = listen("127.0.0.1", 0)
        running = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        started.append((running, thread, sock))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/"

    yield serve
    for running, thread, sock in started:
        running.should_exit = True
        thread.join(10)
        sock.close()


@pytest.fixture(scope="session")
def server(trained: Path, play: Any, serve_app: Callable[[Any], str]) -> str:
    """The URL of a real server of the trained run."""
    from aegan.serve.app import build_app
    from aegan.serve.following import Following

    return serve_app(build_app(play, Following(trained), name="latent"))
