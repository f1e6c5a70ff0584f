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

CLOSE_TIMEOUT_S = 5.0  # how long a peer may take to read what was written before its connection is cut
TURN_BYTES = 32_768  # taken from a connection before others have their turn
ANSWERS_MAX_BYTES = 262_144  # that wait for a peer who does not read them, over which it is not read
FLUSH_BYTES = 65_536  # collected from outside, before they are written in the middle of a turn


class Stream(asyncio.Protocol):
    """Writes in one go what was collected, stops reading for any of several reasons, and closes in order.

    Reading does not depend on writing: a peer on a slow link is heard while much waits for it. Only one that lets
    answers to what it sends pile up, more than :data:`ANSWERS_MAX_BYTES`, is not read until it has read.

    Args:
        send_buffer_max_bytes: what may wait to be read by the peer; over it, :meth:`overflowed` is called.
        arrival: where the connection comes from; it is told of the end.
        unread: of all connections; over it, those with more than their part of it overflow.
    """

    __slots__ = (
        "_answered_bytes",
        "_arrival",
        "_blocked",
        "_cutter",
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

    TURN = 1 << 10  # it has had its turn
    UNREAD = 1  # the peer does not read our answers; reasons are bits, others have more of them

    _transport: asyncio.Transport

    def __init__(
        self, send_buffer_max_bytes: int, arrival: Arrival | None = None, unread: Budget | None = None
    ) -> None:
        self._unread = Part(unread)  # written, and not read by the peer
        self._blocked = False  # much waits to be read by the peer
        self._answered_bytes = 0  # written as answers since then
        self._written_bytes = 0  # in all
        self._loop = asyncio.get_running_loop()
        self._send_buffer_max_bytes = send_buffer_max_bytes
        self._out: list[bytes] = []
        self._out_bytes = 0  # of these, what was taken by write_soon
        self._paused = 0
        self._arrival = arrival or Arrival()
        self._rest = b""  # received, and left for the next turns
        self._cutter: asyncio.TimerHandle | None = None
        self._writable_again: Callable[[], None] | None = None
        self.closing = False
        self.reason = "the connection was lost"  # why it ended, unless somebody ended it

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
        if self._rest:  # it came although reading was stopped
            self._rest += data
        elif len(data) <= TURN_BYTES:
            self.received(data)
        else:
            self._take_turn(data)

    def received(self, data: bytes) -> None:
        """Takes what came, at most :data:`TURN_BYTES`."""
        raise NotImplementedError

    def _take_turn(self, data: bytes) -> None:
        """A peer that sends as fast as it can has as much read at once as takes some ten milliseconds to handle; those
        who send little are not to wait for it behind every other one of its kind."""
        self._rest = data[TURN_BYTES:]
        self.received(data[:TURN_BYTES])
        self.pause(self.TURN)
        self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        if self.closing or not self._rest or self._paused != self.TURN:
            return  # where something else holds it back, the end of that goes on with it
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
        """Whether the peer reads what it is sent: little waits for it."""
        return not self.closing and not self._blocked

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Calls back whenever it reads again after it did not."""
        self._writable_again = callback

    @property
    def remote_address(self) -> str:
        """For people: ``192.0.2.1:49152``, ``[2001:db8::1]:49152``; without a port that nobody knows."""
        peer = self._arrival.peer or self._transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return ""
        if not peer[1]:
            return str(peer[0])
        return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"

    @property
    def upgrade(self) -> Upgrade | None:
        """Of a WebSocket from a browser that has a session."""
        return self._arrival.upgrade

    def pause(self, reason: int) -> None:
        """Reads nothing more until every reason is gone."""
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= reason

    def resume(self, reason: int) -> None:
        """A reason is gone, if it was one."""
        if self._paused & reason:
            self._paused &= ~reason
            if not self._paused and not self._transport.is_closing():
                self.resumed()
                self._transport.resume_reading()
            elif self._paused == self.TURN:
                self._loop.call_soon(self._next_turn)

    def resumed(self) -> None:
        """Reading goes on."""

    def paused_for(self, reasons: int) -> bool:
        return bool(self._paused & reasons)

    def write(self, data: bytes) -> None:
        """Takes bytes that answer the peer; they leave with the next :meth:`flush`."""
        self._out.append(data)
        if self._blocked:
            self._answered_bytes += len(data)

    def write_soon(self, data: bytes) -> None:
        """Takes bytes that come from outside of this connection; they leave when the loop's turn ends, or sooner."""
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
        """Calls back when others have had their turn."""
        self._loop.call_soon(callback)

    @property
    def behind(self) -> bool:
        """Whether so much waits to be read that what may be lost is: more than half of what may wait."""
        if not self._blocked:
            return False
        size = self._transport.get_write_buffer_size()
        return size > self._send_buffer_max_bytes // 2 or not self._unread.hold(size)

    @property
    def read_bytes(self) -> int:
        """What the peer has taken of what was written, as far as it is known here."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    def hold_back_answers(self) -> None:
        """Reads nothing more from a peer that lets answers to what it sends pile up."""
        if self._answered_bytes > ANSWERS_MAX_BYTES:
            self.pause(self.UNREAD)

    def flush(self) -> None:
        """Writes what was collected."""
        if self.closing:
            self._out.clear()
        elif self._out and self._write_out():
            size = self._transport.get_write_buffer_size()
            if size > self._send_buffer_max_bytes or (self._blocked and not self._unread.hold(size)):
                self.overflowed()

    def _write_out(self) -> bool:
        out = self._out
        try:
            data = b"".join(out)
            self._written_bytes += len(data)
            self._transport.write(data)
        except Exception:
            # A bug: logged here, and it costs this connection only, not those who are sent the same.
            log.exception("a connection failed", remote_address=self.remote_address)
            self.abort("it failed")
            return False
        finally:
            out.clear()
        return True

    def overflowed(self) -> None:
        """The peer lets too much wait."""
        self.abort("the peer does not read")

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Ends the connection, and tells the peer why where its protocol can. Calling again does nothing."""
        self.end(reason)

    def shut_down(self) -> None:
        """The server ends."""
        self.close(ReasonCode.SERVER_SHUTTING_DOWN, "the server is shutting down")

    def end(self, reason: str) -> None:
        """Writes what was collected, then closes. Calling again does nothing."""
        if self.closing:
            return
        self.closing = True
        self.reason = reason
        if self._write_out():
            self._transport.close()
            self._cutter = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self, reason: str | None = None) -> None:
        """Cuts the connection at once, whatever waits to be read."""
        if not self.closing and reason is not None:
            self.reason = reason
        self.closing = True
        self._transport.abort()
