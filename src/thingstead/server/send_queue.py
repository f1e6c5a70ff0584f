"""What a peer has not received yet of a download, and how much of it may be under way."""

import asyncio
import fcntl
import socket
import struct
import termios

DOWNLOADS = "/ota/"  # beginning of their paths
SEND_BUFFER_BYTES = 65_536  # of the kernel, for one download: what it holds counts as unsent


class SendQueue:
    """The write side of a connection that downloads firmware. The kernel would take a whole file at once, so that
    nobody could tell how far the device is; and thousands of slow ones would fill the budget of unread answers."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        self._left_bytes: int | None = None  # when the connection was lost
        # A piece follows when the kernel has taken the one before. Not 0, by which TLS would never go on.
        transport.set_write_buffer_limits(high=1)
        if self._socket is not None and self._socket.family in (socket.AF_INET, socket.AF_INET6):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def unsent_bytes(self) -> int:
        """Bytes that the peer has not acknowledged; after the end of the connection: had not then."""
        if self._left_bytes is not None:
            return self._left_bytes
        return self._transport.get_write_buffer_size() + self._in_kernel()

    def lost(self) -> None:
        """Call when the connection is lost, before its socket is closed."""
        self._left_bytes = self.unsent_bytes()

    def end(self) -> None:
        """Call when another request follows on the connection."""
        self._transport.set_write_buffer_limits()

    def _in_kernel(self) -> int:
        if self._socket is None:
            return 0
        try:
            found: bytes = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except OSError:  # not known on this system
            return 0
        return int(struct.unpack("i", found)[0])
