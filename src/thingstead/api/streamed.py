"""Answers that are sent in pieces, while they are made."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from thingstead.api.body import Receive, Send, while_connected
from thingstead.api.dialect import NO_STORE, HttpAnswer

PIECE_TIMEOUT_S = 60.0  # for making a piece and for its being read


class StreamedFile(NamedTuple):
    """A file that a handler returns. What can be refused was refused before."""

    name: str  # letters, digits, ``.``, ``_`` and ``-``
    pieces: AsyncIterator[bytes]


def file_answer(file: StreamedFile, content_type: str) -> HttpAnswer:
    """HTTP 200 with the file as an attachment."""
    headers = (
        (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        (b"x-content-type-options", b"nosniff"),
        NO_STORE,
    )
    return HttpAnswer(200, b"", content_type.encode(), headers, pieces=file.pieces)


async def send_pieces(pieces: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Sends the body of an answer whose head was sent.

    Raises:
        PeerGone: the peer closed the connection.
        TimeoutError: a piece was not made, or not read, within PIECE_TIMEOUT_S.
        ThingsteadError: raised by ``pieces``; the caller may not read the rest, or it cannot be read.
    """

    async def send_all() -> None:
        ended = False
        while not ended:
            async with asyncio.timeout(PIECE_TIMEOUT_S):
                piece = await anext(pieces, b"")
                ended = not piece
                await send({"type": "http.response.body", "body": piece, "more_body": not ended})

    await while_connected(receive, send_all())
