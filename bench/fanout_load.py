"""The load of a fan-out: publishers that keep a window of QoS 1 messages in flight, and subscribers that count.

A process of its own. A subscriber at QoS 0 does not parse what it reads: it counts the end of the topic name with the
beginning of the payload, which stand together exactly once in every message. At QoS 1 all messages have one length,
so that the packet identifiers, which it answers, stand at equal distances. Publishers only count their PUBACKs; that
these are the right ones is checked by the case that measures ingest.
"""

import random
import select
import socket
import time
from dataclasses import dataclass

from bench import generator
from bench.generator import LoadFailed
from bench.machine import cpu_seconds
from bench.mqtt_load import CHECK_INTERVAL_S, CONNACK_ACCEPTED, DRAIN_TIMEOUT_S, IO_TIMEOUT_S
from bench.traffic import connect, payload, publish, subscribe

RECEIVE_BYTES = 1 << 20
RING_SIZE = 256  # messages of a publisher until packet identifiers come round
MARK = b'/attributes{"'


@dataclass
class Task:
    """Who publishes what, who subscribes to what, and for how long."""

    port: int
    publishers: list[tuple[str, str]]  # username and password, one pair a connection
    topics: list[str]  # of each publisher; ``{}`` in one is replaced by the number of the message in the ring
    subscriber: tuple[str, str]
    topic_filter: str
    subscribers: int
    window: int
    warmup_s: float
    seconds: float
    server_pid: int
    qos: int = 0  # of the subscriptions
    ring_size: int = RING_SIZE


@dataclass
class Result:
    """What happened between the end of the warm-up and the end of the load, and in all."""

    seconds: float
    received: int  # by all subscribers
    acknowledged: int
    server_cpu_s: float
    generator_cpu_s: float
    acknowledged_in_all: int
    received_in_all: int

    @property
    def rate(self) -> float:
        """Messages a second that reached subscribers."""
        return self.received / self.seconds


class _Publisher:
    """Slices of one prepared buffer."""

    __slots__ = ("acknowledged_bytes", "packet_bytes", "packets", "ring_size", "sent", "socket")

    def __init__(self, sock: socket.socket, topic: str, window: int, ring_size: int) -> None:
        noise = random.Random(1)
        topics = [topic.replace("{}", f"{number:05d}").encode() for number in range(ring_size)]
        packets = [publish(n + 1, payload(n, noise), topics[n]) for n in range(ring_size)]
        self.ring_size = ring_size
        self.packet_bytes = len(packets[0])
        self.packets = memoryview(b"".join(packets + packets[:window]))
        self.socket = sock
        self.sent = 0
        self.acknowledged_bytes = 0

    def send(self, count: int) -> None:
        start = self.sent % self.ring_size * self.packet_bytes
        data = self.packets[start : start + count * self.packet_bytes]
        if self.socket.send(data) != len(data):
            raise LoadFailed("the window does not fit into the socket's buffer")
        self.sent += count

    def receive(self, window: int, *, sending: bool) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise LoadFailed("the server closed a publisher's connection")
        self.acknowledged_bytes += len(data)
        free = window - (self.sent - self.acknowledged_bytes // 4)
        if sending and free:
            self.send(free)


class _Subscriber:
    __slots__ = ("received", "socket", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.received = 0
        self.tail = b""

    def receive(self, buffer: bytearray) -> None:
        count = self.socket.recv_into(buffer)
        if not count:
            raise LoadFailed("the server closed a subscriber's connection")
        keep = len(MARK) - 1
        across = self.tail + buffer[: min(count, keep)]
        self.received += buffer.count(MARK, 0, count) + across.count(MARK)
        self.tail = bytes(buffer[max(0, count - keep) : count]) if count >= keep else across[-keep:]


class _AnsweringSubscriber:
    """Counts and acknowledges messages at QoS 1, all of ``size`` bytes with the packet identifier at ``place``."""

    __slots__ = ("_place", "_rest", "_size", "received", "socket")

    def __init__(self, sock: socket.socket, topic: str) -> None:
        body = payload(0, random.Random(1))
        self._size = len(publish(1, body, topic.replace("{}", "00000").encode()))
        self._place = self._size - len(body) - 2  # behind the topic name, before the payload
        self._rest = b""
        self.socket = sock
        self.received = 0

    def receive(self, buffer: bytearray) -> None:
        count = self.socket.recv_into(buffer)
        if not count:
            raise LoadFailed("the server closed a subscriber's connection")
        data = self._rest + buffer[:count]
        messages = len(data) // self._size
        whole, self._rest = data[: messages * self._size], data[messages * self._size :]
        if whole[:: self._size].strip(b"\x32"):
            raise LoadFailed(f"not a PUBLISH at QoS 1: {whole[: self._size].hex(' ')}")
        answers = bytearray(b"\x40\x02\0\0" * messages)
        answers[2::4], answers[3::4] = whole[self._place :: self._size], whole[self._place + 1 :: self._size]
        if self.socket.send(answers) != len(answers):
            raise LoadFailed("the acknowledgements do not fit into the socket's buffer")
        self.received += messages


class FanoutGenerator:
    """Drives all connections of one task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._poll = select.epoll()
        self._publishers: dict[int, _Publisher] = {}
        self._subscribers: dict[int, _Subscriber | _AnsweringSubscriber] = {}
        self._buffer = bytearray(RECEIVE_BYTES)
        self._sending = True

    def run(self) -> Result:
        """Connects, subscribes, publishes, and waits until everything has come."""
        try:
            return self._run()
        finally:
            for sock in [each.socket for each in self._publishers.values()]:
                sock.close()
            for sock in [each.socket for each in self._subscribers.values()]:
                sock.close()
            self._poll.close()

    def _run(self) -> Result:
        task = self._task
        for number in range(task.subscribers):
            sock = self._open(f"subscriber-{number}", task.subscriber)
            subscriber = _AnsweringSubscriber(sock, task.topics[0]) if task.qos else _Subscriber(sock)
            self._subscribers[sock.fileno()] = subscriber
            sock.sendall(subscribe(1, task.topic_filter, qos=task.qos))
            if sock.recv(5) != b"\x90\x03\x00\x01" + bytes((task.qos,)):
                raise LoadFailed("the subscription was not granted")
            self._serving(sock)
        for number, (credentials, topic) in enumerate(zip(task.publishers, task.topics, strict=True)):
            sock = self._serving(self._open(f"publisher-{number}", credentials))
            self._publishers[sock.fileno()] = _Publisher(sock, topic, task.window, task.ring_size)
        for publisher in self._publishers.values():
            publisher.send(task.window)
        self._serve(until=time.perf_counter() + task.warmup_s)

        begun, received, acknowledged = time.perf_counter(), self._received(), self._acknowledged()
        server_cpu, own_cpu = cpu_seconds(task.server_pid), time.process_time()
        self._serve(until=begun + task.seconds)
        seconds = time.perf_counter() - begun
        received, acknowledged = self._received() - received, self._acknowledged() - acknowledged
        server_cpu, own_cpu = cpu_seconds(task.server_pid) - server_cpu, time.process_time() - own_cpu
        self._drain()
        return Result(
            seconds=seconds,
            received=received,
            acknowledged=acknowledged,
            server_cpu_s=server_cpu,
            generator_cpu_s=own_cpu,
            acknowledged_in_all=self._acknowledged(),
            received_in_all=self._received(),
        )

    def _open(self, client_id: str, credentials: tuple[str, str]) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._task.port), timeout=IO_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(connect(client_id, *credentials))
        answer = sock.recv(len(CONNACK_ACCEPTED))
        if answer != CONNACK_ACCEPTED:
            raise LoadFailed(f"{client_id} was answered {answer.hex(' ') or 'by a close'}")
        return sock

    def _serving(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def _received(self) -> int:
        return sum(subscriber.received for subscriber in self._subscribers.values())

    def _acknowledged(self) -> int:
        return sum(publisher.acknowledged_bytes // 4 for publisher in self._publishers.values())

    def _serve(self, until: float) -> None:
        subscribers, publishers, window = self._subscribers, self._publishers, self._task.window
        while time.perf_counter() < until:
            for descriptor, _ in self._poll.poll(CHECK_INTERVAL_S):
                subscriber = subscribers.get(descriptor)
                if subscriber is not None:
                    subscriber.receive(self._buffer)
                else:
                    publishers[descriptor].receive(window, sending=self._sending)

    def _drain(self) -> None:
        """Until all is acknowledged and nothing more comes."""
        self._sending = False
        deadline = time.perf_counter() + DRAIN_TIMEOUT_S
        total = sum(publisher.sent for publisher in self._publishers.values())
        before = -1
        while self._acknowledged() < total or self._received() != before:
            if time.perf_counter() > deadline:
                raise LoadFailed(f"{total - self._acknowledged()} messages were not acknowledged in time")
            before = self._received()
            self._serve(until=time.perf_counter() + 4 * CHECK_INTERVAL_S)


def generate(task: Task) -> Result:
    """Puts the load on, from a process of its own."""
    return Result(**generator.run("bench.fanout_load", task, task.warmup_s + task.seconds))


if __name__ == "__main__":
    generator.main(Task, lambda task: FanoutGenerator(task).run())
