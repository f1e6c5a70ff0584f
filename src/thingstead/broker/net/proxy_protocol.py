"""Parses headers of the PROXY protocol, versions 1 and 2, in which a load balancer passes the address of the client.

Specification: "The PROXY protocol, Versions 1 & 2", HAProxy. Sections are cited as in its text.
"""

import asyncio
import ipaddress
import socket
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # section 2.2
V1_LIMIT_BYTES = 107  # section 2.1: the longest line, with its CRLF
LEAST_BYTES = 15  # "PROXY UNKNOWN\r\n" is the shortest header of either version
V2_HEAD_BYTES = 16
V2_LIMIT_BYTES = 4_096  # after the fixed head: addresses, and extensions, which are ignored

_LOCAL, _PROXY = 0x20, 0x21  # section 2.2: version 2 and the command
_ADDRESS_BYTES = {0x11: 4, 0x21: 16}  # TCP over IPv4 and over IPv6: the length of one address


class Peer(NamedTuple):
    """Remote address of a connection."""

    host: str
    port: int


class NoHeader(Exception):
    """The connection does not begin with a usable PROXY header."""


async def read_header(connection: socket.socket) -> Peer | None:
    """Reads the header and not a byte more. Returns None if the balancer speaks for itself or sends no address.

    Raises:
        NoHeader: the header is missing, malformed or too long.
    """
    beginning = await _exactly(connection, LEAST_BYTES)
    if beginning.startswith(SIGNATURE):
        head = beginning + await _exactly(connection, V2_HEAD_BYTES - LEAST_BYTES)
        length = int.from_bytes(head[14:], "big")
        if length > V2_LIMIT_BYTES:
            raise NoHeader("the PROXY header is too long")
        return parse_v2(head, await _exactly(connection, length))
    if not beginning.startswith(b"PROXY "):
        raise NoHeader("the connection does not begin with a PROXY header")
    line = beginning
    while not line.endswith(b"\n"):
        # Byte by byte: what follows the line belongs to the next protocol, such as TLS.
        if len(line) == V1_LIMIT_BYTES:
            raise NoHeader("the PROXY line is too long")
        line += await _exactly(connection, 1)
    return parse_v1(line)


def parse_v1(line: bytes) -> Peer | None:
    """Parses a header of section 2.1: ``PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`` and CRLF, or ``PROXY UNKNOWN
    …``."""
    if not line.endswith(b"\r\n"):
        raise NoHeader("the PROXY line does not end with CRLF")
    try:
        words = line[:-2].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise NoHeader("the PROXY line is not ASCII") from None
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return None
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise NoHeader("the PROXY line is malformed")
    try:
        address = ipaddress.ip_address(words[2])
    except ValueError:
        raise NoHeader("the address of the PROXY line is invalid") from None
    port = words[4]
    if not (port.isdecimal() and len(port) <= 5 and int(port) <= 65_535):
        raise NoHeader("the port of the PROXY line is invalid")
    return Peer(str(address), int(port))


def parse_v2(head: bytes, rest: bytes) -> Peer | None:
    """Parses a header of section 2.2: sixteen bytes, then the addresses and extensions."""
    if head[12] == _LOCAL:
        return None  # a health check of the balancer itself
    if head[12] != _PROXY:
        raise NoHeader("the PROXY header has an unknown version or command")
    size = _ADDRESS_BYTES.get(head[13])
    if size is None:
        return None  # section 2.2: addresses of other families are ignored
    if len(rest) < 2 * size + 4:
        raise NoHeader("the PROXY header is shorter than its addresses")
    port = int.from_bytes(rest[2 * size : 2 * size + 2], "big")
    return Peer(str(ipaddress.ip_address(rest[:size])), port)


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        more = await loop.sock_recv(connection, count - len(received))
        if not more:
            raise NoHeader("the connection ended within its PROXY header")
        received += more
    return received
