"""Asks the server that works on a data folder; if none does, opens the platform and answers in this process."""

import asyncio
import socket

import msgspec

from thingstead.api.app import create_app
from thingstead.config import Config
from thingstead.errors import Conflict, TooLarge, Unavailable
from thingstead.server.composition import open_platform
from thingstead.server.folder import FolderInUse
from thingstead.server.local.calls import LocalAnswer, LocalCall, answer
from thingstead.server.local.sockets import REQUEST_BYTES, connect_local

TIMEOUT_S = 90.0  # longer than the server takes at most
CHUNK_BYTES = 1 << 16


def ask(config: Config, call: LocalCall) -> LocalAnswer:
    """The answer to one request.

    Raises:
        ConfigError: the folder is not a data folder, or cannot be used.
        Conflict: a server works on the folder and does not answer.
        TooLarge: the request is longer than a running server reads.
        Unavailable: the connection broke before the answer was complete; the request may have been carried out.
    """
    sock = connect_local(config.data_path, TIMEOUT_S)
    if sock is not None:
        with sock:
            return _exchange(sock, call)
    try:
        return asyncio.run(_answer_here(config, call))
    except FolderInUse as exc:
        detail = f"{exc.message}, which starts, stops or does not answer at its local socket; try again"
        raise Conflict("not_done", detail=detail) from exc


def is_running(config: Config) -> bool:
    """Whether a server answers at the local socket of the data folder."""
    sock = connect_local(config.data_path, TIMEOUT_S)
    if sock is None:
        return False
    sock.close()
    return True


def _exchange(sock: socket.socket, call: LocalCall) -> LocalAnswer:
    request = msgspec.json.encode(call) + b"\n"
    if len(request) > REQUEST_BYTES:
        detail = f"the request is longer than {REQUEST_BYTES:,} bytes: send it over HTTP"
        raise TooLarge("not_done", detail=detail)
    received = bytearray()
    try:
        sock.sendall(request)
        while chunk := sock.recv(CHUNK_BYTES):
            received += chunk
    except OSError as exc:
        raise Unavailable("not_done", detail=f"the server did not answer: {exc}") from exc
    if not received.endswith(b"\n"):
        raise Unavailable("not_done", detail="the server ended the connection before its answer was complete")
    return msgspec.json.decode(received, type=LocalAnswer)


async def _answer_here(config: Config, call: LocalCall) -> LocalAnswer:
    async with open_platform(config) as platform:
        return await answer(create_app(platform, config.http, lambda: None), platform, call)
