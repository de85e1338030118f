"""aegan watch"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aegan.cli._output import AsJson, answer, say
from aegan.cli._shared import AllowHost, Host, OpenBrowser, Port, RootPath, RunPath

EXAMPLE = "Example: aegan watch runs/photos"


def command(
    run: RunPath,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    root_path: RootPath = "",
    allow_host: AllowHost = None,
    open_browser: OpenBrowser = False,
    once: Annotated[bool, typer.Option("--once", help="Print where the run stands, and leave; no page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch a run in training on a web page of this machine: curves, newest pictures, time left."""
    if once or as_json:
        from aegan.serve.following import Following

        state = Following(run).state()
        answer(state, _in_words(state), as_json)
        return
    from aegan.serve.listening import need_server, serve

    need_server()
    from aegan.names import printable
    from aegan.serve.app import build_app
    from aegan.serve.following import Following
    from aegan.serve.guard import Door

    door = Door.of(host, allow_host or [], root_path)
    app = build_app(None, Following(run), name=printable(run.resolve().name), door=door)
    serve(app, port, open_browser=open_browser, say=say)


def _in_words(state: dict[str, Any]) -> list[str]:
    """Where a run stands, for people."""
    from aegan.text import clock

    done = "" if state["progress"] is None else f", {state['progress']:.0%}"
    stage = f" in stage {state['stage']}" if state["stage"] else ""
    lines = [f"{state['name']}: {state['state']}{stage}, step {state['step']:,.0f}{done}"]
    left = "" if state["seconds_left"] is None else f", {clock(state['seconds_left'])} left"
    return [*lines, f"{clock(state['seconds'])} of training{left}; the log grew {clock(state['silent'])} ago"]
