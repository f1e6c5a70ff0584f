"""The bounds of an HTTP connection, against an application that reads every body."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from thingstead.broker.net.listening import Port
from thingstead.config import ApiSettings
from thingstead.server import http_protocol
from thingstead.server.http import HttpListener
from thingstead.server.http_protocol import HEAD_LIMIT_BYTES
from thingstead.server.sockets import bind

GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"


async def count_body(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; ``/early`` does not wait for it."""
    length, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % length
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


Connect = Callable[[], Any]


@contextlib.asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[HttpListener]:
    listener = HttpListener(count_body, [Port(bind("http_port", "127.0.0.1", 0))], ApiSettings(**settings))
    await listener.start()
    yield listener
    await listener.stop()


@pytest.fixture
async def listener() -> AsyncIterator[HttpListener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def peer(listener: HttpListener) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    yield reader, writer
    writer.close()


Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]), await reader.readexactly(length)


async def closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(30):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
    return True


async def test_a_request_is_answered_and_the_connection_stays(peer: Peer) -> None:
    reader, writer = peer
    for _ in range(3):
        writer.write(GET)
        assert await answer(reader) == (200, b"0")


async def test_pipelined_requests_are_answered_in_order(peer: Peer) -> None:
    reader, writer = peer
    bodies = [b"x" * size for size in (3, 1, 2)]
    writer.write(b"".join(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(b), b) for b in bodies))
    assert [await answer(reader) for _ in bodies] == [(200, b"3"), (200, b"1"), (200, b"2")]


@pytest.mark.parametrize("part", [b"GET /" + b"x" * 200_000, b"GET / HTTP/1.1\r\na: " + b"x" * 200_000])
async def test_a_head_over_the_limit_is_refused_and_the_connection_closed(peer: Peer, part: bytes) -> None:
    reader, writer = peer
    writer.write(part)
    assert (await answer(reader))[0] == 431
    assert await closed(reader)


async def test_endless_headers_are_refused_too(peer: Peer) -> None:
    reader, writer = peer
    writer.write(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (HEAD_LIMIT_BYTES // 6 + 10))
    assert (await answer(reader))[0] == 431


async def test_endless_trailers_end_the_connection(peer: Peer) -> None:
    reader, writer = peer
    writer.write(
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + b"a: b\r\n" * 100_000
    )
    assert await closed(reader)


async def test_a_body_in_the_smallest_chunks_is_taken(peer: Peer) -> None:
    reader, writer = peer
    size = HEAD_LIMIT_BYTES
    writer.write(
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * size + b"0\r\n\r\n"
    )
    assert await answer(reader) == (200, b"%d" % size)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nhost:"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(begun: bytes) -> None:
    async with listening(head_timeout_s=0.05) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(begun)
        assert await closed(reader)
        writer.close()


async def test_a_second_head_that_does_not_come_in_time_ends_the_connection() -> None:
    async with listening(head_timeout_s=0.5) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await answer(reader)
        writer.write(b"GET / HTTP")
        assert await closed(reader)
        writer.close()


async def test_a_head_whose_bytes_keep_coming_must_be_complete_in_time_all_the_same() -> None:
    async with listening(head_timeout_s=0.3) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)

        async def dribble() -> None:
            for byte in b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 100:
                writer.write(bytes((byte,)))
                await asyncio.sleep(0.02)

        dribbling = asyncio.ensure_future(dribble())
        assert await closed(reader)
        dribbling.cancel()
        writer.close()


async def test_the_rest_of_a_body_that_was_refused_early_must_come_in_time(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "DRAIN_TIMEOUT_S", 0.05)
    reader, writer = peer
    writer.write(b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nx")
    assert await answer(reader) == (200, b"0")
    assert await closed(reader)


async def test_nonsense_is_refused_with_400(peer: Peer) -> None:
    reader, writer = peer
    writer.write(b"\x10\x0c\x00\x04MQTT\x04\x02\x00<\x00\x00")
    assert (await answer(reader))[0] == 400
    assert await closed(reader)


async def test_stopping_closes_idle_connections_and_waits_for_requests_under_way(peer: Peer) -> None:
    reader, writer = peer
    listener = HttpListener(count_body, [Port(bind("http_port", "127.0.0.1", 0))], ApiSettings())
    await listener.start()
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", listener.port)
    busy_reader, busy_writer = await asyncio.open_connection("127.0.0.1", listener.port)
    busy_writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx")
    await busy_writer.drain()
    writer.write(GET)  # a round trip on another connection: the request above has arrived
    await answer(reader)
    stopping = asyncio.ensure_future(listener.stop())
    assert await closed(idle_reader)
    busy_writer.write(b"y")
    assert await answer(busy_reader) == (200, b"2")
    await stopping
    assert not listener.running
    idle_writer.close()
    busy_writer.close()


async def peer_of(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the address of the peer."""
    body = f"{scope['client'][0]} {scope['client'][1]}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def test_behind_a_load_balancer_the_address_is_that_of_the_real_peer() -> None:
    listener = HttpListener(peer_of, [Port(bind("http_port", "127.0.0.1", 0), proxied=True)], ApiSettings())
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 80\r\n" + GET)
    assert await answer(reader) == (200, b"192.0.2.7 40000")
    writer.close()
    await listener.stop()


async def tell_client(scope: Any, receive: Any, send: Any) -> None:
    """Answers with whom the request is from, and how it came."""
    body = f"{scope['client'][0]} {scope['scheme']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("trusted", "expected"), [(("127.0.0.1",), b"2001:db8::7 https"), (("10.0.0.0/8",), b"127.0.0.1 http")]
)
async def test_a_request_is_from_whom_a_trusted_proxy_says_and_from_the_peer_otherwise(
    trusted: tuple[str, ...], expected: bytes
) -> None:
    port = Port(bind("http_port", "127.0.0.1", 0))
    listener = HttpListener(tell_client, [port], ApiSettings(trusted_proxies=trusted))
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    for forwarding in (b"x-forwarded-for: 2001:db8::7\r\nX-Forwarded-Proto: https\r\n", b""):
        writer.write(b"GET /x HTTP/1.1\r\nhost: a\r\n" + forwarding + b"\r\n")
        assert await answer(reader) == (200, expected if forwarding else b"127.0.0.1 http")
    writer.close()
    await listener.stop()


async def test_a_connection_that_asks_for_nothing_more_is_closed_in_time() -> None:
    async with listening(keep_alive_timeout_s=1) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await answer(reader)
        assert await closed(reader)
        writer.close()
