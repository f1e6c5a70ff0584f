"""MQTT over WebSocket (chapter 6). One object is the protocol of the socket and the transport of the MQTT client."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.stream import TURN_BYTES, Stream
from thingstead.config import MqttSettings
from thingstead.mqtt.budget import Budget, Part

PATH = "/mqtt"
# [MQTT-6.0.0-3] [MQTT-6.0.0-4] The client offers "mqtt", and the server selects it; clients of MQTT 3.1 offer
# "mqttv3.1". A client that offers other subprotocols only is refused with 400.
SUBPROTOCOLS = (Subprotocol("mqtt"), Subprotocol("mqttv3.1"))
FRAME_LEAST_LIMIT_BYTES = 1 << 20  # least maximum of a frame; a frame may contain many packets
STRANGER_FRAME_LIMIT_BYTES = 65_536  # of a frame before admission, because a partial frame is held in memory
PIECE_BYTES = 2_048  # passed to the parser at a time: some hundred of the smallest frames
TURN_FRAMES = 256  # frames handled before others have their turn; each costs some ten microseconds
PONG_ROOM_BYTES = 65_536  # unread bytes; over it pings are not answered
BINARY = 0x80 | Opcode.BINARY  # final
PONG = 0x80 | Opcode.PONG
DATA = (Opcode.BINARY, Opcode.CONT)
NORMAL_CLOSURE, UNSUPPORTED_DATA = 1000, 1003
_NOT_FOUND = b'{"message":"Request invalid"}'

log = structlog.get_logger("thingstead.broker")
websockets_log = logging.getLogger("websockets.server")


class Registry(Protocol):
    """Set of all open connections."""

    def add(self, connection: "WebSocketConnection", /) -> None: ...

    def discard(self, connection: "WebSocketConnection", /) -> None: ...


class WebSocketConnection(asyncio.Protocol):
    """A WebSocket that carries MQTT.

    [MQTT-6.0.0-2] The payloads of its frames are one stream of bytes: packets may begin and end anywhere. Frames are
    handled in turns, like bytes over TCP. While reading from the client is paused, no frame is handled, so that the
    close does not overtake earlier data.

    Args:
        client: MQTT connection that gets the stream once the WebSocket handshake is done.
        settings: the maximum frame is the maximum packet, at least :data:`FRAME_LEAST_LIMIT_BYTES`.
        arrival: the accepted connection; told when it ends.
        incomplete: budget of partially received frames of all connections; over it, those with more than their part are
            closed.
    """

    __slots__ = (
        "_arrival",
        "_at",
        "_attached",
        "_client",
        "_events",
        "_frame_max_bytes",
        "_held",
        "_incomplete",
        "_loop",
        "_open",
        "_parsing_bytes",
        "_protocol",
        "_reading",
        "_registry",
        "_rest",
        "_transport",
        "_turning",
    )

    _transport: asyncio.Transport

    def __init__(
        self,
        client: Stream,
        settings: MqttSettings,
        registry: Registry,
        arrival: Arrival | None = None,
        incomplete: Budget | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._registry = registry
        self._arrival = arrival or Arrival()
        self._frame_max_bytes = max(settings.max_packet_size_bytes, FRAME_LEAST_LIMIT_BYTES)
        required = settings.websocket_subprotocol_required
        self._protocol = ServerProtocol(
            subprotocols=SUBPROTOCOLS,
            select_subprotocol=None if required else _select_if_offered,
            max_size=(None, min(self._frame_max_bytes, STRANGER_FRAME_LIMIT_BYTES)),
            logger=websockets_log,
        )
        self._incomplete = Part(incomplete)
        self._parsing_bytes = 0  # size of a partially received frame
        self._open = False  # True from the handshake to the first close frame of either side
        self._attached = False  # connection_made of the client was called
        self._rest = b""  # received bytes, of which the parser has got the first …
        self._at = 0  # … ``_at`` bytes
        self._events: deque[Event] = deque()  # parsed, not handled yet
        self._turning = False  # the next turn is scheduled
        self._held = False  # reading from the client is paused
        self._reading = True

    # Called by the socket's transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        self._rest = self._rest[self._at :] + data if self._rest else data
        self._at = 0
        if not self._turning:
            self._take_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        self._rest = b""
        self._events.clear()
        self._incomplete.hold(0)
        self._protocol.reader.discard()
        self._protocol.parser.close()  # breaks a reference cycle
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

    # Turns

    def _next_turn(self) -> None:
        self._turning = False
        self._take_turn()

    def _take_turn(self) -> None:
        try:
            self._turning = self._take_some()
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a websocket failed")
            self.abort()
            return
        if not self._incomplete.hold(self._parsing_bytes + len(self._rest) - self._at):
            self.abort()
        if self._turning:
            self._loop.call_soon(self._next_turn)
        self._regulate()

    def _take_some(self) -> bool:
        """Handles received bytes, up to one turn. Returns True if more can be handled."""
        frames = size = 0
        while not self._held and (self._events or self._at < len(self._rest)):
            if frames >= TURN_FRAMES or size >= TURN_BYTES:
                return True
            if not self._events:
                size += self._parse()
            while self._events and not self._held:
                frames += self._take()
            if not self._events:
                self._send()
        return False

    def _parse(self) -> int:
        """Passes a piece to the parser. Returns its size in bytes."""
        piece = self._rest[self._at : self._at + PIECE_BYTES]
        self._at += len(piece)
        if self._at == len(self._rest):
            self._rest, self._at = b"", 0
        self._protocol.receive_data(piece)
        self._events += self._protocol.events_received()
        self._parsing_bytes = 0 if self._events else self._parsing_bytes + len(piece)
        if not self._events:
            self._send()
        return len(piece)

    def _take(self) -> int:
        """Handles the first event, or the data of all frames at the front. Returns how many events these were."""
        events = self._events
        data = list[bytes]()
        while events and isinstance(frame := events[0], Frame) and frame.opcode in DATA:
            data.append(bytes(frame.data))
            events.popleft()
        if data:
            if self._open and (joined := b"".join(data)):
                self._client.data_received(joined)
            return len(data)
        event = events.popleft()
        if isinstance(event, Request):
            self._answer(event)
        elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
            # [MQTT-6.0.0-1] MQTT is carried in binary frames; other data frames close the connection.
            self._open = False
            self._protocol.fail(UNSUPPORTED_DATA, "MQTT is carried in binary frames")
        return 1

    def _answer(self, request: Request) -> None:
        response = self._protocol.accept(request) if request.path.partition("?")[0] == PATH else _not_found()
        self._protocol.send_response(response)
        self._send()
        if response.status_code == 101:
            self._open = self._attached = True
            self._client.connection_made(self)

    def _send(self) -> None:
        """Writes pending output of the WebSocket protocol: the handshake, pongs, close frames."""
        for data in self._protocol.data_to_send():
            if not data:
                self._open = False
                self._transport.close()
            elif data[0] != PONG or self._transport.get_write_buffer_size() <= PONG_ROOM_BYTES:
                # RFC 6455, 5.5.3: not every ping needs a pong of its own.
                self._transport.write(data)

    def _regulate(self) -> None:
        """Pauses or resumes reading from the socket."""
        reading = not (self._held or self._turning)
        if reading != self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Called by the MQTT connection, whose transport this is

    def write(self, data: bytes) -> None:
        """Writes one binary frame. After the end of the connection the bytes are lost, as with any transport."""
        if self._open and data:
            self._protocol.max_fragment_size = self._frame_max_bytes  # the client is admitted or is about to be closed
            # Not writelines(): it never pauses writing in early releases of Python 3.12.
            self._transport.write(binary_head(len(data)) + data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._held = True
        self._regulate()

    def resume_reading(self) -> None:
        self._held = False
        if not self._turning and (self._events or self._rest):
            self._turning = True
            self._loop.call_soon(self._next_turn)
        self._regulate()

    def is_closing(self) -> bool:
        return not self._open or self._transport.is_closing()

    def close(self) -> None:
        """Sends a close frame. The connection ends with the peer's close frame or the caller's time-out."""
        if self._open:
            self._open = False
            if self._protocol.state is State.OPEN:  # otherwise the peer's close frame was answered already
                self._protocol.send_close(NORMAL_CLOSURE)
            self._events.clear()
            self._send()
            self.resume_reading()

    def abort(self) -> None:
        self._open = False
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername" and self._arrival.peer is not None:
            return self._arrival.peer
        return self._transport.get_extra_info(name, default)

    # Called by the HTTP server

    def shutdown(self) -> None:
        """Closes the connection because the server is shutting down."""
        if self._attached:
            self._client.shut_down()
        else:
            self._transport.close()


def _select_if_offered(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Accepts a client that offers no subprotocol; refuses one that only offers others than MQTT."""
    for subprotocol in SUBPROTOCOLS:
        if subprotocol in offered:
            return subprotocol
    if offered:
        raise NegotiationError("none of the offered subprotocols is MQTT")
    return None


def binary_head(length: int) -> bytes:
    """Encodes the head of an unmasked final binary frame (RFC 6455, 5.2)."""
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
