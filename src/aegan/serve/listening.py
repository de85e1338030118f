"""Listens on a port until Ctrl-C."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aegan.errors import UserError


def need_server() -> None:
    """Refuses kindly where the packages of the page are missing."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(f"The page needs {error.name}, which is missing.", 'pip install "aegan[serve]"') from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        UserError: the port is in use (names a free one) or not allowed, or the host is not of this machine.
    """
    try:
        (family, kind, proto, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"There is no host '{host}'.", "Leave --host out: the page is then for this machine."
        ) from error
    sock = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # elsewhere two servers could then share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"Port {port} is in use.", f"This one is free: --port {_free(host)}") from error
        if error.errno == errno.EACCES:
            raise UserError(f"Port {port} is not allowed to you.", f"This one is: --port {_free(host)}") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise UserError(f"{host} is not an address of this machine.", "Leave --host out.") from error
        raise UserError(f"{host}:{port} can't be listened on: {error.strerror}.", "Choose other ones.") from error
    return sock


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def serve(app: Any, port: int, *, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serves what `build_app` built, where its door says, until Ctrl-C; port 0 takes any that is free."""
    import uvicorn

    host, sock = app.door.host, listen(app.door.host, port)
    port = sock.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    url = f"http://{shown}:{port}/"
    say(f"{url}   (Ctrl-C ends it)")
    if app.door.root_path:
        say(f"Behind the proxy: its address, then {quote(app.door.root_path)}/")
    if not is_loopback(host):
        say("Warning: anyone who can reach this machine over the network can use this page; there is no password.")
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=3, timeout_keep_alive=10, h11_max_incomplete_event_size=32 * 1024,
    )  # fmt: skip
    if open_browser:
        threading.Timer(0.5, webbrowser.open, (url,)).start()
    try:
        uvicorn.Server(config).run(sockets=[sock])
    except KeyboardInterrupt:
        pass
    finally:
        sock.close()
    say("Ended.")


def _free(host: str) -> int:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        return int(other.getsockname()[1])
