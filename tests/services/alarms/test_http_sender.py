"""Requests to addresses that people gave: bounded in time and size, to no address that is forbidden."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpcore
import pytest

from tests.services.receivers import HttpReceiver, reply
from thingstead.refusals import reason
from thingstead.services.outbound.addresses import may_be_reached
from thingstead.services.outbound.http import HttpSender, SendFailed, connection_failure
from thingstead.services.outbound.network import Exchange, Unresolved


@pytest.fixture
async def http() -> AsyncIterator[HttpSender]:
    http = HttpSender(timeout_s=1, private_addresses=True)
    yield http
    await http.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"hello\r\n\r\n", "the answer is not HTTP"),
        (b"", "closed before"),
        (b"HTTP/1.1 2", "closed before"),
    ],
)
async def test_what_is_no_answer_is_a_failure(
    receiver: HttpReceiver, http: HttpSender, answer: bytes, reason: str
) -> None:
    receiver.answers = [answer]
    with pytest.raises(SendFailed, match=reason) as failure:
        await http.post(f"{receiver.url}/", b"{}")
    assert not failure.value.permanent


async def test_a_peer_that_never_answers_ends_by_time(receiver: HttpReceiver, http: HttpSender) -> None:
    receiver.hold = asyncio.Event()
    with pytest.raises(SendFailed, match="no answer within 1 s"):
        await http.post(f"{receiver.url}/", b"{}")


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FIELDS = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(200))


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + FIELDS,
        HEAD + b"x: " + b"y" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        CHUNKED + b"1;" + b"e" * 200_000,
        CHUNKED + b"0\r\n" + FIELDS,
        HEAD + b"\r\n" + b"y" * 200_000,
        HEAD + b"Content-Length: 100000000\r\n\r\n" + b"x" * 200_000,
    ],
    ids=["headers", "header", "interim", "chunk extension", "trailers", "body to the end", "body"],
)
async def test_no_part_of_an_answer_is_endless(receiver: HttpReceiver, http: HttpSender, answer: bytes) -> None:
    receiver.answers = [answer]
    with pytest.raises(SendFailed, match="the answer has more than 65536 bytes") as failure:
        await http.post(f"{receiver.url}/", b"{}")
    assert not failure.value.permanent


@pytest.mark.parametrize("rest", [b"x" * 200_000, b"x"], ids=["more than may be", "less than was announced"])
async def test_who_wants_the_status_alone_is_content_with_it(
    receiver: HttpReceiver, http: HttpSender, rest: bytes
) -> None:
    receiver.answers = [HEAD + b"Content-Length: 100000000\r\n\r\n" + rest]
    answer = await http.post(f"{receiver.url}/", b"{}", status_only=True, timeout_s=0.5)
    assert answer.status == 200


async def test_interim_answers_are_passed_over(receiver: HttpReceiver, http: HttpSender) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    receiver.answers = [interim + reply(200, b"1"), interim + reply(503)]
    assert (await http.post(f"{receiver.url}/", b"{}"))[::2] == (200, b"1")
    assert (await http.post(f"{receiver.url}/", b"{}")).status == 503
    assert receiver.connections == 1


async def test_every_address_of_a_name_is_tried(
    receiver: HttpReceiver, http: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def dual(name: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if name != "dual.test":
            return look_up(name, port, *args, **options)
        return [entry for each in ("::1", "127.0.0.9", "127.0.0.1") for entry in look_up(each, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", dual)
    assert (await http.post(f"http://dual.test:{receiver.port}/", b"{}")).status == 200
    assert receiver.received[0].headers["host"] == f"dual.test:{receiver.port}"


async def test_a_name_that_leads_inside_and_outside_is_not_followed_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    http = HttpSender(timeout_s=1, private_addresses=False)
    tried = []

    async def connect(_: Any, host: str, *args: Any) -> Any:
        tried.append(host)
        raise httpcore.ConnectError("refused")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    found = [(0, 0, 0, "", (each, 80)) for each in ("10.0.0.1", "93.184.216.34", "::ffff:10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(SendFailed, match="cannot be reached"):
        await http.post("http://both.test/", b"{}")
    assert tried == ["93.184.216.34"]
    await http.close()


async def test_a_connection_that_was_closed_while_idle_is_opened_again(
    receiver: HttpReceiver, http: HttpSender
) -> None:
    await http.post(f"{receiver.url}/", b"1")
    await asyncio.gather(*(task for task in receiver._tasks if task.cancel()), return_exceptions=True)
    answer = await http.post(f"{receiver.url}/", b"2")
    assert answer.status == 200
    assert [each.body for each in receiver.received] == [b"1", b"2"]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_ends_with_the_next_request_is_opened_again(http: HttpSender, reset: bool) -> None:
    connections: list[asyncio.Task[Any] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await reader.readuntil(b"{}")
        writer.write(reply(200))
        if await reader.read(1) and reset:  # the second request
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert [(await http.post(url, b"{}")).status for _ in range(2)] == [200, 200]
        await http.close()
        assert len(connections) == 2
        await asyncio.gather(*(task for task in connections if task is not None))


async def test_private_addresses_are_refused_where_the_operator_says_so(receiver: HttpReceiver) -> None:
    http = HttpSender(timeout_s=1, private_addresses=False)
    with pytest.raises(SendFailed, match="an address that is refused") as failure:
        await http.post(f"{receiver.url}/", b"{}")
    assert failure.value.permanent
    assert receiver.received == []


@pytest.mark.parametrize(
    ("address", "private", "public"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.0.0.1", True, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("::ffff:192.168.1.1", True, False),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("100.100.100.200", False, False),  # metadata of Alibaba Cloud
        ("fd00:ec2::254", False, False),  # metadata of AWS
        ("64:ff9b::a9fe:a9fe", False, False),  # 169.254.169.254 through NAT64
        ("64:ff9b::a00:1", True, False),  # 10.0.0.1 through NAT64
        ("64:ff9b::5db8:d822", True, True),
        ("2002:a9fe:a9fe::1", False, False),  # 169.254.169.254 through 6to4
        ("224.0.0.1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104 - an address to be refused
        ("255.255.255.255", False, False),
        ("::10.0.0.1", True, False),  # compatible
        ("::169.254.169.254", False, False),
        ("::ffff:0:10.0.0.1", True, False),  # translated
        ("::ffff:0:169.254.169.254", False, False),
        ("64:ff9b:1::a00:1", True, False),  # a translator of the local network
        ("64:ff9b:1::5db8:d822", True, False),
        ("64:ff9b:1::a9fe:a9fe", False, False),
        ("fec0::1", True, False),  # site-local
        ("fc00::1", True, False),
        ("2606:2800::5efe:10.0.0.1", True, False),  # ISATAP
        ("100.64.0.1", True, False),
        ("198.18.0.1", True, False),
        ("2001:0:1::1", True, False),  # Teredo
    ],
)
def test_addresses_that_may_be_sent_to(address: str, private: bool, public: bool) -> None:
    assert may_be_reached(address, private=True) is private
    assert may_be_reached(address, private=False) is public


def test_a_failure_that_is_known_stays_and_a_bug_is_no_failure_of_the_receiver() -> None:
    known = SendFailed(reason("notice_http_status", status=500))
    assert connection_failure(known, 2, inner=False) is known
    with pytest.raises(ZeroDivisionError):
        connection_failure(ZeroDivisionError(), 2, inner=False)
    assert connection_failure(OSError("no route"), 2, inner=True).inner
    assert not connection_failure(Unresolved("a.example"), 2, inner=False).inner
    assert not Exchange(10).inner


async def test_a_closed_sender_leaves_no_thread(receiver: HttpReceiver) -> None:
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("thingstead-resolve")]

    before = threads()
    http = HttpSender(timeout_s=5, private_addresses=True)
    await http.post(f"http://localhost:{receiver.port}/", b"{}")
    mine = [thread for thread in threads() if thread not in before]
    assert mine != []
    await http.close()
    for thread in mine:
        await asyncio.to_thread(thread.join, 5)
    assert not any(thread.is_alive() for thread in mine)
