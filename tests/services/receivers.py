"""Those who are told of alarms: an HTTP server and an SMTP server, real ones, on free ports of this machine."""

import asyncio
import base64
import json
import ssl
from typing import Any, NamedTuple, Self

import httptools


class Received(NamedTuple):
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Request:
    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class HttpReceiver:
    """Answers what :attr:`answers` says, one by one, and then 200; counts connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.received: list[Received] = []
        self.answers: list[bytes] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.hold: asyncio.Event | None = None  # nobody is answered before it is set
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer_to(self, request: Received) -> bytes:
        """What a request is answered when nothing else was said."""
        return reply(200, b"{}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = _Request()
        parser = httptools.HttpRequestParser(request)
        while not request.complete:
            data = await reader.read(65_536)
            if not data:
                return False
            parser.feed_data(data)
        received = Received(request.url.decode(), request.headers, request.body)
        self.received.append(received)
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else self.answer_to(received)
        writer.write(answer)
        await writer.drain()
        return b"\r\n\r\n" in answer


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Mail(NamedTuple):
    """A mail as it was handed over."""

    sender: str
    recipients: list[str]
    text: str


class SmtpReceiver:
    """An SMTP server. ``answers`` replaces its next answers, by command. With ``tls`` connections are encrypted: from
    their beginning, or when the client asks for it (``starttls``)."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, starttls: bool = False) -> None:
        self.mails: list[Mail] = []
        self.logins: list[bytes] = []  # what clients gave with AUTH PLAIN, over an encrypted connection
        self.answers: dict[str, bytes] = {}
        self._tls = tls
        self._starttls = starttls

    async def __aenter__(self) -> "SmtpReceiver":
        tls = None if self._starttls else self._tls
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        sender, recipients = "", list[str]()
        while line := (await reader.readline()).decode().strip():
            command = line.partition(" ")[0].upper()
            answer = self.answers.pop(command, None) or self._answer(command, line, writer)
            if command == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
            elif command == "RCPT" and answer.startswith(b"250"):
                recipients.append(line.partition("<")[2].partition(">")[0])
            elif command == "DATA":
                writer.write(b"354 go on\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                if answer.startswith(b"250"):
                    self.mails.append(Mail(sender, recipients, text))
            writer.write(answer)
            if command == "QUIT" or (command == "STARTTLS" and not await self._encrypted(writer)):
                break
        writer.close()

    def _answer(self, command: str, line: str, writer: asyncio.StreamWriter) -> bytes:
        if command == "EHLO" and self._tls is not None:
            return b"250-test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
        if command == "AUTH" and writer.get_extra_info("ssl_object") is not None:
            self.logins.append(base64.b64decode(line.split()[2]))
            return b"235 welcome\r\n"
        return {"STARTTLS": b"220 go on\r\n", "QUIT": b"221 bye\r\n"}.get(command, b"250 ok\r\n")

    async def _encrypted(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the client trusts us."""
        assert self._tls is not None
        try:
            await writer.start_tls(self._tls)
        except (ssl.SSLError, ConnectionError):
            return False
        return True
