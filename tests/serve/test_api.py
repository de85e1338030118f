"""The REST API: what it answers, its bounds, whom it refuses, and that it lives on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from aegan.serve.limits import DIRECTIONS, FRAMES, IMAGES, Limits


def image_bytes(size: tuple[int, int] = (20, 12), kind: str = "PNG", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decoded(uri: str) -> np.ndarray:
    import base64

    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def refused(answer: Any, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    reason = answer.json()["reason"]
    assert reason and "Traceback" not in reason
    for word in words:
        assert word in reason, (word, reason)


def test_the_model_is_told(client: Any) -> None:
    model = client.get("/api/model").json()
    assert model["strategy"] == "latent" and model["shape"] == [3, 16, 16]
    assert model["classes"] == ["disc", "square"] and len(model["code_shape"]) >= 1
    about = client.get("/api/about").json()
    assert about["plays"] and about["follows"]


def test_samples_are_the_models_own(client: Any, play: Any) -> None:
    wish = {"count": 5, "seed": 3, "label": "disc", "truncation": 0.7}
    made = client.post("/api/samples", json=wish).json()
    own = play.model.sample(5, seed=3, label="disc", truncation=0.7)
    assert np.array_equal(np.stack([decoded(uri) for uri in made["images"]]), own)
    np.testing.assert_allclose(made["codes"], play.model.encode(own).reshape(5, -1), rtol=1e-5, atol=1e-6)


def test_files_hold_what_was_shown(client: Any, play: Any) -> None:
    own = play.model.sample(4, seed=1)
    stored = client.post("/api/samples", json={"count": 4, "seed": 1, "format": "npz"})
    assert "attachment" in stored.headers["content-disposition"]
    assert np.array_equal(np.load(io.BytesIO(stored.content), allow_pickle=False)["images"], own)
    shown = client.post("/api/samples", json={"count": 4, "seed": 1, "format": "png"})
    assert Image.open(io.BytesIO(shown.content)).size == (2 * 64 + 2, 2 * 64 + 2)


def test_a_walk_goes_straight_from_code_to_code(client: Any, play: Any) -> None:
    codes = client.post("/api/samples", json={"count": 2}).json()["codes"]
    answer = client.post("/api/walk", json={"start": codes[0], "end": codes[1], "frames": 3}).json()
    middle = (np.array(codes[0]) + np.array(codes[1])) / 2
    np.testing.assert_allclose(answer["codes"][1], middle, rtol=1e-5, atol=1e-6)
    assert np.array_equal(decoded(answer["images"][0]), play.model.decode(play.code(codes[0])[None])[0])
    one = client.post("/api/walk", json={"start": codes[0][:-1], "end": codes[1]})
    refused(one, 400, "numbers")


def test_an_image_is_encoded_as_the_model_sees_it(client: Any, play: Any, folder: Path) -> None:
    from aegan.data.decode import read_image
    from aegan.data.format import ImageFormat

    path = next(folder.rglob("*.png"))
    found = client.post("/api/encode", content=path.read_bytes()).json()
    seen = read_image(path, ImageFormat((16, 16), 3))
    assert np.array_equal(decoded(found["seen"]), seen)
    back = play.model.reconstruct(seen[None])[0]
    assert np.array_equal(decoded(found["reconstruction"]), back)
    error = ((seen.astype(float) - back) ** 2).mean()
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=0.01)
    assert client.post("/api/encode", content=image_bytes(kind="JPEG")).status_code == 200
    stored = client.post("/api/encode?format=npz", content=path.read_bytes())
    assert np.load(io.BytesIO(stored.content), allow_pickle=False)["code"].size == len(found["code"])


def test_the_nearest_neighbour_of_a_training_image_is_itself(client: Any, play: Any) -> None:
    data = play.run.data()
    code = play.model.encode(data.train.items[7:8])[0].reshape(-1)
    answer = client.post("/api/neighbours", json={"code": code.tolist(), "count": 5}).json()
    assert answer["source"] == "training" and f"{len(data.train)} training images" in answer["among"]
    first = answer["neighbours"][0]
    assert np.array_equal(decoded(first["image"]), data.train.items[7])
    assert first["distance"] == pytest.approx(0, abs=1e-4) and first["name"] == data.train.names[7]
    assert first["label"] == data.spec.classes[data.train.labels[7]]
    distances = [one["distance"] for one in answer["neighbours"]]
    assert distances == sorted(distances)


def test_without_its_data_a_model_is_compared_with_samples(trained: Path) -> None:
    import aegan
    from aegan.serve.play import Play

    play = Play(aegan.load(trained / "model", "cpu"), None)
    assert play.searched.source == "samples" and "without its run" in play.searched.description


def test_directions_are_those_of_most_variance(client: Any, play: Any) -> None:
    found = client.get("/api/directions").json()
    codes = play.model.encode(play.model.sample(found["samples"], seed=0)).reshape(found["samples"], -1)
    values = np.linalg.eigvalsh(np.cov(codes.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(found["shares"], (values / values.sum())[: len(found["shares"])], rtol=1e-3)
    mean = client.post("/api/directions", json={"amounts": []}).json()["codes"][0]
    np.testing.assert_allclose(mean, codes.mean(0), atol=1e-4)
    moved = client.post("/api/directions", json={"amounts": [2.0]}).json()["codes"][0]
    assert np.linalg.norm(np.subtract(moved, mean)) == pytest.approx(2 * values[0] ** 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("samples", {"count": IMAGES + 1}),
        ("samples", {"count": 0}),
        ("samples", {"seed": 2**53}),
        ("samples", {"seed": -1}),
        ("samples", {"truncation": 0}),
        ("samples", {"truncation": 1.5}),
        ("samples", {"path": "/etc/passwd"}),
        ("samples", {"format": "pickle"}),
        ("walk", {"start": [0.0], "end": [0.0], "frames": FRAMES + 1}),
        ("walk", {"start": [1e30], "end": [0.0]}),
        ("directions", {"amounts": [0.0] * (DIRECTIONS + 1)}),
        ("directions", {"amounts": [99.0]}),
        ("neighbours", {"code": [0.0], "count": 10**6}),
    ],
)
def test_what_is_out_of_bounds_is_refused(client: Any, path: str, wish: dict[str, Any]) -> None:
    refused(client.post(f"/api/{path}", json=wish), 422)


def test_unknown_classes_and_broken_json(client: Any) -> None:
    refused(client.post("/api/samples", json={"label": "squaer"}), 400, "square")
    send = {"content-type": "application/json"}
    for content in (b"{", b'{"truncation": NaN}', b"\xff", b"[]", b"null", b'{"seed": 1e400}'):
        answer = client.post("/api/samples", content=content, headers=send)
        refused(answer, 400 if content == b"\xff" else 422)
    refused(client.get("/api/nothing"), 404)
    refused(client.get("/static/..%2fapp.py"), 404)
    refused(client.get("/api/samples"), 405)


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few hundred bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_uploads_that_are_no_image(client: Any) -> None:
    whole = image_bytes((40, 40))
    for content in (b"", b"hello", b"\x80\x04\x95pickle", whole[:20], whole[: len(whole) // 2], bomb()):
        refused(client.post("/api/encode", content=content), 400, "can't be used")
    large = io.BytesIO()
    Image.new("1", (8000, 8000)).save(large, "PNG")
    refused(client.post("/api/encode", content=large.getvalue()), 400, "million pixels")
    refused(client.post("/api/encode", content=bytes(Limits().upload + 1)), 413, "MB")
    pieces = iter([bytes(2**20)] * (Limits().upload // 2**20 + 1))  # chunked: no length told
    refused(client.post("/api/encode", content=pieces), 413, "MB")
    refused(client.post("/api/samples", content=bytes(Limits().body + 1)), 413)
    assert client.post("/api/encode", content=whole).status_code == 200  # it lives on


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), content=st.binary(max_size=64))
def test_damaged_images_are_refused_or_read(client: Any, at: int, bit: int, content: bytes) -> None:
    raw = bytearray(image_bytes((9, 9)))
    raw[at % len(raw)] ^= 1 << bit
    for body in (bytes(raw), content):
        answer = client.post("/api/encode", content=body)
        assert answer.status_code in (200, 400), answer.text
        assert answer.status_code == 200 or answer.json()["reason"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)
KEYS = st.sampled_from(["count", "seed", "label", "truncation", "format", "start", "end", "code", "amounts", "frames"])


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["samples", "walk", "directions", "neighbours"]),
    wish=st.dictionaries(KEYS, anything) | anything,
)
def test_whatever_is_sent_gets_a_reason(client: Any, path: str, wish: Any) -> None:
    send = {"content-type": "application/json"}
    body = json.dumps(wish).encode("utf-8", "surrogatepass")
    answer = client.post(f"/api/{path}", content=body, headers=send)
    assert answer.status_code in (200, 400, 422), answer.text
    assert answer.status_code == 200 or answer.json()["reason"]


def test_every_answer_carries_the_policy(client: Any) -> None:
    for answer in (
        client.get("/"),
        client.get("/static/page.js"),
        client.get("/api/about"),
        client.get("/api/nothing"),
        client.post("/api/samples", json={"count": -1}),
        client.get("/api/about", headers={"host": "evil.example"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers.get_list("cache-control") == ["no-store"]


def test_foreign_names_and_foreign_pages_are_refused(client: Any) -> None:
    for host in ("evil.example", "evil.example:8000", "", "127.0.0.1.evil.example", "[::1", "10.0.0.1"):
        refused(client.get("/api/about", headers={"host": host}), 400, "host name")
    for host in ("127.0.0.1:8000", "localhost:1", "[::1]:8000", "LOCALHOST"):
        assert client.get("/api/about", headers={"host": host}).status_code == 200
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://evil.example"},
        {"origin": "http://["},
    ):
        refused(client.post("/api/samples", json={"count": 1}, headers=headers), 403, "other sites")
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/api/samples", json={"count": 1}, headers=own).status_code == 200
    # a link to the page itself may stand anywhere
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_a_wildcard_host_admits_addresses_but_no_names() -> None:
    from fastapi.testclient import TestClient

    from aegan.serve.app import build_app
    from aegan.serve.guard import Door

    app = build_app(None, None, name="x", door=Door("0.0.0.0"))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/api/about", headers={"host": "192.168.1.7:8000"}).status_code == 200
        refused(client.get("/api/about", headers={"host": "evil.example"}), 400)


class Slow:
    """In the place of a model: computes until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def about(self) -> dict[str, Any]:
        shape = {"shape": [3, 16, 16], "code_shape": [4], "classes": [], "capabilities": ["sample"]}
        return {"strategy": "gan", "data": None, "trained_on": 1, "device": "cpu", **shape}

    def code(self, _: Any) -> Any:
        self.go.wait(20)
        raise ValueError("secret")


Answer = tuple[int, dict[str, Any], dict[str, str]]


def asked(app: Any, count: int, then: Any, last: str = "/api/directions") -> list[Answer]:
    """GET /api/directions so many times at once, straight through ASGI, the last time `last`; `then` is called meanwhile."""

    async def one(path: str = "/api/directions") -> Answer:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        with contextlib.suppress(ValueError):  # answered with 500, then raised for the server's log
            await app(scope, receive, send)
        heads = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], json.loads(b"".join(m.get("body", b"") for m in sent[1:])), heads

    async def all_of_them() -> Any:
        tasks = [asyncio.create_task(one()) for _ in range(count - 1)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(one(last)))
        await asyncio.sleep(0.2)
        then()
        return await asyncio.gather(*tasks)

    return asyncio.run(all_of_them())


def test_a_crowd_is_sent_away_and_told_when_to_come_back() -> None:
    from aegan.serve.app import build_app

    slow = Slow()
    app = build_app(slow, None, name="x", limits=Limits(computing=2))  # type: ignore[arg-type]
    answers = asked(app, 6, slow.go.set)
    away = [a for a in answers if a[0] == 503]
    assert len(away) == 4 and all(a[2]["retry-after"] == "1" and "busy" in a[1]["reason"] for a in away)
    failed = [a for a in answers if a[0] == 500]
    assert len(failed) == 2 and all(
        "secret" not in a[1]["reason"] and "content-security-policy" in a[2] for a in failed
    )


def test_a_busy_model_tells_what_it_is() -> None:
    from aegan.serve.app import build_app

    slow = Slow()
    app = build_app(slow, None, name="x", limits=Limits(computing=2))  # type: ignore[arg-type]
    answers = asked(app, 5, slow.go.set, last="/api/model")
    assert [a[0] for a in answers].count(503) == 2
    assert answers[-1][0] == 200 and answers[-1][1]["strategy"] == "gan"


def test_pages_answer_to_head_and_nothing_is_redirected(client: Any) -> None:
    for path in ("/", "/static/page.js"):
        answer = client.head(path)
        assert answer.status_code == 200 and not answer.content
        assert answer.headers["content-length"] == client.get(path).headers["content-length"]
    assert client.get("/api/model/", follow_redirects=False).status_code == 404


def test_what_takes_too_long_is_given_up() -> None:
    from aegan.serve.app import build_app

    slow = Slow()
    app = build_app(slow, None, name="x", limits=Limits(seconds=0.1))  # type: ignore[arg-type]
    ((status, content, _),) = asked(app, 1, lambda: None)
    slow.go.set()
    assert status == 504 and "longer than" in content["reason"]


def test_a_body_that_does_not_come_is_given_up() -> None:
    from aegan.serve.guard import Door, RequestGuard

    async def never(*_: Any) -> Any:
        await asyncio.sleep(60)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    guard = RequestGuard(never, Door(), Limits(receiving=0.05))
    scope = {"type": "http", "path": "/api/encode", "headers": [(b"host", b"localhost")]}
    asyncio.run(guard(scope, never, send))
    assert sent[0]["status"] == 408


def test_the_schema_is_whole_and_the_pages_that_need_a_network_are_off(client: Any) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    paths = {"/api/about", "/api/model", "/api/samples", "/api/walk", "/api/encode", "/api/directions", "/api/neighbours",
             "/api/run", "/api/run/log", "/api/run/grid"}  # fmt: skip
    assert set(schema["paths"]) == paths
    known = schema["components"]["schemas"]

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            return [v for k, v in part.items() if k == "$ref"] + [r for v in part.values() for r in references(v)]
        return [r for v in part for r in references(v)] if isinstance(part, list) else []

    assert {r.rpartition("/")[2] for r in references(schema)} <= set(known)
    for path in ("/docs", "/redoc"):
        refused(client.get(path), 404)


@pytest.mark.slow
def test_schemathesis_finds_nothing(trained: Path, play: Any) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from aegan.serve.app import build_api
    from aegan.serve.following import Following

    api = build_api(play, Following(trained), name="latent", limits=Limits())
    schema = schemathesis.openapi.from_asgi("/openapi.json", api)
    for operation in schema.get_all_operations():
        call = operation.ok()

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=call.as_strategy())
        def one(case: Any) -> None:
            answer = case.call()
            assert answer.status_code < 500

        one()


def test_vectors_are_drawn_and_their_other_uses_refused(vector_run: Path) -> None:
    from fastapi.testclient import TestClient

    import aegan
    from aegan.runs.folder import Run
    from aegan.serve.app import build_app
    from aegan.serve.play import Play

    app = build_app(Play(aegan.load(vector_run, "cpu"), Run(vector_run)), None, name="points")
    with TestClient(app, base_url="http://localhost") as client:
        made = client.post("/api/samples", json={"count": 50}).json()
        assert len(made["images"]) == 1 and decoded(made["images"][0]).shape == (480, 480, 3)
        refused(client.post("/api/encode", content=image_bytes()), 400, "vectors")
        code = client.post("/api/samples", json={"count": 1}).json()["codes"][0]
        refused(client.post("/api/neighbours", json={"code": code}), 400, "vectors")
