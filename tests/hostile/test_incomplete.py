"""What was begun and left: packets, bodies and heads of connections that came and went leave nothing behind."""

import socket

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from tests.project_api import Certificate
from tests.raw_device import CONNACK_ACCEPTED, connect_packet
from thingstead.api.body import BODIES_LIMIT_BYTES

TIMEOUT_S = 30
RSS_LIMIT_BYTES = 150_000_000  # of a server that holds nothing: its code alone takes half of that


def packets(target: Target) -> int:
    """Logs in as a device, begins a packet of the greatest length, and leaves; how often."""
    connect = connect_packet(Certificate(*target.device))
    begun = b"\x30\xf0\xff\x0f" + b"\0\x0aattributes" + b" " * 250_000
    count = 0
    for _ in target.until_over():
        with socket.create_connection(("127.0.0.1", target.mqtt_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(connect)
            assert sock.recv(4) == CONNACK_ACCEPTED
            sock.sendall(begun)
        count += 1
    return count


def heads(target: Target) -> int:
    """Sends the beginning of a head, and leaves; how often."""
    begun = b"GET /healthz HTTP/1.1\r\nHost: a\r\na: " + b"x" * 65_000
    count = 0
    for _ in target.until_over():
        with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(begun + (b"\r\n\r\n" if count % 2 else b""))
        count += 1
    return count


def bodies(target: Target) -> int:
    """Begins a report, and leaves; how often."""
    head = f"POST /device/v1/{target.device[1]}/attributes HTTP/1.1\r\nHost: a\r\nProject-Key: {target.device[2]}\r\n"
    begun = f"{head}Content-Length: 1048576\r\n\r\n".encode() + b" " * 300_000
    count = 0
    for _ in target.until_over():
        with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(begun)
        count += 1
    return count


def test_packets_that_were_begun_and_left_leave_nothing(stand: Stand) -> None:
    stand.withstand(packets).check(rss_limit_bytes=RSS_LIMIT_BYTES)


def test_heads_that_were_begun_and_left_leave_nothing(stand: Stand) -> None:
    stand.withstand(heads).check(rss_limit_bytes=RSS_LIMIT_BYTES)


def test_bodies_that_were_begun_and_left_leave_nothing(stand: Stand) -> None:
    stand.withstand(bodies).check(rss_limit_bytes=RSS_LIMIT_BYTES + BODIES_LIMIT_BYTES * 2)
