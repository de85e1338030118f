"""aegan serve"""

from __future__ import annotations

from aegan.cli._output import say
from aegan.cli._shared import AllowHost, Device, Host, OpenBrowser, Port, RootPath, RunPath

EXAMPLE = "Example: aegan serve runs/photos"


def command(
    run: RunPath,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    root_path: RootPath = "",
    allow_host: AllowHost = None,
    open_browser: OpenBrowser = False,
    device: Device = "auto",
) -> None:
    """Play with a model on a web page of this machine: samples, walks, your images, directions."""
    from aegan.serve.listening import need_server, serve

    need_server()
    import aegan
    from aegan.names import printable
    from aegan.runs.folder import Run
    from aegan.serve.app import build_app
    from aegan.serve.following import Following
    from aegan.serve.guard import Door
    from aegan.serve.play import Play

    door = Door.of(host, allow_host or [], root_path)
    model = aegan.load(run, device)
    whole = Run(run, device) if (run / "config.yaml").is_file() else None
    following = None if whole is None else Following(run)
    app = build_app(Play(model, whole), following, name=printable(run.resolve().name), door=door)
    serve(app, port, open_browser=open_browser, say=say)
