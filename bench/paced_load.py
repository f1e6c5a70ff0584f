"""A load at a steady pace: every connection sends one QoS 1 report a second, spread evenly over the second.

A process of its own. Unlike ``mqtt_load`` it does not ask how much a server can take, but how it feels under a load
that it can: the latency of every acknowledgement, and the server's memory over time.
"""

import json
import random
import select
import socket
import time
from dataclasses import dataclass, field

from bench import generator
from bench.generator import LoadFailed
from bench.machine import cpu_seconds, rss_bytes
from bench.traffic import connect, publish

IO_TIMEOUT_S = 15.0
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
PACKET_IDS = 60_000
SAMPLE_INTERVAL_S = 1.0  # of the server's memory
LATENCIES_KEPT = 200_000  # a random choice of all, so that a day's load fits into memory
DRAIN_TIMEOUT_S = 30.0


@dataclass
class Task:
    """What to send and for how long."""

    port: int
    credentials: list[tuple[str, str]]  # username and password, one pair a connection
    warmup_s: float
    seconds: float
    server_pid: int


@dataclass
class Result:
    """What happened between the end of the warm-up and the end of the load."""

    seconds: float
    sent: int
    acknowledged: int
    late_s: float  # how far the generator fell behind its own schedule, at worst
    server_cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    rss_samples: list[int] = field(default_factory=list)  # bytes, one a second
    longest_ms: list[float] = field(default_factory=list)  # the longest wait that ended in each second; 0: none did


class _Connection:
    __slots__ = ("level", "sent", "sent_at", "socket")

    def __init__(self, sock: socket.socket, level: float) -> None:
        self.socket = sock
        self.level = level
        self.sent = 0
        self.sent_at: list[float] = []  # of reports not acknowledged yet


class Generator:
    """Drives all connections of one task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._random = random.Random(1)
        self._poll = select.epoll()
        self._connections: list[_Connection] = []
        self._by_descriptor: dict[int, _Connection] = {}
        self._latencies_s: list[float] = []
        self._seen = 0
        self._begun: float | None = None  # while it is measured
        self._longest_s: list[float] = []
        self.sent = 0
        self.acknowledged = 0
        self.late_s = 0.0

    def run(self) -> Result:
        """Connects, sends at its pace, waits for every acknowledgement."""
        task = self._task
        for number, (username, password) in enumerate(task.credentials):
            self._open(number, username, password)
        self._pace(task.warmup_s, [])
        self._latencies_s.clear()
        sent, acknowledged, cpu = self.sent, self.acknowledged, cpu_seconds(task.server_pid)
        samples: list[int] = []
        begun = self._begun = time.perf_counter()
        self._pace(task.seconds, samples)
        seconds = time.perf_counter() - begun
        cpu = cpu_seconds(task.server_pid) - cpu
        counted = self.acknowledged - acknowledged
        self._drain()
        latencies_ms = sorted(latency * 1000 for latency in self._latencies_s)
        return Result(
            seconds=seconds,
            sent=self.sent - sent,
            acknowledged=counted,
            late_s=self.late_s,
            server_cpu_s=cpu,
            p50_ms=latencies_ms[len(latencies_ms) // 2],
            p99_ms=latencies_ms[len(latencies_ms) * 99 // 100],
            max_ms=latencies_ms[-1],
            rss_samples=samples,
            longest_ms=[longest_s * 1000 for longest_s in self._longest_s],
        )

    def _open(self, number: int, username: str, password: str) -> None:
        sock = socket.create_connection(("127.0.0.1", self._task.port), timeout=IO_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(connect(f"paced-{number}", username, password, keep_alive_s=600))
        if sock.recv(len(CONNACK_ACCEPTED)) != CONNACK_ACCEPTED:
            raise LoadFailed(f"connection {number} was not accepted")
        sock.setblocking(False)
        connection = _Connection(sock, self._random.uniform(15, 30))
        self._connections.append(connection)
        self._by_descriptor[sock.fileno()] = connection
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _pace(self, seconds: float, samples: list[int]) -> None:
        count = len(self._connections)
        begun = time.perf_counter()
        due, sampled = 0, begun
        while (now := time.perf_counter()) < begun + seconds:
            target = int((now - begun) * count)
            self.late_s = max(self.late_s, (target - due) / count)
            while due < target:
                self._send(self._connections[due % count], now)
                due += 1
            self._receive(0.001)
            if now >= sampled + SAMPLE_INTERVAL_S:
                sampled += SAMPLE_INTERVAL_S
                samples.append(rss_bytes(self._task.server_pid))

    def _send(self, connection: _Connection, now: float) -> None:
        connection.level += self._random.gauss(0, 0.05)
        values = {
            "temperature": round(connection.level, 1),
            "humidity": round(45 + self._random.gauss(0, 1), 1),
            "switch": connection.sent // 300 % 2 == 1,
        }
        packet_id = connection.sent % PACKET_IDS + 1
        packet = publish(packet_id, json.dumps(values, separators=(",", ":")).encode())
        if connection.socket.send(packet) != len(packet):
            raise LoadFailed("a report does not fit into the socket's buffer")
        connection.sent += 1
        connection.sent_at.append(now)
        self.sent += 1

    def _receive(self, timeout_s: float) -> None:
        for descriptor, _ in self._poll.poll(timeout_s):
            connection = self._by_descriptor[descriptor]
            data = connection.socket.recv(4096)
            if not data:
                raise LoadFailed("the server closed a connection under load")
            count = len(data) // 4
            now = time.perf_counter()
            for sent_at in connection.sent_at[:count]:
                self._note(now - sent_at)
            if self._begun is not None and connection.sent_at:
                note_longest(self._longest_s, now - self._begun, now - connection.sent_at[0])
            del connection.sent_at[:count]
            self.acknowledged += count

    def _note(self, latency_s: float) -> None:
        self._seen += 1
        if len(self._latencies_s) < LATENCIES_KEPT:
            self._latencies_s.append(latency_s)
        else:
            place = self._random.randrange(self._seen)
            if place < LATENCIES_KEPT:
                self._latencies_s[place] = latency_s

    def _drain(self) -> None:
        deadline = time.perf_counter() + DRAIN_TIMEOUT_S
        while self.acknowledged < self.sent:
            if time.perf_counter() > deadline:
                raise LoadFailed(f"{self.sent - self.acknowledged} reports were not acknowledged in time")
            self._receive(0.05)


def note_longest(longest_s: list[float], at_s: float, wait_s: float) -> None:
    """Notes a wait that ended so many seconds after the beginning, in the list of the longest of each second."""
    second = int(at_s)
    while len(longest_s) <= second:
        longest_s.append(0.0)
    longest_s[second] = max(longest_s[second], wait_s)


def generate(task: Task) -> Result:
    """Puts the load on, from a process of its own."""
    return Result(**generator.run("bench.paced_load", task, task.warmup_s + task.seconds))


if __name__ == "__main__":
    generator.main(Task, lambda task: Generator(task).run())
