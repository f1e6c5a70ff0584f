"""How much of a body is read, compressed or not, and what becomes of an answer."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.framework.endpoints import (
    APP,
    Connect,
    app,
    declare,
    named,
    tokens_only,
)
from thingstead.api.app import create_app
from thingstead.api.body import DISCARD_LIMIT_BYTES
from thingstead.api.endpoint import ApiCall
from thingstead.config import ApiSettings
from thingstead.metrics import Metrics

LONG = {"name": "a", "tags": {str(number): "x" * 20 for number in range(50)}}


@pytest.mark.parametrize("length", [101, 50_000, DISCARD_LIMIT_BYTES + 200_000])
async def test_a_body_over_the_limit_is_413(connect: Connect, length: int) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=100)))

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, length, 65_536):
            yield b"x" * min(65_536, length - start)

    response = await client.post("/open", content=stream())
    assert (response.status_code, response.json()["errcode"]) == (413, 413)
    assert response.headers["connection"] == "close"


async def test_a_body_of_exactly_the_limit_is_read(connect: Connect) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=100)))
    response = await client.post("/open", content=b'{"name":"a"}'.ljust(100))
    assert response.json()["result"] is True


async def test_a_body_that_never_ends_is_408() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append("part")
            return {"type": "http.request", "body": b"{", "more_body": True}
        raise TimeoutError  # as asyncio.timeout does when its time is over

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/open", "headers": [], "query_string": b""}
    await app()(scope, receive, send)
    assert sent[1]["status"] == 408


async def test_a_peer_that_hangs_up_gets_no_answer() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/open", "headers": [], "query_string": b""}
    await app()(scope, receive, send)
    assert sent == []


async def test_a_large_read_whose_peer_hangs_up_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def read(call: ApiCall) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    endpoint = declare("GET", "/large", read, large=lambda call: True)
    platform = tokens_only()
    application = create_app(platform, ApiSettings(), lambda: None, Metrics(), [endpoint])
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        if len(messages) == 1:
            await begun.wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer app")]
    scope = {"type": "http", "method": "GET", "path": "/large", "query_string": b"", "headers": headers}
    await application(scope, receive, send)
    assert cancelled.is_set()
    assert sent == []


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_body_may_be_compressed(client: httpx.AsyncClient, encoding: str, compress: Any) -> None:
    content = compress(json.dumps(LONG).encode())
    answer = await client.post("/things", content=content, headers={**APP, "Content-Encoding": encoding})
    assert answer.json()["info"]["body"]["tags"] == LONG["tags"]


async def test_a_compressed_body_has_the_limit_of_its_content(connect: Connect) -> None:
    client = connect(app(ApiSettings(body_limit_bytes=2_000)))
    bomb = gzip.compress(b" " * 10_000_000, 9)
    packed = {**APP, "Content-Encoding": "gzip"}
    tracemalloc.start()
    assert (await client.post("/things", content=bomb[:1_900], headers=packed)).status_code == 413
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    exact = json.dumps({"name": "a"}).encode().ljust(2_000)
    assert (await client.post("/things", content=gzip.compress(exact), headers=packed)).json()["result"] is True


@pytest.mark.parametrize(
    ("encoding", "content", "field"),
    [
        ("br", b"{}", "Content-Encoding"),
        ("gzip", b'{"name":"a"}', "body"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "body"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", "body"),
        ("deflate", b"", "body"),
    ],
)
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(
    client: httpx.AsyncClient, encoding: str, content: bytes, field: str
) -> None:
    answer = await client.post("/things", content=content, headers={**APP, "Content-Encoding": encoding})
    assert set(named(answer)) == {field}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("br, GZIP;q=0.5", "gzip"), ("*", "gzip"), ("gzip;q=0", None), ("br", None), ("identity", None)],
)
async def test_a_long_answer_is_compressed_for_who_asks_for_it(
    client: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    for body in (LONG, {**LONG, "tags": {str(number): "x" * 500 for number in range(500)}}):
        answer = await client.post("/things", json=body, headers={**APP, "Accept-Encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers.get("vary") == (encoding and "accept-encoding")
        assert answer.json()["info"]["body"]["tags"] == body["tags"]
    short = await client.get("/nothing", headers={**APP, "Accept-Encoding": accepted})
    assert "content-encoding" not in short.headers


async def test_an_answer_with_a_credential_is_not_compressed(connect: Connect) -> None:
    async def secret(call: ApiCall) -> dict[str, str]:
        return {"token": "x" * 5_000}

    endpoint = declare("GET", "/secret", secret, confidential=True)
    platform = tokens_only()
    client = connect(create_app(platform, ApiSettings(), lambda: None, Metrics(), [endpoint]))
    answer = await client.get("/secret", headers={**APP, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
