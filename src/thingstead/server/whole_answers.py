"""Sends the head and the body of an answer with one system call; two cost a quarter more for a small answer."""

import asyncio

JOINED_BYTES = 16_384  # largest body that is joined with its head: copying more takes longer than a second write
_INTERIM = b"HTTP/1.1 100 "  # sent at once: the peer waits for it


class WholeAnswers:
    """Write side of one connection for uvicorn: the head of each response is delayed until its body follows."""

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._begun = False  # the head of the present response was written

    def write(self, data: bytes) -> None:
        """Writes the head of a response or a part of its body."""
        if self._head:
            if len(data) <= JOINED_BYTES:
                self._transport.write(self._head + data)
            else:  # not writelines(): it never pauses writing in early releases of Python 3.12
                self._transport.write(self._head)
                self._transport.write(data)
            self._head = b""
        elif self._begun or data.startswith(_INTERIM):
            self._transport.write(data)
        else:
            self._head, self._begun = data, True

    def ended(self) -> None:
        """Ends a response: the next write is a head."""
        self._flush()
        self._begun = False

    def close(self) -> None:
        """Closes the connection after what was written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed or being closed."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
