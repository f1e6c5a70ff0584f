"""Byte stream of one connection, bounded in both directions; its end is signalled once."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.upgrade import Upgrade
from thingstead.mqtt.budget import Budget, Part
from thingstead.mqtt.reasons import ReasonCode

log = structlog.get_logger("thingstead.broker")

CLOSE_TIMEOUT_S = 5.0  # for a peer to read what was written, before its connection is aborted
TURN_BYTES = 32_768  # handled from a connection before others have their turn
ANSWERS_MAX_BYTES = 262_144  # unread answers of a peer; over it the peer is not read
FLUSH_BYTES = 65_536  # collected by write_soon; over it they are written before the turn ends


class Stream(asyncio.Protocol):
    """Connection that collects its writes, pauses reading for several reasons, and closes in order.

    Reading does not depend on writing: a peer on a slow link is read while much waits for it. Only a peer with more
    than :data:`ANSWERS_MAX_BYTES` of unread answers to its own requests is not read until it has read.

    Args:
        send_buffer_max_bytes: bytes that the peer may leave unread; over it, :meth:`overflowed` is called.
        arrival: the accepted connection; told when it ends.
        unread: budget of all connections; over it, those with more than their part overflow.
    """

    __slots__ = (
        "_answered_bytes",
        "_arrival",
        "_blocked",
        "_cutter",
        "_held",
        "_loop",
        "_out",
        "_out_bytes",
        "_paused",
        "_rest",
        "_send_buffer_max_bytes",
        "_transport",
        "_unread",
        "_writable_again",
        "_written_bytes",
        "closing",
        "reason",
    )

    TURN = 1 << 10  # others have their turn
    UNREAD = 1  # the peer does not read its answers; reasons are bits, subclasses add more

    _transport: asyncio.Transport

    def __init__(
        self, send_buffer_max_bytes: int, arrival: Arrival | None = None, unread: Budget | None = None
    ) -> None:
        self._unread = Part(unread)  # written bytes that the peer has not read
        self._blocked = False  # the transport's buffer is full
        self._answered_bytes = 0  # answers written since the transport's buffer is full
        self._written_bytes = 0  # in total
        self._loop = asyncio.get_running_loop()
        self._send_buffer_max_bytes = send_buffer_max_bytes
        self._out: list[bytes] = []
        self._out_bytes = 0  # part of these from write_soon
        self._paused = 0
        self._arrival = arrival or Arrival()
        self._held = self._arrival.held
        self._rest = b""  # received bytes, left for the next turns
        self._cutter: asyncio.TimerHandle | None = None
        self._writable_again: Callable[[], None] | None = None
        self.closing = False
        self.reason = "the connection was lost"  # replaced if this side closes it

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._arrival.close = self.abort

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._rest = b""
        self._unread.hold(0)
        self._arrival.ended()
        self._writable_again = None
        if self._cutter is not None:
            self._cutter.cancel()

    def data_received(self, data: bytes) -> None:
        if self._rest:  # received although reading is paused
            self._rest += data
        elif len(data) <= TURN_BYTES:
            self.received(data)
        else:
            self._take_turn(data)

    def received(self, data: bytes) -> None:
        """Handles received bytes, at most :data:`TURN_BYTES`."""
        raise NotImplementedError

    def _take_turn(self, data: bytes) -> None:
        """Handles the first part of many bytes, and leaves the rest for the next turn: a fast sender fills its buffer
        with some ten milliseconds of work, and slow senders shall not wait for all of it."""
        self._rest = data[TURN_BYTES:]
        self.received(data[:TURN_BYTES])
        self.pause(self.TURN)
        self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        if self.closing or not self._rest or self._paused != self.TURN:
            return  # if reading is paused for another reason, its resume() continues
        rest, self._rest = self._rest, b""
        if len(rest) > TURN_BYTES:
            self._take_turn(rest)
        else:
            self.received(rest)
            self.resume(self.TURN)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._answered_bytes = 0
        self._unread.hold(0)
        self.resume(self.UNREAD)
        if self._writable_again is not None and not self.closing:
            self._writable_again()

    @property
    def writable(self) -> bool:
        """Whether the peer reads: little is waiting in the send buffer."""
        return not self.closing and not self._blocked

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Calls back each time the peer reads again after it had stopped."""
        self._writable_again = callback

    @property
    def remote_address(self) -> str:
        """Address for log lines: ``192.0.2.1:49152``, ``[2001:db8::1]:49152``; without the port if it is not known."""
        peer = self._arrival.peer or self._transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return ""
        if not peer[1]:
            return str(peer[0])
        return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"

    @property
    def upgrade(self) -> Upgrade | None:
        """HTTP upgrade of a WebSocket from a browser that has a session."""
        return self._arrival.upgrade

    def pause(self, reason: int) -> None:
        """Adds a reason not to read; reading is paused until every reason is removed."""
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= reason

    def resume(self, reason: int) -> None:
        """Removes a reason, and resumes reading if it was the last one."""
        if self._paused & reason:
            self._paused &= ~reason
            if not self._paused and not self._transport.is_closing():
                self.resumed()
                self._transport.resume_reading()
            elif self._paused == self.TURN:
                self._loop.call_soon(self._next_turn)

    def resumed(self) -> None:
        """Called when reading resumes."""

    def paused_for(self, reasons: int) -> bool:
        """Whether reading is paused for one of these reasons."""
        return bool(self._paused & reasons)

    def write(self, data: bytes) -> None:
        """Adds bytes that answer the peer to the send buffer; they are sent with the next :meth:`flush`."""
        self._out.append(data)
        if self._blocked:
            self._answered_bytes += len(data)

    def write_soon(self, data: bytes) -> None:
        """Adds bytes from outside of this connection to the send buffer; they are sent at the end of this turn of the
        event loop at the latest."""
        out = self._out
        if not out:
            self._loop.call_soon(self.flush)
            self._out_bytes = 0
        out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > FLUSH_BYTES:
            self.flush()
            self._out_bytes = 0

    def soon(self, callback: Callable[[], None]) -> None:
        """Calls back after other connections had their turn."""
        self._loop.call_soon(callback)

    @property
    def behind(self) -> bool:
        """Whether more than half of the send buffer waits, so that messages at QoS 0 are dropped."""
        if not self._blocked:
            return False
        size = self._transport.get_write_buffer_size()
        return size > self._send_buffer_max_bytes // 2 or not self._unread.hold(size)

    @property
    def read_bytes(self) -> int:
        """Bytes that the transport has passed to the system so far."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    def hold_back_answers(self) -> None:
        """Pauses reading from a peer that does not read its answers."""
        if self._answered_bytes > ANSWERS_MAX_BYTES:
            self.pause(self.UNREAD)

    def flush(self) -> None:
        """Sends the collected bytes."""
        if self.closing:
            self._out.clear()
        elif self._out and self._write_out():
            size = self._transport.get_write_buffer_size()
            if size > self._send_buffer_max_bytes or (self._blocked and not self._unread.hold(size)):
                self.overflowed()

    def _write_out(self) -> bool:
        out = self._out
        if self._held is not None and not self._held():
            out.clear()  # made while the node was active; since then it may have been stopped for any time
            self.abort("the node is not active any more")
            return False
        try:
            data = b"".join(out)
            self._written_bytes += len(data)
            self._transport.write(data)
        except Exception:
            # A bug: logged here, and it costs this connection only, not others that get the same message.
            log.exception("a connection failed", remote_address=self.remote_address)
            self.abort("it failed")
            return False
        finally:
            out.clear()
        return True

    def overflowed(self) -> None:
        """Called when the peer leaves too much unread: aborts the connection."""
        self.abort("the peer does not read")

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Closes the connection, and sends the reason if the protocol can carry it. Further calls do nothing."""
        self.end(reason)

    def shut_down(self) -> None:
        """Closes the connection because the server is shutting down."""
        self.close(ReasonCode.SERVER_SHUTTING_DOWN, "the server is shutting down")

    def end(self, reason: str) -> None:
        """Sends the collected bytes, then closes. Further calls do nothing."""
        if self.closing:
            return
        self.closing = True
        self.reason = reason
        if self._write_out():
            self._transport.close()
            self._cutter = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self, reason: str | None = None) -> None:
        """Aborts the connection at once; unread bytes are lost."""
        if not self.closing and reason is not None:
            self.reason = reason
        self.closing = True
        self._transport.abort()
