"""The HTTP load generator: a process of its own that repeats one request over keep-alive connections.

Every connection has one request in flight. The first answer on a connection is parsed; later ones must begin with
``HTTP/1.1 200`` and have the same size, so that no parsing is left to pay for.
"""

import select
import socket
import time
from dataclasses import dataclass, field

from bench import generator
from bench.generator import LoadFailed
from bench.machine import cpu_seconds, rss_bytes

RECEIVE_BYTES = 262_144
IO_TIMEOUT_S = 15.0
CHECK_INTERVAL_S = 0.05
STATUS_200 = b"HTTP/1.1 200 "


@dataclass
class Task:
    """What to ask and for how long."""

    port: int
    path: str
    token: str
    connections: int
    warmup_s: float
    seconds: float
    server_pid: int
    paths: list[str] = field(default_factory=list)  # one a connection, where they are not all ``path``
    body: str = ""  # makes the requests POSTs
    project_key: str = ""  # of a device plane; goes instead of the token


@dataclass
class Result:
    """What happened between the end of the warm-up and the end of the load."""

    seconds: float
    answers: int
    answer_bytes: int  # headers included
    server_cpu_s: float
    generator_cpu_s: float
    server_rss_bytes: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class _Connection:
    __slots__ = ("received", "request", "sent_at", "socket")

    def __init__(self, sock: socket.socket, request: bytes) -> None:
        self.socket = sock
        self.request = request
        self.received = 0
        self.sent_at = 0.0


class Generator:
    """Drives all connections of one task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._answer_bytes = 0
        self._latencies_s: list[float] = []

    def run(self) -> Result:
        """Connects, asks for as long as the task says, closes."""
        try:
            return self._run()
        finally:
            for connection in self._connections.values():
                connection.socket.close()
            self._poll.close()

    def _run(self) -> Result:
        task = self._task
        for number in range(task.connections):
            self._open(_request(task, task.paths[number] if task.paths else task.path))
        for connection in self._connections.values():
            self._ask(connection)
        self._serve(until=time.perf_counter() + task.warmup_s)

        self._latencies_s.clear()
        begun = time.perf_counter()
        server_cpu, own_cpu = cpu_seconds(task.server_pid), time.process_time()
        self._serve(until=begun + task.seconds)
        seconds = time.perf_counter() - begun
        server_cpu, own_cpu = cpu_seconds(task.server_pid) - server_cpu, time.process_time() - own_cpu
        if not self._latencies_s:
            raise LoadFailed("nothing was answered while measuring")
        latencies_ms = sorted(latency * 1000 for latency in self._latencies_s)
        return Result(
            seconds=seconds,
            answers=len(latencies_ms),
            answer_bytes=self._answer_bytes,
            server_cpu_s=server_cpu,
            generator_cpu_s=own_cpu,
            server_rss_bytes=rss_bytes(task.server_pid),
            p50_ms=latencies_ms[len(latencies_ms) // 2],
            p99_ms=latencies_ms[len(latencies_ms) * 99 // 100],
        )

    def _open(self, request: bytes) -> None:
        sock = socket.create_connection(("127.0.0.1", self._task.port), timeout=IO_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = _Connection(sock, request)
        sock.sendall(request)
        size = _first_answer_bytes(sock)
        if self._answer_bytes not in (0, size):
            raise LoadFailed(f"answers differ in size: {self._answer_bytes} and {size} bytes")
        self._answer_bytes = size
        sock.setblocking(False)
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _ask(self, connection: _Connection) -> None:
        connection.received = 0
        connection.sent_at = time.perf_counter()
        connection.socket.send(connection.request)

    def _serve(self, until: float) -> None:
        connections, poll = self._connections, self._poll.poll
        while time.perf_counter() < until:
            for descriptor, _ in poll(CHECK_INTERVAL_S):
                self._receive(connections[descriptor])

    def _receive(self, connection: _Connection) -> None:
        data = connection.socket.recv(RECEIVE_BYTES)
        if not data:
            raise LoadFailed("the server closed a connection under load")
        if not connection.received and not data.startswith(STATUS_200):
            raise LoadFailed(f"answered {data[:200]!r}")
        connection.received += len(data)
        if connection.received < self._answer_bytes:
            return
        if connection.received > self._answer_bytes:
            raise LoadFailed("an answer is longer than the first one was")
        self._latencies_s.append(time.perf_counter() - connection.sent_at)
        self._ask(connection)


def _request(task: Task, path: str) -> bytes:
    secret = f"Project-Key: {task.project_key}" if task.project_key else f"Authorization: Bearer {task.token}"
    head = f"Host: 127.0.0.1:{task.port}\r\nContent-Type: application/json\r\n{secret}\r\n"
    if task.body:
        return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(task.body)}\r\n\r\n{task.body}".encode()
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


def _first_answer_bytes(sock: socket.socket) -> int:
    """Reads one answer; its size, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(sock)
    head = data.partition(b"\r\n\r\n")[0]
    if not head.startswith(STATUS_200):
        raise LoadFailed(f"answered {data[:500]!r}")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not lengths:
        raise LoadFailed("the answer has no Content-Length")
    size = len(head) + 4 + int(lengths[0].partition(b":")[2])
    missing = size - len(data)
    while missing > 0:
        missing -= len(_received(sock))
    return size


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(RECEIVE_BYTES)
    if not data:
        raise LoadFailed("the server closed the connection")
    return data


def generate(task: Task) -> Result:
    """Puts the load on, from a process of its own."""
    return Result(**generator.run("bench.http_load", task, task.warmup_s + task.seconds))


if __name__ == "__main__":
    generator.main(Task, lambda task: Generator(task).run())
