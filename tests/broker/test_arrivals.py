"""Who is let in: shares of addresses, what a kind of port and the process may hold, and life without descriptors."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from thingstead.broker.net import listening
from thingstead.broker.net.admission import DESCRIPTORS_RESERVED, UNPROVEN_COUNT_LEAST, WARNING_S, Arrival, Arrivals
from thingstead.broker.net.listening import Port, listen
from thingstead.clock import ManualClock
from thingstead.config import ApiSettings
from thingstead.model.addresses import TrustedProxies
from thingstead.server.http import HttpListener
from thingstead.server.sockets import bind

TIMEOUT_S = 30
GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"


class Held(asyncio.Protocol):
    """Keeps its connection; a byte proves something."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrival.proved()
        self._transport.write(data)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.ended()


def test_an_address_has_a_share_of_those_that_proved_nothing() -> None:
    entrance = Arrivals(ManualClock(), descriptors=100_000).entrance("MQTT", 10_000)
    arrivals = [entrance.admit("192.0.2.1") for _ in range(entrance.share)]
    assert all(arrivals)
    assert entrance.admit("192.0.2.1") is None
    assert entrance.admit("192.0.2.2") is not None
    first, second, *_ = arrivals
    assert first is not None
    assert second is not None
    first.proved()
    second.ended()
    assert [entrance.admit("192.0.2.1") is None for _ in range(3)] == [False, False, True]
    assert entrance.refused == 2


def test_an_ipv6_subscriber_is_one_address_and_so_is_an_ipv4_one_in_its_clothes() -> None:
    entrance = Arrivals(ManualClock(), descriptors=100_000).entrance("MQTT", 64)
    for number in range(UNPROVEN_COUNT_LEAST):
        assert entrance.admit(f"2001:db8::{number:x}") is not None
    assert entrance.admit("2001:db8::ffff:1") is None
    assert entrance.admit("2001:db8:0:1::1") is not None


def test_what_ended_twice_is_counted_once() -> None:
    arrivals = Arrivals(ManualClock(), descriptors=100_000)
    entrance = arrivals.entrance("MQTT", 10)
    arrival = entrance.admit("192.0.2.1")
    assert arrival is not None
    arrival.ended()
    arrival.ended()
    arrival.proved()
    assert (entrance.open, arrivals.open) == (0, 0)


def test_a_trusted_proxy_counts_for_those_it_speaks_for() -> None:
    proxies = TrustedProxies(("10.0.0.0/8",))
    entrance = Arrivals(ManualClock(), descriptors=100_000).entrance("HTTP", 1_000, proxies)
    let_in = [entrance.admit("10.0.0.1") for _ in range(entrance.share + 2)]
    assert all(let_in)
    told = [arrival.counts_for("192.0.2.1") for arrival in let_in if arrival is not None]
    assert told == [True] * entrance.share + [False] * 2


def test_kinds_of_ports_share_the_descriptors_of_the_process() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock, descriptors=DESCRIPTORS_RESERVED + 3)
    idle: list[Arrival] = []

    def close_idle() -> bool:
        if idle:
            idle.pop().ended()
            return True
        return False

    http = arrivals.entrance("HTTP", 10, make_room=close_idle)
    mqtt = arrivals.entrance("MQTT", 10)
    assert arrivals.warnings() == []
    for _ in range(2):
        assert mqtt.admit("192.0.2.1") is not None
    arrival = http.admit("192.0.2.2")
    assert arrival is not None
    arrival.proved()
    idle.append(arrival)
    assert mqtt.admit("192.0.2.1") is not None  # for it an idle one was closed
    with capture_logs() as logs:
        assert http.admit("192.0.2.2") is None
    assert [line["reason"] for line in logs] == ["descriptors"]
    assert arrivals.refused_connections.counts["descriptors"] == 1
    assert "3 connections are open" in arrivals.warnings()[0].message
    clock.advance(round(WARNING_S * 1000) + 1)
    assert arrivals.warnings() == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)


@contextlib.contextmanager
def descriptors(count: int) -> Iterator[None]:
    """The process may have no more than these."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_port_goes_on_accepting_after_descriptors_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "ACCEPT_RETRY_S", 0.01)
    arrivals = Arrivals(ManualClock(), descriptors=100_000)
    entrance = arrivals.entrance("MQTT", 1_000)
    sock = bind("mqtt_port", "127.0.0.1", 0)
    address = sock.getsockname()
    port = await listen(Port(sock), Held, entrance)
    client = socket.create_connection(address, timeout=TIMEOUT_S)
    client.setblocking(False)
    lowest_free = client.fileno() + 1
    with descriptors(lowest_free):
        await until(lambda: arrivals.refused_connections.counts["descriptors"] > 0)
        assert arrivals.warnings()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(TIMEOUT_S):
        await loop.sock_sendall(client, b"x")
        assert await loop.sock_recv(client, 1) == b"x"
    client.close()
    port.close()
    await port.wait_closed()


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def http(arrivals: Arrivals, **settings: Any) -> AsyncIterator[HttpListener]:
    listener = HttpListener(answer, [Port(bind("http_port", "127.0.0.1", 0))], ApiSettings(**settings), None, arrivals)
    await listener.start()
    yield listener
    await listener.stop()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether a request is answered with 200."""
    writer.write(GET)
    async with asyncio.timeout(TIMEOUT_S):
        try:
            return (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False


async def test_idle_strangers_turn_nobody_away_who_was_answered_before() -> None:
    async with http(Arrivals(ManualClock(), descriptors=100_000), max_connections=40) as listener:
        served = await asyncio.open_connection("127.0.0.1", listener.port)
        assert await asked(*served)
        strangers = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(60)]
        assert await asked(*served)
        await until(lambda: listener.entrance.refused == 60 - listener.entrance.share)
        assert listener.entrance.open == 1 + listener.entrance.share == 1 + UNPROVEN_COUNT_LEAST
        for _, writer in (served, *strangers):
            writer.close()


async def test_where_the_port_is_full_the_one_that_is_idle_the_longest_makes_room() -> None:
    async with http(Arrivals(ManualClock(), descriptors=100_000), max_connections=2) as listener:
        first, second = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
        for peer in (first, second, first):
            assert await asked(*peer)
        third = await asyncio.open_connection("127.0.0.1", listener.port)
        assert await asked(*third)
        assert await asked(*first)
        assert not await asked(*second)
        for _, writer in (first, second, third):
            writer.close()


async def test_where_all_are_busy_or_fresh_the_oldest_that_asked_for_nothing_makes_room() -> None:
    async with http(Arrivals(ManualClock(), descriptors=100_000), max_connections=2) as listener:
        older, newer = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
        await until(lambda: listener.entrance.open == 2)
        third = await asyncio.open_connection("127.0.0.1", listener.port, local_addr=("127.0.0.2", 0))
        assert await asked(*third)
        assert not await asked(*older)
        assert await asked(*newer)
        for _, writer in (older, newer, third):
            writer.close()


def test_one_that_waits_for_an_answer_or_was_let_in_is_not_closed_for_another() -> None:
    closed: list[str] = []
    entrance = Arrivals(ManualClock(), descriptors=100_000).entrance("MQTT", 3)
    for name in ("asks", "proved", "fresh"):
        arrival = entrance.admit("192.0.2.1")
        assert arrival is not None
        arrival.close = lambda name=name: closed.append(name)
        if name == "asks":
            arrival.asked()
        elif name == "proved":
            arrival.proved()
    assert entrance.admit("192.0.2.1") is not None
    assert closed == ["fresh"]
