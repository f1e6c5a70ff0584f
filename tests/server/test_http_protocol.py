"""HTTP as its clients speak it, and what of it waits: pipelining, offers of other protocols, heads that are none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from thingstead.broker.net.listening import Port
from thingstead.config import ApiSettings
from thingstead.server.http import HttpListener
from thingstead.server.http_protocol import HEAD_LIMIT_BYTES, HEADERS_LIMIT, PIPELINE_LIMIT_BYTES, BoundedProtocol
from thingstead.server.sockets import bind

TIMEOUT_S = 30
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQ\r\n"


class Application:
    """Answers with what it was sent, once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.seen: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await self.may.wait()
        answer = b"%s %s" % (scope["path"].encode(), body)
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})


class House:
    def __init__(self, listener: HttpListener, application: Application) -> None:
        self.listener, self.application = listener, application

    async def peer(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port)

    @property
    def protocols(self) -> list[BoundedProtocol]:
        return list(self.listener._server.server_state.connections)  # type: ignore[arg-type]

    @property
    def pipelined_bytes(self) -> int:
        return self.listener._context.waiting.used_bytes

    @property
    def unread_bytes(self) -> int:
        return self.listener._context.unread.used_bytes


@pytest.fixture
async def house() -> AsyncIterator[House]:
    application = Application()
    listener = HttpListener(application, [Port(bind("http_port", "127.0.0.1", 0))], ApiSettings())
    await listener.start()
    yield House(listener, application)
    application.may.set()
    await listener.stop()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(TIMEOUT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]), await reader.readexactly(length)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection is closed."""
    received = b""
    async with asyncio.timeout(TIMEOUT_S):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                received += piece
    return received


async def until(condition: Any) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)


class TestHeaders:
    @pytest.mark.parametrize(("count", "status"), [(HEADERS_LIMIT, 200), (HEADERS_LIMIT + 1, 431)])
    async def test_their_number_is_bounded(self, house: House, count: int, status: int) -> None:
        reader, writer = await house.peer()
        writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\n" + b"a:\r\n" * (count - 1) + b"\r\n")
        assert (await answer(reader))[0] == status
        writer.close()

    @pytest.mark.parametrize("answered", [True, False])
    async def test_trailers_are_passed_over_and_their_number_is_bounded(self, house: House, answered: bool) -> None:
        if not answered:
            house.application.may.clear()
        reader, writer = await house.peer()
        chunked = b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        body = b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n"
        if answered:
            writer.write(chunked + body + b"a:\r\n" * HEADERS_LIMIT + b"\r\n")
            assert (await answer(reader))[0] == 200
            assert [name for name, _ in house.application.seen[0]["headers"]] == [b"host", b"transfer-encoding"]
        writer.write(chunked + body + b"a:\r\n" * 10_000)
        assert await rest(reader) == b""
        writer.close()

    async def test_an_idle_connection_does_not_hold_what_it_asked(self, house: House) -> None:
        reader, writer = await house.peer()
        for _ in range(2):
            writer.write(b"POST /a HTTP/1.1\r\nhost: a\r\nb: c\r\ncontent-length: 1\r\n\r\nx")
            assert await answer(reader) == (200, b"/a x")
            [protocol] = house.protocols
            await until(lambda protocol=protocol: not protocol.headers)
            assert [len(each) for each in (protocol.url, protocol.scope, protocol.cycle.scope)] == [0, 0, 0]
        writer.close()

    async def test_a_request_that_waits_behind_a_body_in_chunks_keeps_its_headers(self, house: House) -> None:
        reader, writer = await house.peer()
        chunked = b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        writer.write(chunked + b"GET /d HTTP/1.1\r\nhost: a\r\nb: c\r\n\r\n")
        assert [await answer(reader), await answer(reader)] == [(200, b"/c abc"), (200, b"/d ")]
        assert house.application.seen[1]["headers"] == [(b"host", b"a"), (b"b", b"c")]
        writer.close()


class TestAnswersThatNobodyReads:
    SIZE = 8_000_000  # more than the system takes

    async def unread(self, house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A peer whose answer waits for it."""
        reader, writer = await house.peer()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        head = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % self.SIZE
        writer.write(head + b"x" * self.SIZE)
        seen = len(house.application.seen)
        await until(lambda: len(house.application.seen) > seen)
        return reader, writer

    async def test_the_next_request_waits_until_an_answer_was_read(self, house: House) -> None:
        reader, writer = await self.unread(house)
        await until(lambda: house.unread_bytes)
        writer.write(b"GET /b HTTP/1.1\r\nhost: a\r\n\r\n")
        await until(lambda: house.pipelined_bytes)
        assert len(house.application.seen) == 1
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await answer(reader))[0] == 200
        assert await answer(reader) == (200, b"/b ")
        assert house.unread_bytes == 0
        writer.close()

    async def test_all_connections_together_have_a_bound(self, house: House) -> None:
        _, first = await self.unread(house)
        await until(lambda: house.unread_bytes)
        one = house.unread_bytes
        house.listener._context.unread._limit_bytes = one * 3 // 2  # the next one has more than its part
        _, second = await self.unread(house)
        await until(lambda: len(house.protocols) == 1)
        assert house.unread_bytes == one
        first.transport.abort()
        second.transport.abort()
        await until(lambda: not house.protocols)
        assert house.unread_bytes == 0

    async def test_a_peer_that_reads_nothing_is_cut_when_others_are_idle(self, house: House) -> None:
        _reader, writer = await self.unread(house)
        await until(lambda: house.unread_bytes and house.listener._context.idle)
        context = house.listener._context
        context.close_idle(float("inf"), 0.0)
        assert len(house.protocols) == 1  # it was not asked before whether it reads
        context.close_idle(float("inf"), 0.0)
        await until(lambda: not house.protocols)
        writer.transport.abort()


class TestPipelining:
    async def test_one_request_is_under_way_and_the_others_wait_as_bytes(self, house: House) -> None:
        house.application.may.clear()
        reader, writer = await house.peer()
        requests = [b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(2_000)]
        writer.write(b"".join(requests))
        await until(lambda: house.pipelined_bytes > 30_000 and house.application.seen)
        assert len(house.application.seen) == 1
        assert not house.protocols[0].pipeline
        house.application.may.set()
        for number in range(len(requests)):
            assert await answer(reader) == (200, b"/%d " % number)
        assert house.pipelined_bytes == 0
        writer.close()

    async def test_a_connection_is_not_read_while_much_waits(self, house: House) -> None:
        house.application.may.clear()
        reader, writer = await house.peer()
        request = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n" + b"x" * 1_000
        writer.write(request * 20_000)
        await until(lambda: house.protocols and house.protocols[0].flow.read_paused)
        house.application.may.set()
        for _ in range(300):
            assert (await answer(reader))[0] == 200
            assert house.pipelined_bytes < 10 * PIPELINE_LIMIT_BYTES
        writer.transport.abort()
        await until(lambda: not house.protocols)
        assert house.pipelined_bytes == 0

    async def test_heads_that_have_begun_have_a_bound_for_all_connections(self, house: House) -> None:
        house.listener._context.waiting._limit_bytes = 50_000
        peers = [await house.peer() for _ in range(3)]
        for _, writer in peers:
            writer.write(b"GET /a HTTP/1.1\r\na: " + b"x" * 33_000)
        await until(lambda: house.pipelined_bytes > 30_000 and len(house.protocols) == 1)
        reader, writer = await house.peer()
        writer.write(b"GET /b HTTP/1.1\r\nhost: a\r\n")
        await until(lambda: house.pipelined_bytes > 33_020)
        writer.write(b"\r\n")
        assert await answer(reader) == (200, b"/b ")
        for _, each in [*peers, (reader, writer)]:
            each.transport.abort()
        await until(lambda: not house.protocols)
        assert house.pipelined_bytes == 0

    async def test_all_connections_together_have_a_bound(self, house: House) -> None:
        house.listener._context.waiting._limit_bytes = 50_000
        house.application.may.clear()
        peers = [await house.peer() for _ in range(3)]
        for _, writer in peers:
            writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n" * 1_000)
        await until(lambda: len(house.application.seen) == 3 and len(house.protocols) == 1)
        assert house.pipelined_bytes <= 50_000
        for _, writer in peers:
            writer.transport.abort()

    async def test_requests_behind_a_body_in_chunks_wait_too(self, house: House) -> None:
        house.application.may.clear()
        reader, writer = await house.peer()
        chunked = b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        writer.write(chunked + b"GET /d HTTP/1.1\r\nhost: a\r\n\r\n" * 1_000)
        await until(lambda: house.pipelined_bytes)
        assert len(house.protocols[0].pipeline) < 200
        house.application.may.set()
        assert await answer(reader) == (200, b"/c abc")
        for _ in range(1_000):
            assert await answer(reader) == (200, b"/d ")
        writer.close()

    @pytest.mark.parametrize("size", [1, 3, 50])
    async def test_however_it_is_cut_the_answers_are_the_same(self, house: House, size: int) -> None:
        reader, writer = await house.peer()
        requests = (
            b"\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n"
            b"POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n\r\n\r\nxy"
            b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\na: b\r\n\r\n"
            b"GET /d HTTP/1.0\r\n\r\n"
        )
        for start in range(0, len(requests), size):
            writer.write(requests[start : start + size])
            await asyncio.sleep(0)
        expected = [b"/a ", b"/b \r\n\r\nxy", b"/c \r\n\r\n", b"/d "]
        assert [await answer(reader) for _ in expected] == [(200, body) for body in expected]
        assert await rest(reader) == b""
        writer.close()


class TestOffers:
    @pytest.mark.parametrize("upgrade", [H2C, b"Connection: upgrade\r\nUPGRADE: TLS/1.2\r\n", b"Upgrade: a\r\n" + H2C])
    @pytest.mark.parametrize("cuts", [False, True])
    async def test_an_upgrade_that_is_not_made_is_ignored(self, house: House, upgrade: bytes, cuts: bool) -> None:
        reader, writer = await house.peer()
        for part in (
            b"POST /a HTTP/1.1\r\nHost: a\r\n",
            upgrade[:22],
            upgrade[22:],
            b"Content-Length: 4\r\n\r\n",
            b"body",
        ):
            writer.write(part)
            if cuts:
                await writer.drain()
                await asyncio.sleep(0)
        assert await answer(reader) == (200, b"/a body")
        writer.write(b"GET /b HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n")
        assert await answer(reader) == (200, b"/b ")
        writer.close()

    async def test_blanks_around_a_value_do_not_belong_to_it(self, house: House) -> None:
        reader, writer = await house.peer()
        writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\nproject-key: \t key \t \r\n\r\n")
        assert (await answer(reader))[0] == 200
        assert (b"project-key", b"key") in house.application.seen[0]["headers"]
        writer.close()


class TestHeads:
    @pytest.mark.parametrize("size", [HEAD_LIMIT_BYTES + 1, 100_000, 1_000_000])
    async def test_one_that_is_too_long_is_refused_also_in_one_read(self, house: House, size: int) -> None:
        reader, writer = await house.peer()
        head = b"GET /a HTTP/1.1\r\nhost: a\r\nx: "
        writer.write(head + b"x" * (size - len(head) - 4) + b"\r\n\r\n")
        assert (await answer(reader))[0] == 431
        assert await rest(reader) == b""
        assert not house.application.seen
        writer.close()

    async def test_one_of_just_the_limit_is_taken(self, house: House) -> None:
        reader, writer = await house.peer()
        head = b"GET /a HTTP/1.1\r\nhost: a\r\nx: "
        writer.write(head + b"x" * (HEAD_LIMIT_BYTES - len(head) - 4) + b"\r\n\r\n")
        assert await answer(reader) == (200, b"/a ")
        writer.close()

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1",
            b"GET / HTTP/1.1\r\nx-host: a",
            b"GET / HTTP/1.1\r\nHost: a\r\nHOST: b",
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: a",
        ],
    )
    async def test_a_request_names_its_host_once(self, house: House, head: bytes) -> None:
        reader, writer = await house.peer()
        writer.write(head + b"\r\n\r\n")
        assert await answer(reader) == (
            400,
            b'{"message":"Request invalid","hint":"exactly one Host header is required"}',
        )
        assert not house.application.seen
        writer.close()

    async def test_before_http_1_1_no_host_is_needed(self, house: House) -> None:
        reader, writer = await house.peer()
        writer.write(b"GET /a HTTP/1.0\r\n\r\n")
        assert await answer(reader) == (200, b"/a ")
        writer.close()

    @pytest.mark.parametrize(
        "begun", [b"\x16\x03\x01\x02\x00\x01", b"get / HTTP/1.1\r\n", b"GET / HTTP/1.1\nhost: a\n\n"]
    )
    async def test_what_cannot_be_one_is_refused_at_once(self, house: House, begun: bytes) -> None:
        reader, writer = await house.peer()
        writer.write(begun)
        assert (await answer(reader))[0] == 400
        writer.close()

    async def test_a_tunnel_is_refused(self, house: House) -> None:
        reader, writer = await house.peer()
        writer.write(b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await answer(reader))[0] == 400
        writer.close()
