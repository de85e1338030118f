"""Around the whole application: who may ask, how much a request may hold, and the headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from aegan.serve.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

UPLOADS = ("/api/encode",)
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
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Guard:
    """An ASGI application around another.

    It answers only to its own names, so that a foreign name made to point here (DNS rebinding) reaches nothing; refuses
    what other sites' pages send; reads bodies whole, within bounds of size and time; and sets the security headers.

    Args:
        app: what is guarded.
        host: the address that is listened on; a wildcard (0.0.0.0, ::) also admits every address in numbers.
        limits: bounds.
    """

    def __init__(self, app: App, host: str, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.names = LOOPBACK | {host.lower()}
        self.wildcard = host in ("0.0.0.0", "::")
        self._inside = 0

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

        self._inside += 1
        try:
            if self._inside > self.limits.requests:
                raise Refused(503, "Too many requests at once; try again in a moment.")
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
            self._admit(scope, headers)
            body = await self._body(scope, headers, receive)
        except Refused as refused:
            await _answer(sealed, refused)
            return
        finally:
            # counted while the body arrives, which is when it costs memory without computing
            self._inside -= 1
        await self.app(scope, _replay(body, receive), sealed)

    def _admit(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        name = _name(host)
        if name not in self.names and not (self.wildcard and _is_address(name)):
            raise Refused(400, "This server does not answer to that host name.")
        if not scope["path"].startswith("/api/"):  # a link on another page may lead to this one
            return
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refused(403, "Requests from other sites are refused.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "Requests from other sites are refused.")

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
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
