"""Requests that the server refuses for now are sent again, where that is safe, and not for ever."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from tests.client.scripted import OK, Scripted
from thingstead.client import AsyncHttpDevice, Certificate, Retries
from thingstead.client.blocking import BlockingTransport
from thingstead.client.concurrent import AsyncTransport
from thingstead.client.http import Request, Response
from thingstead.errors import TooManyRequests, Unavailable

GET = Request("GET", "/x", {})
POST = Request("POST", "/x", {}, b"{}")
QUICK = Retries(count=2, pause_max_s=0.6)
Send = Callable[[Request], Awaitable[Response]]


def refusal(status: int, *, errcode: int = 0, retry_after: str = "") -> bytes:
    body = msgspec.json.encode({"result": 0, "errcode": errcode, "message": "not now"}) if errcode else b"gone"
    header = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return f"HTTP/1.1 {status} No\r\n{header}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(params=["threads", "asyncio"])
async def send(request: pytest.FixtureRequest, scripted: Scripted) -> AsyncIterator[Send]:
    """Both transports, to the scripted server."""
    if request.param == "threads":
        blocking = BlockingTransport(scripted.url, timeout_s=2, retries=QUICK)
        yield lambda request: asyncio.to_thread(blocking.send, request)
        blocking.close()
    else:
        concurrent = AsyncTransport(scripted.url, timeout_s=2, retries=QUICK)
        yield concurrent.send
        await concurrent.close()


@pytest.mark.parametrize("request_", [GET, POST])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_of_the_server_itself_is_sent_again_whatever_the_method(
    scripted: Scripted, send: Send, request_: Request, status: int
) -> None:
    scripted.script = [refusal(status, errcode=status), OK]
    assert (await send(request_)).status == 200
    assert len(scripted.requests) == 2
    assert scripted.requests[0] == scripted.requests[1]


async def test_a_503_of_a_proxy_is_sent_again_only_if_the_method_is_safe_to_repeat(
    scripted: Scripted, send: Send
) -> None:
    scripted.script = [refusal(503), OK, refusal(503), OK]
    assert (await send(GET)).status == 200
    assert (await send(POST)).status == 503
    assert len(scripted.requests) == 3


async def test_other_failures_are_not_sent_again(scripted: Scripted, send: Send) -> None:
    scripted.script = [refusal(500), refusal(502), refusal(200, errcode=503)]
    assert [(await send(GET)).status for _ in range(3)] == [500, 502, 200]
    assert len(scripted.requests) == 3


async def test_after_the_last_attempt_the_refusal_is_returned(scripted: Scripted, send: Send) -> None:
    scripted.script = [refusal(503, errcode=503)] * 4
    assert (await send(GET)).status == 503
    assert len(scripted.requests) == 1 + QUICK.count


async def test_a_retry_after_beyond_the_longest_pause_is_raised_at_once(scripted: Scripted, send: Send) -> None:
    for asked in ("1", "86400", "9" * 40):
        scripted.script = [refusal(429, errcode=429, retry_after=asked), OK]
        assert (await send(GET)).status == 429
        scripted.script.clear()
    assert len(scripted.requests) == 3


async def test_a_pause_is_as_long_as_the_server_asked_for(scripted: Scripted) -> None:
    transport = AsyncTransport(scripted.url, timeout_s=2, retries=Retries(1, pause_max_s=5))
    scripted.script = [refusal(429, errcode=429, retry_after="1"), OK]
    begun = time.monotonic()
    assert (await transport.send(GET)).status == 200
    assert time.monotonic() - begun >= 1
    await transport.close()


async def test_a_device_over_http_reports_again_and_without_retries_raises(scripted: Scripted) -> None:
    done = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"result":1}'
    device = AsyncHttpDevice(scripted.url, Certificate("a", "b"), retries=QUICK)
    scripted.script = [refusal(503, errcode=503), done]
    assert await device.report({"t": 1}) == []
    await device.close()
    once = AsyncHttpDevice(scripted.url, Certificate("a", "b"), retries=Retries(0))
    scripted.script = [refusal(503, errcode=503), refusal(429, errcode=429, retry_after="7")]
    with pytest.raises(Unavailable):
        await once.report({"t": 1})
    with pytest.raises(TooManyRequests) as raised:
        await once.report({"t": 1})
    assert raised.value.retry_after_s == 7
    await once.close()
