"""The page behind a proxy or a notebook hub: under a path, under other host names, with and without the path taken away."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegan.errors import UserError
from aegan.serve.guard import Door, RequestGuard
from aegan.serve.limits import Limits

ROOT = "/user/x@y/proxy/8000"


@pytest.fixture
def client(trained: Path) -> Any:
    """The run's page as a hub shows it."""
    from fastapi.testclient import TestClient

    from aegan.serve.app import build_app
    from aegan.serve.following import Following

    door = Door.of("127.0.0.1", ["Hub.example.org", "10.0.0.7"], ROOT)
    app = build_app(None, Following(trained), name="latent", door=door)
    with TestClient(app, base_url="http://hub.example.org", follow_redirects=False) as client:
        yield client


# --- what is given ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["user/x", "/user/x", "/user/x/", "//user/x//"])
def test_paths_as_people_write_them(given: str) -> None:
    assert Door.of("127.0.0.1", (), given).root_path == "/user/x"


def test_no_path() -> None:
    assert Door.of("127.0.0.1", (), "/").root_path == "" == Door.of("127.0.0.1").root_path


@pytest.mark.parametrize("path", ["http://hub/user", "/a?b", "/a#b", "/a/../b", "/a b", "/a\r\nSet-Cookie: x"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(UserError, match="is not a path"):
        Door.of("127.0.0.1", (), path)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("https://hub.example.org/", "hub.example.org"), ("hub.example.org:8000", "hub.example.org"), ("a b", "NAME"),
        ("", "NAME"), ("hub/x", "hub"),
    ],
)  # fmt: skip
def test_what_is_no_name(name: str, fix: str) -> None:
    with pytest.raises(UserError, match="--allow-host") as told:
        Door.of("127.0.0.1", [name])
    assert fix in told.value.fix


def test_commands_refuse_them_before_the_model_is_loaded(tmp_path: Path, aegan_cli: Callable[..., Any]) -> None:
    aegan_cli("serve", tmp_path / "none", "--allow-host", "http://hub/").refused("--allow-host hub")
    aegan_cli("watch", tmp_path / "none", "--root-path", "/a?b").refused("--root-path")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["hub.example.org", "HUB.example.org:443", "10.0.0.7:80", "localhost", "127.0.0.1:8000"]
)
def test_names_that_were_given_are_answered(client: Any, host: str) -> None:
    assert client.get("/api/about", headers={"host": host}).json()["name"] == "latent"


@pytest.mark.parametrize("host", ["evil.example", "hub.example.org.evil.example", "10.0.0.8", "sub.hub.example.org"])
def test_others_are_refused_and_told_how(client: Any, host: str) -> None:
    answer = client.get("/api/about", headers={"host": host})
    assert answer.status_code == 400 and f"--allow-host {host}" in answer.json()["reason"]


def test_a_strange_name_is_not_repeated(client: Any) -> None:
    reason = client.get("/api/about", headers={"host": "a$(reboot)"}).json()["reason"]
    assert "--allow-host NAME" in reason and "reboot" not in reason


def test_any_name_on_request() -> None:
    assert Door.of("127.0.0.1", ["*"]).admits("whatever.example") and not Door().admits("whatever.example")


def test_the_name_of_this_machine_where_all_addresses_are_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "GPU01")
    assert Door("0.0.0.0").admits("gpu01") and not Door("127.0.0.1").admits("gpu01")


def test_a_proxy_that_puts_its_own_name_into_host(client: Any) -> None:
    """As nginx does by default: the browser's Origin is the public name then."""
    there = {"host": "127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    good = client.get("/api/about", headers={**there, "origin": "https://hub.example.org"})
    assert good.status_code == 200
    assert client.get("/api/about", headers={**there, "origin": "https://evil.example"}).status_code == 403
    cross = {"host": "hub.example.org", "origin": "https://hub.example.org", "sec-fetch-site": "same-site"}
    assert client.get("/api/about", headers=cross).status_code == 403


# --- paths ------------------------------------------------------------------------------------------------------------


def test_with_and_without_the_path(client: Any) -> None:
    for at in ("", ROOT, "/user/x%40y/proxy/8000"):
        assert client.get(f"{at}/api/about").json()["follows"] is True
        assert client.get(f"{at}/").headers["content-type"].startswith("text/html")
        assert client.get(f"{at}/static/page.js").status_code == 200
    assert client.get(f"{ROOT}x/api/about").status_code == 404


def test_the_path_alone_leads_to_its_folder(client: Any) -> None:
    answer = client.get(ROOT)
    assert answer.status_code == 307 and answer.headers["location"] == "/user/x%40y/proxy/8000/"


def test_bounds_hold_under_the_path_too(client: Any) -> None:
    assert client.post(f"{ROOT}/api/about", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_links_are_relative(client: Any) -> None:
    html, script = client.get("/").text, client.get("/static/page.js").text
    assert re.findall(r'(?:src|href)="(/[^"]*)"', html) == [] and 'src="static/page.js"' in html
    assert not re.search(r'["`]/(api|static)/', script) and '"api/about"' in script


# --- crowds -----------------------------------------------------------------------------------------------------------


def crowd(count: int, limits: Limits, hold: float) -> list[int]:
    """Statuses of so many requests at once whose bodies take `hold` seconds to arrive."""

    async def ok(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    guard = RequestGuard(ok, Door(), limits)

    async def one() -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(hold)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await guard({"type": "http", "path": "/api/encode", "headers": [(b"host", b"localhost")]}, receive, send)
        return int(sent[0]["status"])

    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(*(one() for _ in range(count))))

    return asyncio.run(all_of_them())


def test_a_few_wait_for_their_turn() -> None:
    assert crowd(6, Limits(requests=2, waiting=4, patience=30), hold=0.05) == [200] * 6


def test_more_than_may_wait_are_sent_away_at_once() -> None:
    assert sorted(crowd(9, Limits(requests=2, waiting=4, patience=30), hold=0.05)) == [200] * 6 + [503] * 3


def test_nobody_waits_for_ever() -> None:
    began = time.monotonic()
    assert sorted(crowd(3, Limits(requests=1, waiting=4, patience=0.05), hold=0.5)) == [200, 503, 503]
    assert time.monotonic() - began < 20


def test_a_dozen_users_at_once_are_all_answered(trained: Path, play: Any) -> None:
    from fastapi.testclient import TestClient

    from aegan.serve.app import build_app

    app = build_app(play, None, name="latent")
    with TestClient(app, base_url="http://localhost") as client:
        statuses: list[int] = []

        def user(seed: int) -> None:
            answer = client.post("/api/samples", json={"count": 16, "seed": seed})
            statuses.append(answer.status_code)
            assert len(json.loads(answer.text)["images"]) == 16

        users = [threading.Thread(target=user, args=(seed,)) for seed in range(12)]
        for each in users:
            each.start()
        for each in users:
            each.join()
    assert statuses == [200] * 12
