"""A device that sends as fast as its socket takes it, whatever is acknowledged: ``flooding`` runs one in a process of
its own for the length of a block."""

import contextlib
import json
import random
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.generator import LoadFailed
from bench.process import ROOT
from bench.traffic import RING_SIZE, TOPIC, connect, payload, publish

SEND_BYTES = 262_144
RECEIVE_BYTES = 65_536
END_TIMEOUT_S = 30


@dataclass
class Task:
    """Who floods whom."""

    port: int
    username: str
    password: str
    qos: int


@contextlib.contextmanager
def flooding(task: Task) -> Iterator[None]:
    """The flood lasts as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.flood_load", json.dumps(asdict(task))],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield
    finally:
        _, error = process.communicate(timeout=END_TIMEOUT_S)  # its standard input ends
    if process.returncode:
        raise LoadFailed(error.strip()[-1_000:])


def packets(qos: int) -> bytes:
    """Whole messages, to be sent again and again."""
    noise = random.Random(1)
    bodies = [payload(number, noise) for number in range(RING_SIZE)]
    if qos:
        return b"".join(publish(number, body) for number, body in enumerate(bodies, 1))
    head = len(TOPIC).to_bytes(2, "big") + TOPIC
    return b"".join(bytes((0x30, len(head) + len(body))) + head + body for body in bodies)  # [MQTT-3.3] under 128 bytes


def flood(task: Task) -> None:
    """Sends until standard input ends."""
    ring = packets(task.qos)
    with socket.create_connection(("127.0.0.1", task.port)) as sock:
        sock.sendall(connect("flood", task.username, task.password))
        sock.recv(4)
        sock.setblocking(False)
        sent = 0
        while True:
            readable, writable, _ = select.select([sys.stdin, sock], [sock], [])
            if sys.stdin in readable:
                return
            if sock in readable and not sock.recv(RECEIVE_BYTES):
                raise LoadFailed("the server closed the connection")
            if writable:
                begin = sent % len(ring)
                sent += sock.send(ring[begin : begin + SEND_BYTES])


if __name__ == "__main__":
    try:
        flood(Task(**json.loads(sys.argv[1])))
    except (LoadFailed, OSError) as exc:
        sys.exit(f"the load failed: {exc}")
