"""aegan watch"""

from __future__ import annotations

import typer

from aegan.cli._shared import Host, OpenBrowser, Port, RunPath

EXAMPLE = "Example: aegan watch runs/photos"


def command(run: RunPath, port: Port = 8000, host: Host = "127.0.0.1", open_browser: OpenBrowser = False) -> None:
    """Watch a run in training on a web page of this machine: curves, newest pictures, time left."""
    from aegan.serve.running import listen, need_server, serve

    need_server()
    from aegan.serve.app import build_app
    from aegan.serve.following import Following

    app = build_app(None, Following(run), name=run.resolve().name, host=host)
    serve(app, listen(host, port), host, open_browser=open_browser, say=typer.echo)
