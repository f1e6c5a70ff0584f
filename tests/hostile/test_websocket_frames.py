"""A WebSocket that sends the smallest frames as fast as it can keeps nobody waiting."""

import socket
import time

import pytest

from tests.hostile.attacker import Attack, Target
from tests.hostile.conftest import StartStand
from tests.hostile.stand import Stand

HANDSHAKE = (
    b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)
EMPTY, PING = b"\x82\x80\0\0\0\0", b"\x89\x80\0\0\0\0"
TIMEOUT_S = 30


def _flood(target: Target, frame: bytes) -> dict[str, float]:
    """Never logs in. For how long the longest connection was served, and how many there were."""
    longest, connections, end = 0.0, 0, time.monotonic() + target.seconds
    while time.monotonic() < end:
        connections += 1
        with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(HANDSHAKE)
            sock.recv(4_096)
            begin = time.monotonic()
            try:
                while time.monotonic() < end:
                    sock.sendall(frame * 10_000)
            except OSError:
                pass
            longest = max(longest, time.monotonic() - begin)
    return {"longest_s": longest, "connections": connections}


def empty_frames(target: Target) -> dict[str, float]:
    return _flood(target, EMPTY)


def pings(target: Target) -> dict[str, float]:
    return _flood(target, PING)


@pytest.fixture
def stand(start_stand: StartStand) -> Stand:
    return start_stand(THINGSTEAD_MQTT_CONNECT_TIMEOUT_S="1")


@pytest.mark.parametrize("attack", [empty_frames, pings])
def test_small_frames_without_end_keep_nobody_waiting(stand: Stand, attack: Attack) -> None:
    outcome = stand.withstand(attack)
    outcome.check()


def begin_frames(target: Target) -> int:
    """Begins frames over many connections that never log in, and holds them; how many."""
    held: list[socket.socket] = []
    for _ in target.until_over():
        if len(held) == 300:
            held.pop(0).close()
        sock = socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S)
        held.append(sock)
        sock.sendall(HANDSHAKE)
        sock.recv(4_096)
        sock.sendall(b"\x82\xff" + (65_000).to_bytes(8, "big") + b"\0\0\0\0" + b"\x10" * 64_000)
    for sock in held:
        sock.close()
    return len(held)


def test_frames_that_have_begun_take_little(stand: Stand) -> None:
    outcome = stand.withstand(begin_frames)
    outcome.check(rss_limit_bytes=200_000_000)  # 300 frames of 64 KiB, and nothing of those who left
    assert outcome.attack[0] > 0
