"""Many devices that connect at once and stay: what each of them sends, and exactly what must come back.

One epoll loop in our own process: what is measured is the server's memory, or the time until the last device is
served, and beside that the sockets of a fleet cost next to nothing.
"""

import resource
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.generator import LoadFailed
from bench.mqtt_load import CONNACK_ACCEPTED
from bench.traffic import connect, publish, subscribe

SPARE_FILES = 200  # descriptors of a process that are not its connections
RECEIVE_BYTES = 4_096
POLL_TIMEOUT_S = 0.1
KEEP_ALIVE_S = 600

# What firmware subscribes to by custom (wire reference §3.2), and what it says first when it is back.
TOPIC_FILTERS = (
    "attributes/response",
    "attributes/get/response/+",
    "attributes/push",
    "event/response/+",
    "command/send/+",
    "command/reply/response/+",
)
REPORT = b'{"temperature":21.5}'
_ANSWER = b"\x00\x13attributes/response" + b'{"result":1}'

Exchange = tuple[bytes, bytes]  # what a device sends, and what must come back


def log_in(number: int, username: str, password: str) -> Exchange:
    """A CONNECT that must be accepted."""
    return connect(f"device-{number:05d}", username, password, KEEP_ALIVE_S), CONNACK_ACCEPTED


def subscribed() -> Exchange:
    """A SUBSCRIBE to everything that a device listens to, granted at QoS 0."""
    granted = b"\0" * len(TOPIC_FILTERS)
    return subscribe(1, *TOPIC_FILTERS), bytes((0x90, 2 + len(granted), 0, 1)) + granted


def reported(*, answered: bool) -> Exchange:
    """A report, which is acknowledged; the platform also answers it."""
    answer = bytes((0x30, len(_ANSWER))) + _ANSWER if answered else b""
    return publish(2, REPORT), b"\x40\x02\x00\x02" + answer


def file_limit() -> int:
    """How many connections a process may have; the limit of open files of this one, and of those that it starts, is
    raised as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_FILES


class Served(NamedTuple):
    """The result of a fleet that connected."""

    seconds: float  # until the last device was served
    median_s: float
    refused: int  # connections that were refused, reset, closed, or answered with anything else; each was tried again


class _Member:
    """One device: what it still has to say, and what came back of the answer that it waits for."""

    __slots__ = ("connecting", "exchanges", "log_in", "received", "socket")

    def __init__(self, first: Exchange) -> None:
        self.log_in = first
        self.socket: socket.socket | None = None
        self.connecting = False
        self.exchanges: list[Exchange] = []
        self.received = b""


class Fleet:
    """Devices by their certificates: user name and password of each. To be closed."""

    def __init__(self, certificates: Sequence[tuple[str, str]]) -> None:
        self._members = [_Member(log_in(number, *certificate)) for number, certificate in enumerate(certificates)]
        self._poll = select.epoll()
        self._by_descriptor: dict[int, _Member] = {}

    def connect(self, port: int, timeout_s: float, *then: Exchange) -> Served:
        """All of them connect at once, and say ``then``. One that is turned away comes again at once.

        Raises:
            LoadFailed: some were not served in time.
        """

        def begin(member: _Member) -> None:
            self._drop(member)
            member.exchanges = [member.log_in, *then]
            self._open(member, port)

        return self._until_served(begin, begin, timeout_s)

    def talk(self, timeout_s: float, *exchanges: Exchange) -> Served:
        """All of them, connected, say the same.

        Raises:
            LoadFailed: one was answered with anything else, or not in time.
        """

        def begin(member: _Member) -> None:
            member.exchanges = list(exchanges)
            _say(member)

        def fail(member: _Member) -> None:
            raise LoadFailed(f"a device that is connected was answered {member.received.hex(' ') or 'by a close'}")

        return self._until_served(begin, fail, timeout_s)

    def close(self) -> None:
        """Cuts every connection, without a DISCONNECT."""
        for member in self._members:
            self._drop(member)
        self._poll.close()

    def _until_served(
        self, begin: Callable[[_Member], None], again: Callable[[_Member], None], timeout_s: float
    ) -> Served:
        begun = time.perf_counter()
        served_s: list[float] = []
        refused = 0
        for member in self._members:
            begin(member)
        while len(served_s) < len(self._members):
            for descriptor, _ in self._poll.poll(POLL_TIMEOUT_S):
                member = self._by_descriptor[descriptor]
                if not member.exchanges:
                    raise LoadFailed("a device that was served lost its connection")
                if not self._hear(member):
                    refused += 1
                    again(member)
                elif not member.exchanges:
                    served_s.append(time.perf_counter() - begun)
            if time.perf_counter() - begun > timeout_s:
                left = len(self._members) - len(served_s)
                raise LoadFailed(f"{left} devices were not served in {timeout_s:g} s; {refused} were turned away")
        return Served(served_s[-1], served_s[len(served_s) // 2], refused)

    def _open(self, member: _Member, port: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))  # what becomes of it is told by the first event
        member.socket, member.connecting = sock, True
        self._by_descriptor[sock.fileno()] = member
        self._poll.register(sock.fileno(), select.EPOLLOUT)

    def _drop(self, member: _Member) -> None:
        sock, member.socket, member.received = member.socket, None, b""
        if sock is not None:
            del self._by_descriptor[sock.fileno()]
            sock.close()

    def _hear(self, member: _Member) -> bool:
        """Takes what came, and says what is next; False where it is not what must come."""
        sock = member.socket
        assert sock is not None  # it has a descriptor
        try:
            if member.connecting:
                member.connecting = False
                self._poll.modify(sock.fileno(), select.EPOLLIN)
                _say(member)  # raises where the connection was refused
                return True
            data = sock.recv(RECEIVE_BYTES)
        except OSError:
            return False
        member.received += data
        while member.exchanges and member.received.startswith(member.exchanges[0][1]):
            member.received = member.received.removeprefix(member.exchanges.pop(0)[1])
            _say(member)
        awaited = member.exchanges[0][1] if member.exchanges else b""
        return bool(data) and awaited.startswith(member.received)


def _say(member: _Member) -> None:
    if member.exchanges:
        assert member.socket is not None  # it is connected
        member.socket.sendall(member.exchanges[0][0])
