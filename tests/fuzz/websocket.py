"""A WebSocket connection that is fed anything, alone: the MQTT client behind it is a recorder."""

import asyncio
from typing import Any, cast

from thingstead.broker.net.stream import Stream
from thingstead.broker.net.websocket import TURN_FRAMES, WebSocketConnection
from thingstead.config import MqttSettings

SETTINGS = MqttSettings(max_packet_size_bytes=2_048)
HANDSHAKE = (
    b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)


class Recorder:
    """The socket below, the client above, and the registry beside a connection, in one."""

    def __init__(self) -> None:
        self.written, self.received = b"", b""
        self.closed = self.attached = False

    # The socket

    def write(self, data: bytes) -> None:
        assert not self.closed, "something is written to a closed socket"
        self.written += data

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        raise AssertionError("the connection failed")

    # The client

    def connection_made(self, transport: Any) -> None:
        self.attached = True

    def data_received(self, data: bytes) -> None:
        assert self.attached, "a client gets what came before its connection"
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        assert self.attached, "a client loses a connection that it never had"

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def shut_down(self) -> None: ...

    # The registry

    def add(self, connection: WebSocketConnection) -> None: ...

    def discard(self, connection: WebSocketConnection) -> None: ...


def run(data: bytes) -> None:
    """The first byte: bit 7, the handshake is part of the input; the others, how the rest is cut. The HTTP server gives
    a connection the head of the request alone, and then what comes later."""
    if not data:
        return
    head, stream = HANDSHAKE, data[1:]
    if data[0] & 0x80:
        head, end, stream = data[1:].partition(b"\r\n\r\n")
        head += end
    step = data[0] % 64 + 1
    whole = asyncio.run(_feed([head, stream]))
    cut = asyncio.run(_feed([head, *(stream[start : start + step] for start in range(0, len(stream), step))]))
    assert whole == cut, f"{whole} in one piece, {cut} in several"


async def _feed(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What the client got, and whether the socket was closed."""
    recorder = Recorder()
    connection = WebSocketConnection(cast(Stream, recorder), SETTINGS, recorder)
    connection.connection_made(recorder)
    for piece in pieces:
        if not recorder.closed:
            connection.data_received(piece)
        for _ in range(len(piece) // TURN_FRAMES + 1):
            await asyncio.sleep(0)
        assert not connection._turning
    connection.connection_lost(None)
    return recorder.received, recorder.closed
