"""Around the whole application: who may ask, how much a request may hold, and the headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fastapi.responses import JSONResponse

from aegan.errors import UserError
from aegan.serve.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

NAME = re.compile(r"[a-z0-9_.:-]{1,253}")
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
    """A request that is not let in, with the status of the answer, a sentence, and further headers."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


@dataclass(frozen=True)
class Door:
    """Under which names and which path the page is asked for."""

    # what is listened on; a wildcard (0.0.0.0, ::) also admits every address in numbers and the name of this machine
    host: str = "127.0.0.1"
    names: frozenset[str] = frozenset()  # further host names, of a proxy or a hub, in lower case; `*` admits all
    root_path: str = ""  # what a proxy has put before the paths, such as /user/x/proxy/8000; empty without one

    @classmethod
    def of(cls, host: str, names: Iterable[str] = (), root_path: str = "") -> Door:
        """From what a person gives.

        Raises:
            UserError: not a name, or not a path.

        >>> Door.of("0.0.0.0", ["Hub.example.org"], "user/x/").root_path
        '/user/x'
        """
        for name in names:
            plain = NAME.fullmatch(name.lower()) and _name(name) == name.lower()
            if not (plain or name == ANY or _is_address(name)):
                meant = _typed(_name(urlsplit(name).netloc if "//" in name else name))
                raise UserError(
                    f"'{name}' is not a host name.", f"Without http://, port and path: --allow-host {meant}"
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
    """

    def __init__(self, app: App, door: Door, limits: Limits) -> None:
        self.app, self.door, self.limits = app, door, limits
        # taken while a body arrives, which is when it costs memory without computing
        self._places = asyncio.Semaphore(limits.requests)
        self._waiting = 0

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

        try:
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
            scope = self._inner(scope)
            self._admit(scope, headers)
            await self._enter()
            try:
                body = await self._body(scope, headers, receive)
            finally:
                self._places.release()
        except Refused as refused:
            # the rest of a body that was not read must not be taken for the next request
            headers = {"connection": "close", **refused.headers}
            await JSONResponse({"reason": refused.reason}, refused.status, headers)(scope, receive, sealed)
            return
        await self.app(scope, _replay(body, receive), sealed)

    def _inner(self, scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The request without the proxy's path, which some proxies take away and others do not."""
        root, path = self.door.root_path, str(scope["path"])
        if not root or not (path == root or path.startswith(f"{root}/")):
            return scope
        if path == root:  # the page's links are relative to a folder
            raise Refused(307, "The page is one / further.", {"location": quote(f"{root}/")})
        inner = path[len(root) :]
        return {**scope, "path": inner, "raw_path": quote(inner).encode("ascii")}

    async def _enter(self) -> None:
        """Takes a place, for which a few wait a little while.

        Raises:
            Refused: as many wait already, or none has become free in time.
        """
        busy = Refused(503, "Too many requests at once; try again in a moment.", {"retry-after": "1"})
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        if self._waiting >= self.limits.waiting:
            raise busy
        self._waiting += 1
        try:
            await asyncio.wait_for(self._places.acquire(), self.limits.patience)
        except asyncio.TimeoutError:
            raise busy from None
        finally:
            self._waiting -= 1

    def _admit(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        name = _name(host)
        if not self.door.admits(name):
            hint = f"If it is yours, start it with --allow-host {_typed(name)}"
            raise Refused(400, f"This server does not answer to that host name. {hint}")
        if not scope["path"].startswith("/api/"):  # a link on another page may lead to this one
            return
        foreign = Refused(403, "Requests from other sites are refused.")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise foreign
        try:
            sender = urlsplit(headers["origin"]).netloc if "origin" in headers else host
        except ValueError:  # not an address
            raise foreign from None
        # some proxies put their own name for this machine into Host, and leave Origin as the browser sent it; `*` names none
        if sender.lower() != host.lower() and _name(sender) not in self.door.names:
            raise foreign

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


def _typed(name: str) -> str:
    """A name that can be typed into a command as it is."""
    return name if NAME.fullmatch(name) else "NAME"


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
