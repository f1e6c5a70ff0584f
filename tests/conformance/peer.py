"""A client that says and hears bytes."""

import socket
from typing import NamedTuple

TIMEOUT_S = 5.0
CLOSING_TIMEOUT_S = 2.0


class Server(NamedTuple):
    """Where it listens."""

    host: str
    port: int


class NothingCame(Exception):
    """Neither a packet nor the end came in time."""


class Peer:
    """A connection, read packet by packet."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(server, timeout=TIMEOUT_S)
        self._buffer = b""
        self._early: list[bytes] = []

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # closed already; what was read before that is judged

    def put_back(self, packet: bytes) -> None:
        """It came before another one; it is read again after that."""
        self._early.append(packet)

    def receive(self) -> bytes | None:
        """The next packet; None at the end of the connection. Raises NothingCame."""
        return self._early.pop(0) if self._early else self.receive_more()

    def receive_more(self) -> bytes | None:
        """The next packet but for those that were put back."""
        while True:
            length = packet_length(self._buffer)
            if length is not None and len(self._buffer) >= length:
                packet, self._buffer = self._buffer[:length], self._buffer[length:]
                return packet
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                raise NothingCame from None
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data

    def expect_the_end(self) -> None:
        """The end should come soon."""
        self._socket.settimeout(CLOSING_TIMEOUT_S)


def packet_length(buffer: bytes) -> int | None:
    """Of the packet at the beginning; None where that cannot be known yet."""
    length = 0
    for count, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return 2 + count + length
    return None
