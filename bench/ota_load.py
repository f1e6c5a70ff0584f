"""Devices that download firmware at once, over HTTP/1.0 as ESP32 does it; a process of its own."""

import select
import socket
import time
from dataclasses import dataclass

from bench import generator
from bench.fleet import file_limit
from bench.generator import LoadFailed

RECEIVE_BYTES = 65_536
POLL_TIMEOUT_S = 0.1
TIMEOUT_S = 300.0


@dataclass
class Task:
    """What is downloaded."""

    port: int
    paths: list[str]
    size_bytes: int  # of each


@dataclass
class Result:
    """What came of it."""

    seconds: float  # until the last device had everything
    refused: int  # answers that were not 200
    first_s: float  # longest wait for the first byte
    silence_s: float  # longest time without a byte of a device that was not done


class _Download:
    __slots__ = ("begun", "head", "heard", "left", "socket")

    def __init__(self, sock: socket.socket, size: int, now: float) -> None:
        self.socket = sock
        self.left = size
        self.head = b""
        self.begun = False
        self.heard = now


def download(task: Task) -> Result:
    """Downloads everything at once. Raises LoadFailed if something is missing."""
    file_limit()
    poll = select.epoll()
    running: dict[int, _Download] = {}
    refused, first_s, silence_s = 0, 0.0, 0.0
    begun = time.perf_counter()
    for path in task.paths:
        sock = socket.create_connection(("127.0.0.1", task.port), timeout=TIMEOUT_S)
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: a\r\nUser-Agent: ESP32-http-Update\r\n\r\n".encode())
        sock.setblocking(False)
        running[sock.fileno()] = _Download(sock, task.size_bytes, time.perf_counter())
        poll.register(sock.fileno(), select.EPOLLIN)
    while running:
        if time.perf_counter() > begun + TIMEOUT_S:
            raise LoadFailed(f"{len(running)} downloads were not over in {TIMEOUT_S:.0f} s")
        for descriptor, _ in poll.poll(POLL_TIMEOUT_S):
            each = running[descriptor]
            data = each.socket.recv(RECEIVE_BYTES)
            now = time.perf_counter()
            silence_s = max(silence_s, now - each.heard)
            if not each.begun:
                first_s = max(first_s, now - each.heard)
                data = _behind_head(each, data)
            each.heard = now
            each.left -= len(data)
            ended = each.begun and (each.left <= 0 or not each.head.startswith(b"HTTP/1.1 200"))
            if not data and not ended and each.begun:
                raise LoadFailed("a download was cut off")
            if ended:
                refused += not each.head.startswith(b"HTTP/1.1 200")
                poll.unregister(descriptor)
                running.pop(descriptor).socket.close()
    return Result(time.perf_counter() - begun, refused, first_s, silence_s)


def _behind_head(each: _Download, data: bytes) -> bytes:
    each.head += data
    head, found, rest = each.head.partition(b"\r\n\r\n")
    if not found:
        return b""
    each.head, each.begun = head, True
    return rest


def generate(task: Task) -> Result:
    """Downloads from a process of its own."""
    return Result(**generator.run("bench.ota_load", task, TIMEOUT_S))


if __name__ == "__main__":
    generator.main(Task, download)
