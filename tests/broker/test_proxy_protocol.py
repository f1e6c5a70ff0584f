"""The PROXY protocol: whose connection a load balancer passes on, and that nobody else is let in."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.conftest import TIMEOUT_S, House
from thingstead.broker.net import listening
from thingstead.broker.net.listening import Port
from thingstead.broker.net.proxy_protocol import SIGNATURE, NoHeader, Peer, parse_v1, parse_v2, read_header
from thingstead.mqtt.connection_packets import Connack, Connect
from thingstead.mqtt.protocol import ProtocolVersion

V4 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes((192, 0, 2, 1, 198, 51, 100, 1)) + b"\xdc\x04\x01\xbb"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"


@pytest.fixture
async def proxied_port(house: House) -> int:
    sock = socket.create_server(("127.0.0.1", 0))
    await house.gateway.listen(Port(sock, proxied=True))
    port: int = sock.getsockname()[1]
    return port


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def streams(proxied_port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxied_port)
    yield reader, writer
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("header", [V1, V4, V4[:15] + b"\x0f" + V4[16:] + b"\x04\x00\x00"])
async def test_the_address_of_the_real_peer_is_kept_with_the_session(
    house: House, streams: Streams, header: bytes
) -> None:
    device = await house.device()
    reader, writer = streams
    connect = Connect(ProtocolVersion.V3_1_1, "c", **house.certificate(device)).serialize(ProtocolVersion.V3_1_1)
    writer.write(header + connect)
    async with asyncio.timeout(TIMEOUT_S):
        assert await reader.readexactly(4) == Connack().serialize(ProtocolVersion.V3_1_1)
    session = await house.platform.presence.find_session(device)
    assert session is not None
    assert session.remote_address == "192.0.2.1:56324"


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n"])
async def test_a_header_without_an_address_leaves_that_of_the_balancer(
    house: House, streams: Streams, header: bytes
) -> None:
    device = await house.device()
    reader, writer = streams
    for byte in header:  # as slowly as it can come
        writer.write(bytes((byte,)))
        await writer.drain()
    writer.write(Connect(ProtocolVersion.V5, "c", **house.certificate(device)).serialize(ProtocolVersion.V5))
    async with asyncio.timeout(TIMEOUT_S):
        assert (await reader.readexactly(1)) == b"\x20"
    session = await house.platform.presence.find_session(device)
    assert session is not None
    assert session.remote_address.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "beginning",
    [
        Connect(ProtocolVersion.V3_1_1, "a client that knows nothing of it").serialize(ProtocolVersion.V3_1_1),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        b"PROXY TCP4 300.0.2.1 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 x 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
        b"PROXY " + b"x" * 200,
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
        b"PROXY TCP4 \xff.0.2.1 198.51.100.1 56324 443\r\n",
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(4096),
    ],
)
async def test_a_connection_without_a_proper_header_is_closed(streams: Streams, beginning: bytes) -> None:
    reader, writer = streams
    writer.write(beginning)
    async with asyncio.timeout(TIMEOUT_S):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""


async def test_a_header_must_come_in_time(proxied_port: int, streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxied_port)
    writer.write(V1[:-1])
    async with asyncio.timeout(TIMEOUT_S):
        assert await reader.read(1) == b""
    writer.close()
    await writer.wait_closed()


async def test_of_connections_without_a_header_only_so_many_are_let_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "OPENING_LIMIT", 1)
    sock = socket.create_server(("127.0.0.1", 0))
    await house.gateway.listen(Port(sock, proxied=True))
    _, silent = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    writer.write(V1 + Connect(ProtocolVersion.V5, "c").serialize(ProtocolVersion.V5))
    peer = await house.peer(ProtocolVersion.V5)  # another port is not concerned
    peer.send(Connect(ProtocolVersion.V5, "c"))
    await peer.receive(Connack)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    silent.close()
    async with asyncio.timeout(TIMEOUT_S):
        assert await reader.readexactly(1) == b"\x20", "its turn comes when the one before is gone"
    writer.close()
    for each in (silent, writer):
        with contextlib.suppress(OSError):
            await each.wait_closed()


async def test_nothing_behind_the_header_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        for header in (V1, V4, LOCAL, b"PROXY UNKNOWN\r\n"):
            theirs.sendall(header + b"\x16\x03\x01")
            await read_header(ours)
            assert ours.recv(100) == b"\x16\x03\x01"


@given(address=st.ip_addresses(), port=st.integers(0, 65_535), extensions=st.binary(max_size=64))
def test_both_versions_tell_every_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, extensions: bytes
) -> None:
    line = f"PROXY TCP{address.version} {address} {address} {port} 1\r\n".encode()
    assert parse_v1(line) == Peer(str(address), port)
    family = 0x11 if address.version == 4 else 0x21
    rest = 2 * address.packed + port.to_bytes(2, "big") + b"\0\1" + extensions
    assert parse_v2(SIGNATURE + bytes((0x21, family)) + len(rest).to_bytes(2, "big"), rest) == Peer(str(address), port)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    with contextlib.suppress(NoHeader):
        parse_v1(data)
    with contextlib.suppress(NoHeader):
        parse_v2(SIGNATURE + data[:4].ljust(4, b"\0"), data[4:])
