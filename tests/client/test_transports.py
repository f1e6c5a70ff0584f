"""HTTP of the client library against servers that behave, and against those that do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.client.scripted import OK, Scripted
from thingstead.client import blocking, concurrent
from thingstead.client.blocking import BlockingTransport
from thingstead.client.concurrent import AsyncTransport
from thingstead.client.http import Origin, Request, Response, segment, target
from thingstead.errors import InvalidInput, Unavailable

GET = Request("GET", "/x?y=1", {"A": "b"})
POST = Request("POST", "/x", {}, b"body")
Send = Callable[[Request], Awaitable[Response]]


@pytest.fixture(params=["threads", "asyncio"])
async def send(request: pytest.FixtureRequest, scripted: Scripted) -> AsyncIterator[Send]:
    """Both transports, to the scripted server."""
    if request.param == "threads":
        blocking_transport = BlockingTransport(scripted.url, timeout_s=2)

        async def in_thread(request: Request) -> Response:
            return await asyncio.to_thread(blocking_transport.send, request)

        yield in_thread
        blocking_transport.close()
    else:
        transport = AsyncTransport(scripted.url, timeout_s=2)
        yield transport.send
        await transport.close()


async def test_a_request_is_http_and_the_response_is_whole(send: Send, scripted: Scripted) -> None:
    response = await send(POST)
    assert (response.status, response.body, response.headers["x-some"]) == (200, b"ok", "Thing")
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/x HTTP/1.1\r\n")
    assert b"host: 127.0.0.1:" in head.lower()
    assert b"content-length: 4" in head.lower()
    assert body == b"body" or scripted.requests[1] == b"body"


async def test_a_connection_is_used_again(send: Send, scripted: Scripted) -> None:
    for _ in range(3):
        await send(GET)
    assert scripted.connections == 1


async def test_a_connection_that_was_closed_meanwhile_is_replaced(send: Send, scripted: Scripted) -> None:
    scripted.script = [OK, None]
    assert [(await send(GET)).body for _ in range(2)] == [b"ok", b"ok"]
    assert scripted.connections == 2


async def test_what_is_not_safe_to_repeat_is_not_repeated(send: Send, scripted: Scripted) -> None:
    await send(GET)
    scripted.script = [None]
    with pytest.raises(Unavailable):
        await send(POST)
    assert scripted.connections == 1
    assert (await send(POST)).body == b"ok"


async def test_requests_at_once_have_connections_of_their_own(send: Send, scripted: Scripted) -> None:
    assert [answer.body for answer in await asyncio.gather(*(send(GET) for _ in range(5)))] == [b"ok"] * 5
    assert scripted.connections <= 5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_every_way_to_end_a_body_is_understood(send: Send, scripted: Scripted, answer: bytes) -> None:
    scripted.script = [answer]
    assert [(await send(GET)).body for _ in range(2)] == [b"ok", b"ok"]


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nclose", b"\0" * 64, None]
)
async def test_what_is_no_whole_response_is_unavailable(send: Send, scripted: Scripted, answer: bytes | None) -> None:
    scripted.script = [answer]
    with pytest.raises(Unavailable):
        await send(GET)
    assert (await send(GET)).body == b"ok"


async def test_a_response_that_is_too_large_is_given_up(
    send: Send, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (blocking, concurrent):
        monkeypatch.setattr(module, "BODY_BYTES", 1)
    with pytest.raises(Unavailable, match="more than 1 bytes"):
        await send(GET)


async def test_an_idle_connection_is_not_trusted_for_ever(
    send: Send, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(GET)
    for module in (blocking, concurrent):
        monkeypatch.setattr(module, "IDLE_S", 0)
    await send(GET)
    assert scripted.connections == 2


async def test_a_server_that_does_not_answer_is_unavailable(scripted: Scripted) -> None:
    scripted.script = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"] * 2
    transport = AsyncTransport(scripted.url, timeout_s=0.05)
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        await transport.send(GET)
    slow = BlockingTransport(scripted.url, timeout_s=0.05)
    with pytest.raises(Unavailable, match="timed out"):
        await asyncio.to_thread(slow.send, GET)


async def test_a_port_that_nobody_listens_on_is_unavailable(scripted: Scripted) -> None:
    await scripted.close()
    with pytest.raises(Unavailable, match="does not answer"):
        await AsyncTransport(scripted.url).send(GET)
    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.to_thread(BlockingTransport(scripted.url).send, GET)


async def test_a_further_request_waits_for_a_connection(scripted: Scripted) -> None:
    transport = AsyncTransport(scripted.url, connections=2)
    await asyncio.gather(*(transport.send(GET) for _ in range(10)))
    assert scripted.connections == 2
    await transport.close()


@pytest.mark.parametrize("url", ["", "x", "ftp://x", "http://", "http://x:99999", "http://x?y", "http://[::1", "//x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="url"):
        Origin.parse(url)


def test_an_origin_is_where_the_url_says() -> None:
    assert Origin.parse("http://things.example") == Origin(False, "things.example", 80, "")
    assert Origin.parse("https://[::1]:8443/things/") == Origin(True, "::1", 8443, "/things")
    assert Origin.parse("https://[::1]:8443").name == "[::1]:8443"
    assert Origin.parse("https://things.example").name == "things.example"


def test_a_path_is_quoted() -> None:
    assert segment("a/b?c#d%") == "a%2Fb%3Fc%23d%25"
    assert segment("..") == "%2E%2E"
    assert target("/x", {"a": "ä&", "b": None, "c": True, "d": 1}) == "/x?a=%C3%A4%26&c=1&d=1"
