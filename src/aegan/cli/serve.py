"""aegan serve"""

from __future__ import annotations

import typer

from aegan.cli._shared import Device, Host, OpenBrowser, Port, RunPath

EXAMPLE = "Example: aegan serve runs/photos"


def command(
    run: RunPath,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    open_browser: OpenBrowser = False,
    device: Device = "auto",
) -> None:
    """Play with a model on a web page of this machine: samples, walks, your images, directions."""
    from aegan.serve.running import listen, need_server, serve

    need_server()
    import aegan
    from aegan.run import Run
    from aegan.serve.app import build_app
    from aegan.serve.following import Following
    from aegan.serve.play import Play

    model = aegan.load(run, device)
    whole = None if (run / "model.safetensors").exists() else Run(run, device)
    following = None if whole is None else Following(run)
    app = build_app(Play(model, whole), following, name=run.resolve().name, host=host)
    serve(app, listen(host, port), host, open_browser=open_browser, say=typer.echo)
