"""Requests to addresses that people gave: bounded in time and size, to no address that is forbidden."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.services.receivers import HttpReceiver
from thingstead.services.notification_http import HttpSender, SendFailed, may_be_reached


@pytest.fixture
async def http() -> AsyncIterator[HttpSender]:
    http = HttpSender(timeout_s=1, private_addresses=True)
    yield http
    await http.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"hello\r\n\r\n", "the answer is not HTTP"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 2", "ended early"),
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


async def test_an_endless_answer_is_cut_off(receiver: HttpReceiver, http: HttpSender) -> None:
    receiver.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 200_000]
    answer = await http.post(f"{receiver.url}/", b"{}")
    assert (answer.status, len(answer.body)) == (200, 65_536)


async def test_a_connection_that_was_closed_while_idle_is_opened_again(
    receiver: HttpReceiver, http: HttpSender
) -> None:
    await http.post(f"{receiver.url}/", b"1")
    await asyncio.gather(*(task for task in receiver._tasks if task.cancel()), return_exceptions=True)
    answer = await http.post(f"{receiver.url}/", b"2")
    assert answer.status == 200
    assert [each.body for each in receiver.received] == [b"1", b"2"]


async def test_private_addresses_are_refused_where_the_operator_says_so(receiver: HttpReceiver) -> None:
    http = HttpSender(timeout_s=1, private_addresses=False)
    with pytest.raises(SendFailed, match="where nothing may be sent to") as failure:
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
    ],
)
def test_addresses_that_may_be_sent_to(address: str, private: bool, public: bool) -> None:
    assert may_be_reached(address, private=True) is private
    assert may_be_reached(address, private=False) is public
