"""The MQTT load generator: a process of its own that costs far less than any server it loads.

Every connection keeps up to ``window`` QoS 1 messages in flight. Packets are slices of one prepared buffer; PUBACKs
are compared with the bytes that must come, so that each one is checked, in order, by one comparison a receive.
A connection refills its window whenever something was acknowledged; one epoll loop serves all connections.
"""

import collections
import select
import socket
import time
from dataclasses import dataclass, field
from itertools import pairwise

from bench import generator
from bench.generator import LoadFailed
from bench.machine import cpu_seconds, rss_bytes
from bench.traffic import Ring, connect, sensor_payloads

RECEIVE_BYTES = 65_536
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
DISCONNECT = b"\xe0\x00"
IO_TIMEOUT_S = 15.0
DRAIN_TIMEOUT_S = 30.0
CHECK_INTERVAL_S = 0.05
OFFSET = 997  # of the ring, between two connections that send what sensors send


@dataclass
class Task:
    """What to send and for how long."""

    port: int
    credentials: list[tuple[str, str]]  # username and password, one pair a connection
    window: int
    warmup_s: float
    seconds: float
    server_pid: int
    sensors: bool = False  # sends what sensors send, every connection from another place on, and tells of each second


@dataclass
class Second:
    """What was acknowledged in a second of the load."""

    acknowledged: int = 0
    p99_ms: float = 0.0
    longest_ms: float = 0.0


@dataclass
class Result:
    """What happened between the end of the warm-up and the end of the load.

    Latencies are of the last message of each send, from the send to its PUBACK.
    """

    seconds: float
    acknowledged: int
    server_cpu_s: float
    generator_cpu_s: float
    server_rss_bytes: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    payload_bytes: int
    out_of_order: int  # receives whose PUBACKs were not those that had to come next
    acknowledged_in_all: list[int] = field(default_factory=list)  # by connection, warm-up included
    by_second: list[Second] = field(default_factory=list)  # where it was asked for

    @property
    def rate(self) -> float:
        """Acknowledged messages a second."""
        return self.acknowledged / self.seconds


class _Connection:
    __slots__ = ("acknowledged_bytes", "batches", "first", "sent", "socket")

    def __init__(self, sock: socket.socket, first: int) -> None:
        self.socket = sock
        self.first = first  # of the ring
        self.sent = first
        self.acknowledged_bytes = 4 * first
        self.batches: collections.deque[tuple[int, float]] = collections.deque()  # last message, when it was sent


class Generator:
    """Drives all connections of one task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._ring = Ring(task.window, sensor_payloads() if task.sensors else None)
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._sending = True
        self._measuring = False
        self._latencies_s: list[float] = []
        self._begun = 0.0
        self._seconds: list[tuple[int, int]] = []  # of each: how many latencies and acknowledgements there were before
        self._counted = 0
        self.out_of_order = 0

    def run(self) -> Result:
        """Connects, sends, waits for every acknowledgement, disconnects."""
        try:
            return self._run()
        finally:
            for connection in self._connections.values():
                connection.socket.close()
            self._poll.close()

    def _run(self) -> Result:
        task = self._task
        for number, (username, password) in enumerate(task.credentials):
            self._open(number, username, password)
        for connection in self._connections.values():
            self._send(connection, task.window, time.perf_counter())
        self._serve(until=time.perf_counter() + task.warmup_s)

        begun, acknowledged = time.perf_counter(), self._acknowledged()
        server_cpu, own_cpu = cpu_seconds(task.server_pid), time.process_time()
        self._measuring, self._begun = True, begun
        self._serve(until=begun + task.seconds)
        self._measuring = False
        seconds = time.perf_counter() - begun
        acknowledged = self._acknowledged() - acknowledged
        server_cpu, own_cpu = cpu_seconds(task.server_pid) - server_cpu, time.process_time() - own_cpu
        memory = rss_bytes(task.server_pid)

        self._drain()
        if not self._latencies_s:
            raise LoadFailed("nothing was acknowledged while measuring")
        by_second = self._by_second()
        latencies_ms = sorted(seconds * 1000 for seconds in self._latencies_s)
        return Result(
            seconds=seconds,
            acknowledged=acknowledged,
            server_cpu_s=server_cpu,
            generator_cpu_s=own_cpu,
            server_rss_bytes=memory,
            p50_ms=latencies_ms[len(latencies_ms) // 2],
            p99_ms=latencies_ms[len(latencies_ms) * 99 // 100],
            max_ms=latencies_ms[-1],
            payload_bytes=self._ring.payload_bytes,
            out_of_order=self.out_of_order,
            acknowledged_in_all=[c.acknowledged_bytes // 4 - c.first for c in self._connections.values()],
            by_second=by_second,
        )

    def _open(self, number: int, username: str, password: str) -> None:
        sock = socket.create_connection(("127.0.0.1", self._task.port), timeout=IO_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = number * OFFSET % self._ring.size if self._task.sensors else 0
        self._connections[sock.fileno()] = _Connection(sock, first)
        sock.sendall(connect(f"bench-{number}", username, password))
        answer = sock.recv(len(CONNACK_ACCEPTED))
        if answer != CONNACK_ACCEPTED:
            raise LoadFailed(f"connection {number} was answered {answer.hex(' ') or 'by a close'}")
        sock.setblocking(False)
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _acknowledged(self) -> int:
        return sum(connection.acknowledged_bytes // 4 - connection.first for connection in self._connections.values())

    def _serve(self, until: float) -> None:
        connections, poll = self._connections, self._poll.poll
        while time.perf_counter() < until:
            for descriptor, _ in poll(CHECK_INTERVAL_S):
                self._receive(connections[descriptor])

    def _receive(self, connection: _Connection) -> None:
        data = connection.socket.recv(RECEIVE_BYTES)
        if not data:
            raise LoadFailed("the server closed a connection under load")
        if data != self._ring.acknowledgements(connection.acknowledged_bytes, len(data)):
            self.out_of_order += 1
            if data[0::4].strip(b"\x40") and connection.acknowledged_bytes % 4 == 0:
                raise LoadFailed(f"not a PUBACK: {data[:32].hex(' ')}")
        connection.acknowledged_bytes += len(data)
        acknowledged = connection.acknowledged_bytes // 4
        now = time.perf_counter()
        if self._measuring and self._task.sensors:
            self._note_second(now, len(data) // 4)
        self._note_latency(connection, acknowledged, now)
        free = self._task.window - (connection.sent - acknowledged)
        if self._sending and free:
            self._send(connection, free, now)

    def _note_latency(self, connection: _Connection, acknowledged: int, now: float) -> None:
        batches = connection.batches
        while batches and batches[0][0] <= acknowledged:
            _, sent_at = batches.popleft()
            if self._measuring:
                self._latencies_s.append(now - sent_at)

    def _note_second(self, now: float, acknowledged: int) -> None:
        while len(self._seconds) <= now - self._begun:
            self._seconds.append((len(self._latencies_s), self._counted))
        self._counted += acknowledged

    def _by_second(self) -> list[Second]:
        """Of each whole second of the load."""
        marks = [*self._seconds, (len(self._latencies_s), self._counted)]
        seconds = []
        for (begin, before), (end, after) in pairwise(marks):
            latencies_ms = sorted(latency_s * 1000 for latency_s in self._latencies_s[begin:end]) or [0.0]
            p99_ms = latencies_ms[len(latencies_ms) * 99 // 100]
            seconds.append(Second(after - before, p99_ms, latencies_ms[-1]))
        return seconds[: int(self._task.seconds)] if self._task.sensors else []

    def _send(self, connection: _Connection, count: int, now: float) -> None:
        packets = self._ring.packets(connection.sent, count)
        if connection.socket.send(packets) != len(packets):
            raise LoadFailed("the window does not fit into the socket's buffer")
        connection.sent += count
        connection.batches.append((connection.sent, now))

    def _drain(self) -> None:
        self._sending = False
        deadline = time.perf_counter() + DRAIN_TIMEOUT_S
        total = sum(connection.sent - connection.first for connection in self._connections.values())
        while self._acknowledged() < total:
            if time.perf_counter() > deadline:
                raise LoadFailed(f"{total - self._acknowledged()} messages were not acknowledged in time")
            self._serve(until=time.perf_counter() + CHECK_INTERVAL_S)
        for connection in self._connections.values():
            connection.socket.send(DISCONNECT)


def generate(task: Task) -> Result:
    """Puts the load on, from a process of its own."""
    result = Result(**generator.run("bench.mqtt_load", task, task.warmup_s + task.seconds))
    result.by_second = [Second(**members) for members in result.by_second]  # type: ignore[arg-type]  # as JSON has them
    return result


if __name__ == "__main__":
    generator.main(Task, lambda task: Generator(task).run())
