"""Posts to the addresses that people gave: bounded in time and size, to no address that the operator forbids.

A small client of our own: names are resolved here and the connection goes to the address that was checked, so that no
second answer of the name server leads elsewhere; redirects are not followed; one idle connection a host is kept.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import OrderedDict
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

ANSWER_BYTES = 65_536  # of a body; what is longer is not read to its end
READ_BYTES = 65_536
IDLE_CONNECTIONS = 32
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: its last four bytes are an IPv4 address
# Where clouds tell machines their credentials, other than at link-local addresses: Alibaba, Oracle, Azure, AWS, Google.
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)


class SendFailed(Exception):
    """A notice could not be delivered. ``permanent``: it is no use to try again."""

    def __init__(self, reason: str, *, permanent: bool = False, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason[:500]
        self.permanent = permanent
        self.retry_after_s = retry_after_s  # as the peer asked for


class Answer(NamedTuple):
    """What the peer answered."""

    status: int
    headers: dict[bytes, bytes]  # names in lower case
    body: bytes


class _Parsed:
    """Collects an answer for the parser."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.begun = False  # the status and every header are there
        self.complete = False
        self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, body: bytes) -> None:
        self.body += body[: ANSWER_BYTES - len(self.body)]

    def on_message_complete(self) -> None:
        self.complete = True
        self.keep_alive = self.parser.should_keep_alive()  # known only now


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Host = tuple[str, str, int]  # scheme, name, port


class HttpSender:
    """Sends POST requests with JSON bodies."""

    def __init__(self, *, timeout_s: float, private_addresses: bool) -> None:
        self._timeout_s = timeout_s
        self._private_addresses = private_addresses
        self._idle: OrderedDict[Host, _Connection] = OrderedDict()
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """The answer, whatever its status.

        Raises:
            SendFailed: there was none in time, or the address is not to be used.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(url, body, headers or {})
        except TimeoutError:
            raise SendFailed(f"no answer within {self._timeout_s:g} s") from None
        except ssl.SSLError as exc:
            raise SendFailed(f"TLS: {exc.reason or exc}") from exc
        except OSError as exc:
            raise SendFailed(f"cannot be reached: {exc.strerror or exc}") from exc

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        host: Host = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            "User-Agent: Thingstead",
            "Content-Type: application/json; charset=utf-8",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        idle = self._idle.pop(host, None)
        if idle is not None:
            answer = await self._exchange(host, idle, request)
            if answer is not None:
                return answer  # else: it was closed while idle; nothing of the request was answered
        answer = await self._exchange(host, await self._connect(host), request)
        if answer is None:
            raise SendFailed("the connection was closed without an answer")
        return answer

    async def _connect(self, host: Host) -> _Connection:
        scheme, name, port = host
        tls: ssl.SSLContext | None = None
        if scheme == "https":
            tls = self._tls = self._tls or ssl.create_default_context()
        reader, writer = await asyncio.open_connection(
            await self._resolve(name, port), port, ssl=tls, server_hostname=name if tls is not None else None
        )
        return _Connection(reader, writer)

    async def _resolve(self, name: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise SendFailed(f"the host name {name} cannot be resolved") from exc
        addresses = [str(entry[4][0]) for entry in found]
        allowed = [address for address in addresses if may_be_reached(address, private=self._private_addresses)]
        if not allowed:
            raise SendFailed(f"{name} leads to {addresses[0]}, where nothing may be sent to", permanent=True)
        return allowed[0]

    async def _exchange(self, host: Host, connection: _Connection, request: bytes) -> Answer | None:
        """The answer; None where the connection ended before there was any of it."""
        reader, writer = connection
        parsed = _Parsed()
        parser = parsed.parser
        received = False
        try:
            writer.write(request)
            await writer.drain()
            while not parsed.complete and len(parsed.body) < ANSWER_BYTES:
                data = await reader.read(READ_BYTES)
                if not data:
                    break
                received = True
                parser.feed_data(data)
        except httptools.HttpParserError as exc:
            raise SendFailed("the answer is not HTTP") from exc
        except ConnectionError:
            if received:
                raise
        finally:
            if parsed.keep_alive:
                self._keep(host, connection)
            else:
                writer.close()
        if not received:
            return None
        if not parsed.begun:
            raise SendFailed("the answer ended early")
        return Answer(parser.get_status_code(), parsed.headers, bytes(parsed.body))

    def _keep(self, host: Host, connection: _Connection) -> None:
        before = self._idle.pop(host, None)
        if before is not None:
            before.writer.close()
        self._idle[host] = connection
        if len(self._idle) > IDLE_CONNECTIONS:
            self._idle.popitem(last=False)[1].writer.close()

    async def close(self) -> None:
        """Closes idle connections."""
        while self._idle:
            writer = self._idle.popitem()[1].writer
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass


def may_be_reached(address: str, *, private: bool) -> bool:
    """Whether an IP address may be sent to: never link-local ones and others where clouds keep credentials for their
    machines, multicast and unspecified ones; those of private networks and of this machine only where ``private`` says
    so."""
    ip = _within(ipaddress.ip_address(address.partition("%")[0]))
    if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return private or ip.is_global


def _within(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
