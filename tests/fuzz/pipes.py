"""Connections without sockets: a transport whose other end is a test."""

import asyncio
from typing import Any

HIGH_WATER_BYTES = 4_096  # unread, over which the protocol is told to stop writing


class Pipe:
    """What an asyncio protocol writes to and is fed from; in every respect that ours use, a transport."""

    def __init__(self, protocol: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._reading = True
        self._inbox: list[bytes] = []
        self._unread = 0
        self._peer_reads = True
        self._told_to_pause = False
        self._closing = False
        self.lost = False
        self.received = bytearray()  # everything that was written

    # What a test does

    def feed(self, data: bytes) -> None:
        """The peer has sent something."""
        if self._closing:
            return
        if self._reading:
            self._protocol.data_received(data)
        else:
            self._inbox.append(data)

    def stop_reading(self) -> None:
        """The peer does not read any more."""
        self._peer_reads = False

    def read_again(self) -> None:
        self._peer_reads = True
        self._unread = 0
        if self._told_to_pause:
            self._told_to_pause = False
            self._protocol.resume_writing()
        if self._closing:
            self._lose()

    @property
    def closing(self) -> bool:
        """The protocol closes it, or has done so."""
        return self._closing

    @property
    def idle(self) -> bool:
        """Everything that was fed was taken."""
        return self._reading and not self._inbox

    # What the protocol does

    def write(self, data: bytes) -> None:
        if self._closing or not data:
            return
        self.received += data
        if self._peer_reads:
            return
        self._unread += len(data)
        if self._unread > HIGH_WATER_BYTES and not self._told_to_pause:
            self._told_to_pause = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self._unread

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 49_152) if name == "peername" else None

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        if self._inbox:
            self._loop.call_soon(self._take_inbox)

    def _take_inbox(self) -> None:
        while self._inbox and self._reading and not self._closing:
            self._protocol.data_received(self._inbox.pop(0))

    def close(self) -> None:
        self._closing = True
        if self._peer_reads:
            self._lose()

    def abort(self) -> None:
        self._closing = True
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._inbox.clear()
            self._loop.call_soon(self._protocol.connection_lost, None)
