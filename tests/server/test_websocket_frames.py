"""Frames of MQTT over WebSocket as a peer may send them: many at once, and the end of the connection among them."""

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from thingstead.broker.net.stream import Stream
from thingstead.broker.net.websocket import (
    PIECE_BYTES,
    PONG_ROOM_BYTES,
    STRANGER_FRAME_LIMIT_BYTES,
    TURN_FRAMES,
    WebSocketConnection,
)
from thingstead.config import Config, MqttSettings
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.server import Server, open_server
from thingstead.services.registry.new_device import NewDevice

V3_1_1 = ProtocolVersion.V3_1_1
TIMEOUT_S = 30
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
GOODBYE = struct.pack("!H", 1000)


def handshake(subprotocol: str = "mqtt") -> bytes:
    offered = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offered}\r\n"
    ).encode()


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """Masked with zeros."""
    length = len(payload)
    if length > 0xFFFF:
        size = b"\xff" + struct.pack("!Q", length)
    else:
        size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + struct.pack("!H", length)
    return bytes((0x80 | opcode,)) + size + b"\0\0\0\0" + payload


def frames_of(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each frame of a server."""
    found = []
    while data:
        length, at = data[1], 2
        if length == 126:
            length, at = struct.unpack("!H", data[2:4])[0], 4
        found.append((data[0] & 15, data[at : at + length]))
        data = data[at + length :]
    return found


class RawPeer:
    """A client whose frames go out as they are written."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self, subprotocol: str = "mqtt") -> bytes:
        """The answer to the handshake."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._server.http_port)
        self.writer.write(handshake(subprotocol))
        return await self.reader.readuntil(b"\r\n\r\n")

    async def connect_packet(self) -> tuple[bytes, str]:
        """A CONNECT of a new device, and the device's id."""
        platform, credentials = self._server.platform, self._server.credentials
        assert credentials is not None
        device = await platform.devices.create(credentials.project_id, NewDevice(name="d"))
        packet = Connect(client_id="c", user_name=device.access_token, password=credentials.project_key.encode())
        return packet.serialize(V3_1_1), device.id

    async def rest(self) -> list[tuple[int, bytes]]:
        """Frames until the server closes the connection in order."""
        async with asyncio.timeout(TIMEOUT_S):
            return frames_of(await self.reader.read())

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@pytest.fixture
async def raw(server: Server) -> AsyncIterator[RawPeer]:
    peer = RawPeer(server)
    yield peer
    await peer.close()


class TestTheEnd:
    @pytest.mark.parametrize(
        "frames",
        [
            frame(BINARY, b"\xe0\0") + frame(CLOSE, GOODBYE),
            frame(BINARY, b"\xe0") + frame(BINARY, b"\0") + frame(CLOSE, GOODBYE),
            frame(BINARY, b"\0\0") + frame(CLOSE, GOODBYE),
            frame(BINARY, b"\xe0\0") + frame(PING, b"still there?") + frame(CLOSE, GOODBYE) + frame(BINARY, b"late"),
        ],
        ids=["DISCONNECT", "in two frames", "a broken packet", "with more around it"],
    )
    @pytest.mark.parametrize("admitted", [True, False])
    async def test_of_mqtt_and_of_the_websocket_in_one_segment_is_in_order(
        self, raw: RawPeer, frames: bytes, admitted: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        await raw.open()
        if admitted:
            raw.writer.write(frame(BINARY, (await raw.connect_packet())[0]))
            assert frames_of(await raw.reader.readexactly(6)) == [(BINARY, b"\x20\x02\0\0")]
        with caplog.at_level(logging.WARNING):
            raw.writer.write(frames)
            received = await raw.rest()
        assert [payload for opcode, payload in received if opcode == CLOSE] == [GOODBYE]
        assert received[-1] == (CLOSE, GOODBYE)
        assert caplog.records == []

    async def test_does_not_overtake_a_message_behind_connect(self, server: Server, raw: RawPeer) -> None:
        await raw.open()
        connect, device_id = await raw.connect_packet()
        report = Publish("attributes", b'{"n":7}', 1, 1).serialize(V3_1_1)
        packets = (connect, report, Disconnect().serialize(V3_1_1))
        raw.writer.write(b"".join(frame(BINARY, packet) for packet in packets) + frame(CLOSE, GOODBYE))
        received = await raw.rest()
        assert received[-1] == (CLOSE, GOODBYE)
        assert Decoder(1_000, V3_1_1).receive_data(received[0][1])[:1] == [Connack()]
        credentials = server.credentials
        assert credentials is not None
        device = await server.platform.devices.get(credentials.project_id, device_id)
        async with asyncio.timeout(TIMEOUT_S):
            while await server.platform.history.current_values(device) != {"n": 7}:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)


async def test_a_frame_of_a_stranger_may_not_be_as_long_as_one_of_a_client(raw: RawPeer) -> None:
    await raw.open()
    raw.writer.write(frame(BINARY, bytes(STRANGER_FRAME_LIMIT_BYTES + 1))[:20])
    [(opcode, payload)] = await raw.rest()
    assert (opcode, payload[:2]) == (CLOSE, struct.pack("!H", 1009))


@pytest.mark.parametrize(
    ("required", "subprotocol", "status"),
    [(True, "", b"400"), (False, "", b"101"), (False, "chat", b"400"), (False, "chat, mqtt", b"101")],
)
async def test_a_client_without_a_subprotocol_is_admitted_where_the_setting_says_so(
    config: Config, required: bool, subprotocol: str, status: bytes
) -> None:
    mqtt = MqttSettings(websocket_subprotocol_required=required)
    async with open_server(msgspec.structs.replace(config, mqtt=mqtt)) as server:
        peer = RawPeer(server)
        answer = await peer.open(subprotocol)
        assert answer.split(b" ", 2)[1] == status
        assert (b"Sec-WebSocket-Protocol: mqtt\r\n" in answer) is ("mqtt" in subprotocol)
        if status == b"101":
            peer.writer.write(frame(BINARY, (await peer.connect_packet())[0]))
            assert frames_of(await peer.reader.readexactly(6)) == [(BINARY, b"\x20\x02\0\0")]
        await peer.close()


@pytest.mark.parametrize("small", [frame(BINARY), frame(PING)], ids=["empty", "pings"])
async def test_one_that_sends_frames_without_end_has_the_time_for_connect_and_no_more(
    config: Config, small: bytes
) -> None:
    async with open_server(msgspec.structs.replace(config, mqtt=MqttSettings(connect_timeout_s=1))) as server:
        peer = RawPeer(server)
        await peer.open()
        flood, begin = small * 10_000, asyncio.get_running_loop().time()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    peer.writer.write(flood)
                    await peer.writer.drain()
        assert asyncio.get_running_loop().time() - begin < TIMEOUT_S
        await peer.close()


class Ends:
    """The socket below, the client above, and the registry beside a connection."""

    def __init__(self) -> None:
        self.reading = True
        self.unread_bytes = 0
        self.written: list[bytes] = []
        self.received: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def connection_made(self, transport: Any) -> None: ...

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def shut_down(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None:
        raise AssertionError("the connection failed")

    def add(self, connection: WebSocketConnection) -> None: ...

    def discard(self, connection: WebSocketConnection) -> None: ...


class TestTurns:
    @pytest.fixture
    async def ends(self) -> Ends:
        return Ends()

    @pytest.fixture
    async def connection(self, ends: Ends) -> WebSocketConnection:
        connection = WebSocketConnection(cast(Stream, ends), MqttSettings(), ends)
        connection.connection_made(ends)
        connection.data_received(handshake())
        ends.written.clear()
        return connection

    async def test_many_frames_are_taken_over_several_turns_and_nothing_is_read_meanwhile(
        self, ends: Ends, connection: WebSocketConnection
    ) -> None:
        count = 20_000
        connection.data_received(frame(PING) * count)
        a_turn = TURN_FRAMES + PIECE_BYTES // 6
        assert TURN_FRAMES <= len(ends.written) <= a_turn
        assert not ends.reading
        turns = 0
        while len(ends.written) < count:
            before = len(ends.written)
            await asyncio.sleep(0)
            assert before < len(ends.written) <= before + a_turn
            turns += 1
        assert turns > 10
        assert ends.reading

    async def test_data_is_given_to_the_client_in_its_order(self, ends: Ends, connection: WebSocketConnection) -> None:
        whole = bytes(number & 0xFF for number in range(10_000))
        connection.data_received(b"".join(frame(BINARY, whole[at : at + 1]) for at in range(5_000)))
        connection.data_received(b"".join(frame(BINARY, whole[at : at + 1]) for at in range(5_000, 10_000)))
        for _ in range(10_000 // TURN_FRAMES + 1):
            await asyncio.sleep(0)
        assert ends.reading
        assert b"".join(ends.received) == whole
        assert len(ends.received) < 100  # frames that stand together are given together

    async def test_while_the_client_is_not_read_no_frame_is_taken(
        self, ends: Ends, connection: WebSocketConnection
    ) -> None:
        connection.pause_reading()
        connection.data_received(frame(BINARY, b"a") + frame(PING) + frame(CLOSE, GOODBYE))
        await asyncio.sleep(0)
        assert ends.received == ends.written == []
        connection.resume_reading()
        await asyncio.sleep(0)
        assert ends.received == [b"a"]
        assert frames_of(b"".join(ends.written)) == [(PONG, b""), (CLOSE, GOODBYE)]

    async def test_pings_of_one_who_does_not_read_are_not_all_answered(
        self, ends: Ends, connection: WebSocketConnection
    ) -> None:
        ends.unread_bytes = PONG_ROOM_BYTES + 1
        connection.data_received(frame(PING, b"x" * 125) * 10)
        assert ends.written == []
        ends.unread_bytes = 0
        connection.data_received(frame(PING, b"again"))
        assert frames_of(b"".join(ends.written)) == [(PONG, b"again")]


async def test_frames_that_have_begun_have_a_bound_for_all_connections() -> None:
    budget, cut, connections = Budget(100_000), list[int](), list[WebSocketConnection]()
    for number in range(3):
        ends = Ends()
        ends.abort = lambda number=number: cut.append(number)  # type: ignore[method-assign, misc]
        connection = WebSocketConnection(cast(Stream, ends), MqttSettings(), ends, incomplete=budget)
        connection.connection_made(ends)
        connection.data_received(handshake())
        connections.append(connection)
    for connection, size in zip(connections, (50_000, 50_000, 500), strict=True):
        connection.data_received(frame(BINARY, b"x" * 60_000)[:size])
        for _ in range(10):
            await asyncio.sleep(0)
        if cut and connection is connections[cut[0]]:
            connection.connection_lost(None)
    assert set(cut) == {1}
    assert budget.used_bytes == 50_500
    for connection in connections:
        connection.connection_lost(None)
    assert budget.used_bytes == 0
