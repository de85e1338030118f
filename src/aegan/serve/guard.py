"""Around the whole application: who may ask, how much a request may hold, and the headers of every answer."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from aegan.errors import UserError
from aegan.serve.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

NAME = re.compile(r"[a-z0-9_.:-]{1,253}")  # that can be typed into a command as it is
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[^/?#\\\s\x00-\x1f:]+)*")
UPLOADS = ("/api/encode",)
ANY = "*"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):
    """A request that is not let in.

    Args:
        status: of the answer.
        reason: one sentence.
        location: where to go instead; empty: nowhere.
    """

    def __init__(self, status: int, reason: str, location: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.location = status, reason, location


@dataclass(frozen=True)
class Door:
    """Under which names and which path the page is asked for.

    Args:
        host: the address that is listened on; a wildcard (0.0.0.0, ::) also admits every address in numbers and the name of
            this machine.
        names: further host names, of a proxy or a hub, in lower case; `*` admits all.
        root_path: what a proxy has put before the paths, such as /user/x/proxy/8000; empty without one.
    """

    host: str = "127.0.0.1"
    names: frozenset[str] = frozenset()
    root_path: str = ""

    @classmethod
    def of(cls, host: str, names: Iterable[str] = (), root_path: str = "") -> Door:
        """From what a person gives.

        Raises:
            UserError: not a name, or not a path.

        >>> Door.of("0.0.0.0", ["Hub.example.org"], "user/x/").root_path
        '/user/x'
        """
        for name in names:
            if (
                name != ANY
                and not _is_address(name)
                and (not NAME.fullmatch(name.lower()) or _name(name) != name.lower())
            ):
                meant = _name(urlsplit(name).netloc if "//" in name else name)
                named = meant if NAME.fullmatch(meant) else "NAME"
                raise UserError(
                    f"'{name}' is not a host name.", f"Without http://, port and path: --allow-host {named}"
                )
        path = unquote(f"/{root_path.strip('/')}" if root_path.strip("/") else "")
        if not PATH.fullmatch(path):
            raise UserError(f"'{root_path}' is not a path.", "Example: --root-path /user/x/proxy/8000")
        return cls(host, frozenset(name.lower() for name in names), path)

    def admits(self, name: str) -> bool:
        """Whether this is one of the server's own names."""
        own = LOOPBACK | {self.host.lower()} | self.names
        if self.host in ("0.0.0.0", "::") and (_is_address(name) or name == socket.gethostname().lower()):
            return True
        return name in own or ANY in self.names


class RequestGuard:
    """An ASGI application around another.

    It answers only to its own names, so that a foreign name made to point here (DNS rebinding) reaches nothing; refuses
    what other sites' pages send; reads bodies whole, within bounds of size and time; and sets the security headers.

    Args:
        app: what is guarded.
        door: under which names and which path it is asked for.
        limits: bounds.
    """

    def __init__(self, app: App, door: Door, limits: Limits) -> None:
        self.app, self.door, self.limits = app, door, limits
        self._inside = self._waiting = 0
        self._left = asyncio.Event()  # set whenever a request has left

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no WebSockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.encode(): value.encode() for name, value in HEADERS.items()}
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in own]
                message["headers"] = [*kept, *own.items()]
            await send(message)

        inside = False
        try:
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
            scope = self._inner(scope)
            self._admit(scope, headers)
            await self._enter()
            inside = True
            body = await self._body(scope, headers, receive)
        except Refused as refused:
            await _answer(sealed, refused)
            return
        finally:
            if inside:
                # counted while the body arrives, which is when it costs memory without computing
                self._inside -= 1
                self._left.set()
        await self.app(scope, _replay(body, receive), sealed)

    def _inner(self, scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The request without the proxy's path, which some proxies take away and others do not."""
        root, path = self.door.root_path, str(scope["path"])
        if not root or not (path == root or path.startswith(f"{root}/")):
            return scope
        if path == root:  # the page's links are relative to a folder
            raise Refused(307, "The page is one / further.", location=quote(f"{root}/"))
        inner = path[len(root) :]
        return {**scope, "path": inner, "raw_path": quote(inner).encode("ascii")}

    async def _enter(self) -> None:
        """Takes a place, for which a few wait a little while.

        Raises:
            Refused: as many wait already, or none has become free in time.
        """
        busy = Refused(503, "Too many requests at once; try again in a moment.")
        if self._inside >= self.limits.requests and self._waiting >= self.limits.waiting:
            raise busy
        clock = asyncio.get_running_loop().time
        end = clock() + self.limits.patience
        self._waiting += 1
        try:
            while self._inside >= self.limits.requests:
                if clock() >= end:
                    raise busy
                self._left.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._left.wait(), end - clock())
            self._inside += 1
        finally:
            self._waiting -= 1

    def _admit(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        name = _name(host)
        if not self.door.admits(name):
            shown = name if NAME.fullmatch(name) else "NAME"
            raise Refused(
                400,
                f"This server does not answer to that host name. If it is yours, start it with --allow-host {shown}",
            )
        if not scope["path"].startswith("/api/"):  # a link on another page may lead to this one
            return
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refused(403, "Requests from other sites are refused.")
        origin = headers.get("origin")
        # some proxies put their own name for this machine into Host, and leave Origin as the browser sent it
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower() and not self._named(origin):
            raise Refused(403, "Requests from other sites are refused.")

    def _named(self, origin: str) -> bool:
        """Whether an origin is one of the names given with --allow-host; `*` names none."""
        return _name(urlsplit(origin).netloc) in self.door.names

    async def _body(self, scope: MutableMapping[str, Any], headers: dict[str, str], receive: Receive) -> bytes:
        most = self.limits.upload if scope["path"] in UPLOADS else self.limits.body
        too_large = Refused(413, f"The request is larger than {most / 2**20:g} MB.")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:
            raise too_large

        async def whole() -> bytes:
            parts, size = [], 0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "The request ended early.")
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)

        try:
            return await asyncio.wait_for(whole(), self.limits.receiving)
        except asyncio.TimeoutError:
            raise Refused(408, f"The request did not arrive within {self.limits.receiving:g} seconds.") from None


def _name(host: str) -> str:
    """The name or address of a Host header.

    >>> _name("localhost:8000"), _name("[::1]:8000"), _name("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body which has been read already, then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, refused: Refused) -> None:
    content = json.dumps({"reason": refused.reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        # the rest of a body that was not read must not be taken for the next request
        (b"connection", b"close"),
    ]
    if refused.location:
        headers.append((b"location", refused.location.encode("ascii")))
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
