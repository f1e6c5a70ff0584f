"""One HTTP connection: uvicorn's protocol with additional bounds, and with tolerance for real clients."""

import asyncio
import re
from asyncio.events import TimerHandle
from typing import cast

import httptools
import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.proxy_protocol import Peer
from thingstead.broker.net.upgrade import upgrade_of
from thingstead.broker.net.websocket import Registry
from thingstead.mqtt.budget import Part
from thingstead.server.http_context import HttpContext
from thingstead.server.http_refusals import refusal, too_many_connections
from thingstead.server.send_queue import DOWNLOADS, SendQueue
from thingstead.server.whole_answers import WholeAnswers

HEAD_LIMIT_BYTES = 65_536  # request line and headers of one request
HEADERS_LIMIT = 128  # headers of one request, and trailers behind its body
FRAMING_PER_BODY_BYTE = 8  # a body in chunks of one byte has six bytes of framing for each byte
DRAIN_TIMEOUT_S = 10  # for the rest of a body after its request was answered
PIPELINE_LIMIT_BYTES = 65_536  # pipelined behind the request in progress; over it the connection is not read
PIECE_BYTES = 4_096  # of a body of unknown length, parsed between two checks whether the request is complete

_HEAD_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*([^\r]*)", re.IGNORECASE)
_BEGINNINGS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n")  # first bytes of a request line


class _Flow(FlowControl):
    """Flow control that does not resume reading while too much is pipelined."""

    _held_back = False

    def hold_back(self, held_back: bool) -> None:
        if held_back != self._held_back:
            self._held_back = held_back
            if held_back:
                self.pause_reading()
            else:
                self.resume_reading()

    def resume_reading(self) -> None:
        if not self._held_back:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection whose headers, trailers and chunk framing are bounded in size and time.

    A head is parsed when it is complete. Later requests are not parsed before the one in progress was answered; only
    their bytes are buffered.

    Args:
        arrival: the accepted connection; told when it is authenticated and when it ends.
    """

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, context: HttpContext, arrival: Arrival
    ) -> None:
        super().__init__(config, server_state, {})
        self._context = context
        self._arrival = arrival
        self._waiting = Part(context.waiting)  # unparsed bytes
        self._unread = Part(context.unread)  # unread bytes of its answers

    flow: "_Flow"
    _unparsed = b""  # an incomplete head, or pipelined requests
    _overhead = 0  # bytes of the present request besides its body
    _limit = HEAD_LIMIT_BYTES
    _trailers = 0
    _unread_before: int | None = None  # unread bytes at the last check
    _deadline: TimerHandle | None = None
    _in_head = True
    _message_complete = True
    _body_left: int | None = None  # bytes left of the present body; None: not computed yet, -1: unknown length
    _welcome = True  # False: the client behind a proxy has too many connections
    _websocket: asyncio.Protocol | None = None
    _sending: SendQueue | None = None  # of a download

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._arrival.close = transport.abort
        self._answers = WholeAnswers(transport)
        self.flow = _Flow(transport)
        if self._arrival.peer is not None:
            self.client = self._arrival.peer
        self._close_after(self._context.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        if self._sending is not None:
            self._sending.lost()
        self._keep(b"")
        self._unread.hold(0)
        self._context.idle.pop(self, None)
        self._arrival.ended()
        super().connection_lost(exc)
        if self.cycle is not None:
            self.cycle.body = bytearray()  # frees the memory before the garbage collector does

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._unread.hold(self.transport.get_write_buffer_size()):
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.hold(0)
        if self._unparsed:
            self.loop.call_soon(self._go_on)

    def reads(self) -> bool:
        """Whether part of an answer is unread and the peer has read since the last call."""
        before, now = self._unread_before, self.transport.get_write_buffer_size()
        self._unread_before = now or None
        return now > 0 and (before is None or now < before)

    def give_up(self) -> None:
        """Closes the idle connection."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if not self.flow.write_paused:
            self._context.idle.pop(self, None)
        if self._unparsed:
            data = self._unparsed + data
        elif self._in_head and data.endswith(_HEAD_END) and data.count(_HEAD_END) == 1 and not self._busy:
            self._parse_head(data)  # the usual case: one head in one read
            return
        if self._busy:
            self._keep(data, pipelined=True)
        else:
            self._parse(data)

    @property
    def _busy(self) -> bool:
        """Whether the last request is complete and not answered yet, or its answer not read."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._message_complete and (not answered or self.flow.write_paused)

    def _keep(self, data: bytes, *, pipelined: bool = False) -> None:
        """Buffers bytes that cannot be parsed yet, within the bounds of the connection and of the server."""
        self._unparsed = data
        has_room = self._waiting.hold(len(data))
        self.flow.hold_back(pipelined and len(data) >= PIPELINE_LIMIT_BYTES)
        if not has_room:
            self.transport.abort()

    def _parse(self, data: bytes) -> None:
        """Parses in pieces that contain at most one complete request each, except for small ones behind a body of
        unknown length."""
        start, self._unparsed = 0, b""
        while start < len(data) and not self.transport.is_closing():
            if self._websocket is not None:
                self._websocket.data_received(data[start:])
                return
            if self._busy:
                self._keep(data[start:], pipelined=True)
                return
            if self._in_head:
                end = data.find(_HEAD_END, start) + len(_HEAD_END)
                if end < len(_HEAD_END):
                    self._take_incomplete_head(data[start:])
                    return
                self._parse_head(data[start:end])
            else:
                end = start + self._body_piece()
                self._feed(data[start:end])
            start = end

    def _take_incomplete_head(self, head: bytes) -> None:
        """Buffers a partial head. Bytes that cannot become a valid head are parsed at once, so that they are
        refused."""
        self._await_head()
        if head[0] in _BEGINNINGS and b"\n\n" not in head and len(head) <= HEAD_LIMIT_BYTES:
            self._keep(head)
        else:
            self._parse_head(head)

    def _body_piece(self) -> int:
        """How many bytes of the present body may be parsed at once."""
        if self._body_left is None:
            self._body_left = next((int(value) for name, value in self.headers if name == b"content-length"), -1)
        return self._body_left if self._body_left > 0 else PIECE_BYTES

    def _parse_head(self, head: bytes) -> None:
        if len(head) > HEAD_LIMIT_BYTES:
            self._refuse(b"431 Request Header Fields Too Large", b"the headers are longer than 64 KiB")
            return
        if head.count(b"\n") > HEADERS_LIMIT + 2:  # plus the request line and the empty line
            self._refuse(b"431 Request Header Fields Too Large", b"more than %d headers" % HEADERS_LIMIT)
            return
        lower = head.lower()
        if b"\r\nupgrade:" in lower:
            head = self._without_upgrade(head)
        hosts = lower.count(b"\r\nhost:")
        if hosts != 1 and (hosts or lower.lstrip(b"\r\n").partition(b"\r\n")[0].endswith(b" http/1.1")):
            self._refuse(b"400 Bad Request", b"exactly one Host header is required")
            return
        self._feed(head)

    def _without_upgrade(self, head: bytes) -> bytes:
        """Removes an upgrade that is not made, which must be ignored (RFC 9110, 7.8). Otherwise the parser would not
        parse the body of a request that offers ``h2c`` or TLS."""
        offered = [name.strip().lower() for name in _UPGRADE.findall(head)]
        if offered == [b"websocket"] and self._context.make_websocket is not None:
            return head
        return _UPGRADE.sub(b"", head)

    def _feed(self, piece: bytes) -> None:
        self._overhead += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            self._refuse(b"400 Bad Request", b"the request is not HTTP/1.1 as RFC 9112 defines it")
            return
        too_much = self._overhead > self._limit or self._trailers > HEADERS_LIMIT
        if too_much and not self.transport.is_closing():
            self.transport.abort()

    def _go_on(self) -> None:
        """Continues with pipelined requests after the answer."""
        if self._unparsed and not self._busy and not self.transport.is_closing():
            data = self._unparsed
            self._keep(b"")
            self._parse(data)

    # Called by the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._message_complete = False
        self._trailers = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Strips white space around a value (RFC 9110, 5.5), and ignores trailers (6.5)."""
        if not self._in_head:
            self._trailers += 1
            return
        name, value = name.lower(), value.strip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._cancel_deadline()
        self._arrival.asked()
        if self._context.proxies:
            self._believe_proxy()
            self.app = self.config.loaded_app if self._welcome else too_many_connections
        self._body_left = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        self._limit += FRAMING_PER_BODY_BYTE * len(body)
        if self._body_left is not None and self._body_left > 0:
            self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._message_complete = True
        self._in_head = True
        self._overhead = 0
        self._limit = HEAD_LIMIT_BYTES
        self._cancel_deadline()
        super().on_message_complete()
        self._forget_answered()

    def _forget_answered(self) -> None:
        """Frees the last request of an idle connection, once it is complete and answered."""
        cycle = self.cycle
        if self._message_complete and cycle is not None and cycle.response_complete and cycle.scope is self.scope:
            self.url, self.headers = b"", []
            self.scope = cycle.scope = {}  # type: ignore[typeddict-item]  # not used any more

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["path"].startswith(DOWNLOADS):
            self._sending = self._sending or SendQueue(self.transport)
            ours = {"unsent_bytes": self._sending.unsent_bytes, "proved": self._arrival.proved}
            cycle.scope.update(ours)  # type: ignore[typeddict-item]  # what the application may call
        elif self._sending is not None:
            self._sending.end()
            self._sending = None
        cycle.transport = self._answers  # type: ignore[assignment]  # as much of a transport as an answer needs
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._answers.ended()
        self.server_state.total_requests += 1
        self._arrival.proved()
        self._forget_answered()
        if self.flow.write_paused and not self.pipeline:
            self._context.idle[self] = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._unparsed:
            self.loop.call_soon(self._go_on)
        elif self._message_complete:
            self._context.idle[self] = self.loop.time()
        if not self._message_complete:
            self._close_after(DRAIN_TIMEOUT_S)

    def _should_upgrade(self) -> bool:
        return self._context.make_websocket is not None and self._welcome and self._get_upgrade() == b"websocket"

    def handle_websocket_upgrade(self) -> None:
        """Passes the connection on, with its request."""
        assert self._context.make_websocket is not None  # _should_upgrade
        self._cancel_deadline()
        self.connections.discard(self)
        request = [b"%s %s HTTP/1.1\r\n" % (self.scope["method"].encode(), self.url)]
        request += [b"%s: %s\r\n" % header for header in self.scope["headers"]]
        if self._context.proxies:
            self._arrival.peer = cast(Peer | None, self.scope["client"])
        self._arrival.upgrade = upgrade_of(self.scope["headers"], secure=self.scope["scheme"] == "https")
        self._websocket = self._context.make_websocket(cast(Registry, self.connections), self._arrival)
        self._websocket.connection_made(self.transport)
        self.transport.set_protocol(self._websocket)
        self._websocket.data_received(b"".join([*request, b"\r\n"]))

    def _refuse(self, status: bytes, hint: bytes) -> None:
        """Sends an error response, unless another response has begun, and closes the connection."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        self.transport.write(refusal(status, hint))
        self.transport.close()

    def _believe_proxy(self) -> None:
        """Sets the client address to the one that a trusted proxy sent."""
        if self.client is None or not self._context.proxies.trusts(self.client[0]):
            return
        client = self._context.proxies.client(self.client, self.headers)
        self.scope["client"] = Peer(client.host, client.port)
        self._welcome = self._arrival.counts_for(client.host)
        if client.secure is not None:
            self.scope["scheme"] = "https" if client.secure else "http"

    # Time

    def _await_head(self) -> None:
        if self._deadline is None:
            self._close_after(self._context.head_timeout_s)

    def _close_after(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
