"""MQTT over WebSocket (chapter 6): one object is the protocol of the socket and the transport of the MQTT client."""

import asyncio
import logging
from typing import Any, Protocol

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from thingstead.gateway.arrivals import Arrival

PATH = "/mqtt"
# [MQTT-6.0.0-3] [MQTT-6.0.0-4] The client offers "mqtt", and the server selects it; clients of MQTT 3.1 offer
# "mqttv3.1". One that offers neither expects something else here, and is refused with 400.
SUBPROTOCOLS = (Subprotocol("mqtt"), Subprotocol("mqttv3.1"))
FRAME_LEAST_LIMIT_BYTES = 1 << 20  # of a frame; one may hold many packets
BINARY = 0x80 | Opcode.BINARY  # final
NORMAL_CLOSURE, UNSUPPORTED_DATA = 1000, 1003
_NOT_FOUND = b'{"message":"Request invalid"}'

log = logging.getLogger("websockets.server")


class MqttEnd(Protocol):
    """The MQTT client, as its transport calls it: an asyncio protocol that can be told to end."""

    def connection_made(self, transport: Any) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def shut_down(self) -> None:
        """The server ends."""
        ...


class Registry(Protocol):
    """Who wants to know of every open connection."""

    def add(self, connection: "WebSocketConnection", /) -> None: ...

    def discard(self, connection: "WebSocketConnection", /) -> None: ...


class WebSocketConnection(asyncio.Protocol):
    """A WebSocket that carries MQTT.

    [MQTT-6.0.0-2] What stands in its frames is one stream of bytes to the client: packets may begin and end anywhere.

    Args:
        client: gets the stream, once the handshake is done.
        max_packet_size_bytes: frames may be this long, or :data:`FRAME_LEAST_LIMIT_BYTES`.
        arrival: where the connection comes from; it is told of the end.
    """

    __slots__ = ("_arrival", "_attached", "_client", "_open", "_protocol", "_registry", "_transport")

    _transport: asyncio.Transport

    def __init__(
        self, client: MqttEnd, max_packet_size_bytes: int, registry: Registry, arrival: Arrival | None = None
    ) -> None:
        self._client = client
        self._registry = registry
        self._arrival = arrival or Arrival()
        self._protocol = ServerProtocol(
            subprotocols=SUBPROTOCOLS,
            max_size=(None, max(max_packet_size_bytes, FRAME_LEAST_LIMIT_BYTES)),
            logger=log,
        )
        self._open = False  # from the handshake to the close frame, whose ever it is
        self._attached = False  # the client was told of the connection

    # What the socket calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        self._registry.discard(self)
        self._arrival.ended()
        if self._attached:
            self._client.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._attached:
            self._client.pause_writing()

    def resume_writing(self) -> None:
        if self._attached:
            self._client.resume_writing()

    def _answer(self, request: Request) -> None:
        response = self._protocol.accept(request) if request.path.partition("?")[0] == PATH else _not_found()
        self._protocol.send_response(response)
        self._send()
        if response.status_code == 101:
            self._open = self._attached = True
            self._client.connection_made(self)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            # [MQTT-6.0.0-1] MQTT comes in binary frames; a connection with another kind is closed.
            self._protocol.fail(UNSUPPORTED_DATA, "MQTT is carried in binary frames")
            self._open = False
        elif self._open and frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._client.data_received(bytes(frame.data))

    def _send(self) -> None:
        """Writes what the protocol has to say: the handshake, pongs, close frames."""
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._open = False
                self._transport.close()

    # What the client calls: its transport

    def write(self, data: bytes) -> None:
        """One binary frame. After the end of the connection it is lost, as with any transport."""
        if self._open and data:
            self._transport.writelines((binary_head(len(data)), data))

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        return not self._open or self._transport.is_closing()

    def close(self) -> None:
        """Says goodbye; the peer's answer closes the connection, or whoever does not want to wait for it any longer."""
        if self._open:
            self._open = False
            self._protocol.send_close(NORMAL_CLOSURE)
            self._send()
            self._transport.resume_reading()

    def abort(self) -> None:
        self._open = False
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername" and self._arrival.peer is not None:
            return self._arrival.peer
        return self._transport.get_extra_info(name, default)

    # What the HTTP server calls

    def shutdown(self) -> None:
        """The server ends."""
        if self._attached:
            self._client.shut_down()
        else:
            self._transport.close()


def binary_head(length: int) -> bytes:
    """The head of an unmasked final binary frame (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((BINARY, length))
    if length < 65_536:
        return bytes((BINARY, 126)) + length.to_bytes(2, "big")
    return bytes((BINARY, 127)) + length.to_bytes(8, "big")


def _not_found() -> Response:
    headers = Headers(
        {"Content-Type": "application/json", "Content-Length": str(len(_NOT_FOUND)), "Connection": "close"}
    )
    return Response(404, "Not Found", headers, _NOT_FOUND)
