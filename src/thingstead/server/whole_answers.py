"""Sends the head and the body of an answer with one system call; two cost a quarter more for a small answer."""

import asyncio

JOINED_BYTES = 16_384  # of a body: to copy more takes longer than to send two pieces
_INTERIM = b"HTTP/1.1 100 "  # goes at once: the peer waits for it


class WholeAnswers:
    """What uvicorn writes the answers of one connection to: the head of each waits for what follows it."""

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._begun = False  # the head of the present answer was written

    def write(self, data: bytes) -> None:
        """Takes the head of an answer, or what follows it."""
        if self._head:
            if len(data) <= JOINED_BYTES:
                self._transport.write(self._head + data)
            else:  # not by writelines(), which pauses nobody in early releases of Python 3.12
                self._transport.write(self._head)
                self._transport.write(data)
            self._head = b""
        elif self._begun or data.startswith(_INTERIM):
            self._transport.write(data)
        else:
            self._head, self._begun = data, True

    def ended(self) -> None:
        """The answer is complete: what follows is the head of the next one."""
        self._flush()
        self._begun = False

    def close(self) -> None:
        """Closes the connection behind what was written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
