"""Outgoing HTTP client (httpcore): bounded in time and in received bytes, restricted to permitted addresses.

Names are resolved here, and connections are made to the checked addresses, so that a second DNS answer cannot redirect
them. Redirects are not followed. 1xx responses are ignored [RFC 9110, 15.2]. The limit includes every byte of a
response: 1xx, headers, body, trailers.
"""

import asyncio
import functools
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore

from thingstead.refusals import Reason, reason
from thingstead.services.outbound.network import (
    EXCHANGE,
    AddressForbidden,
    AnswerTooLong,
    Exchange,
    NetworkBackend,
    Resolver,
    Stale,
    Unresolved,
)

ANSWER_BYTES_LIMIT = 65_536  # of one response, headers included
IDLE_CONNECTIONS_LIMIT = 32
IDLE_TIMEOUT_S = 60.0
REASON_LENGTH = 500
RETRY_STATUS = frozenset({408, 425, 429})  # besides 5xx: the request may be accepted later
RETRY_AFTER_MAX_S = 3_600


class SendFailed(Exception):
    """A notice or a message could not be delivered. ``permanent``: do not retry. ``slow``: it timed out."""

    def __init__(
        self,
        why: Reason,
        *,
        permanent: bool = False,
        retry_after_s: int | None = None,
        slow: bool = False,
        inner: bool = False,
    ) -> None:
        super().__init__(why.message)
        self.why = why
        self.reason = why.message[:REASON_LENGTH]  # its code is found by recorded_reason()
        self.permanent = permanent
        self.retry_after_s = retry_after_s  # from the response
        self.slow = slow
        self.inner = inner  # the failure reveals a private address


class HttpResponse(NamedTuple):
    """A response of a peer."""

    status: int
    headers: dict[bytes, bytes]  # names in lower case
    body: bytes  # truncated at the limit
    inner: bool = False  # the peer has a private address


def retry_after_s(answer: HttpResponse) -> int | None:
    """The Retry-After of a response, if it is a number of seconds."""
    text = answer.headers.get(b"retry-after", b"")
    return min(int(text), RETRY_AFTER_MAX_S) if text.isdigit() and len(text) < 10 else None


class HttpSender:
    """Sends POST requests with JSON bodies.

    Attributes:
        private_addresses: whether addresses of tenants may be private; applies from the next request.
        resolver: of names.
    """

    def __init__(self, *, timeout_s: float, private_addresses: bool) -> None:
        self.private_addresses = private_addresses
        self._timeout_s = timeout_s
        self.resolver = Resolver()
        tls = _tls_context(ssl.get_default_verify_paths())
        self._pools = {private: _pool(NetworkBackend(self.resolver, private=private), tls) for private in (False, True)}

    async def post(
        self,
        url: str,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        timeout_s: float | None = None,
        status_only: bool = False,
        trusted: bool = False,
    ) -> HttpResponse:
        """Returns the response, whatever its status.

        Args:
            timeout_s: a shorter time-out.
            status_only: the caller does not need the body.
            trusted: the address is the operator's, not a tenant's.

        Raises:
            SendFailed: no response within the limits, or the address is refused.
        """
        most_s = min(self._timeout_s, timeout_s or self._timeout_s)
        pool = self._pools[trusted or self.private_addresses]
        attempt = _Attempt(pool, _request(url, body, headers or {}, most_s), status_only=status_only)
        try:
            async with asyncio.timeout(most_s):
                await attempt.run()
        except Exception as exc:
            if attempt.answer is None or not status_only:
                raise connection_failure(exc, most_s, inner=attempt.exchange.inner) from exc
        assert attempt.answer is not None, "it did not fail"
        return attempt.answer

    async def close(self) -> None:
        """Closes idle connections."""
        for pool in self._pools.values():
            await pool.aclose()
        self.resolver.close()


@functools.cache
def _tls_context(_: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """One context for all senders: reading the authorities of the system takes some 20 ms."""
    return ssl.create_default_context()


def _pool(backend: NetworkBackend, tls: ssl.SSLContext) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=None,  # bounded by the caller; a slot of a cancelled request would leak
        max_keepalive_connections=IDLE_CONNECTIONS_LIMIT,
        keepalive_expiry=IDLE_TIMEOUT_S,
        network_backend=backend,
    )


class _Attempt:
    """One request and its response."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, request: httpcore.Request, *, status_only: bool) -> None:
        self._pool = pool
        self._request = request
        self._status_only = status_only
        self.answer: HttpResponse | None = None  # set when the status has arrived
        self.exchange = Exchange(ANSWER_BYTES_LIMIT)

    async def run(self) -> None:
        for _ in range(IDLE_CONNECTIONS_LIMIT + 1):
            self.exchange = Exchange(ANSWER_BYTES_LIMIT)
            token = EXCHANGE.set(self.exchange)
            try:
                return await self._once()
            except Stale:
                pass
            finally:
                EXCHANGE.reset(token)
        raise SendFailed(reason("notice_no_answer"))

    async def _once(self) -> None:
        response = await self._pool.handle_async_request(self._request)
        try:
            headers = {name.lower(): value for name, value in response.headers}
            answer = self.answer = HttpResponse(response.status, headers, b"", self.exchange.inner)
            try:
                self.answer = answer._replace(body=await response.aread())
            except (AnswerTooLong, httpcore.RemoteProtocolError):
                if not self._status_only:
                    raise
        finally:
            await response.aclose()


def _request(url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> httpcore.Request:
    lines = {
        "Host": urlsplit(url).netloc,
        "User-Agent": "Thingstead",
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
    }
    given = {name.lower() for name in headers}
    lines = {name: value for name, value in lines.items() if name.lower() not in given} | headers
    return httpcore.Request(
        "POST", url, headers=list(lines.items()), content=body, extensions={"timeout": {"connect": timeout_s}}
    )


def connection_failure(exc: Exception, most_s: float, *, inner: bool) -> SendFailed:
    """Converts the failure of a request or of a connection to one for a log.

    Args:
        most_s: its time-out.
        inner: the peer has a private address.
    """
    if isinstance(exc, SendFailed):
        return exc
    if isinstance(exc, AddressForbidden):
        return SendFailed(reason("notice_address_refused", host=exc.name), permanent=True)
    if isinstance(exc, TimeoutError | httpcore.TimeoutException):
        return SendFailed(reason("notice_timed_out", seconds=f"{most_s:g}"), slow=True, inner=inner)
    if isinstance(exc, AnswerTooLong):
        return SendFailed(reason("notice_answer_too_long", maximum=ANSWER_BYTES_LIMIT), inner=inner)
    if isinstance(exc, Unresolved):
        return SendFailed(reason("notice_host_unknown", host=str(exc)))
    if isinstance(exc, httpcore.RemoteProtocolError):
        ended = "disconnected" in str(exc) or "closed" in str(exc)
        return SendFailed(reason("notice_answer_cut") if ended else reason("notice_not_http"), inner=inner)
    if isinstance(exc, httpcore.NetworkError | OSError):
        return SendFailed(reason("notice_unreachable", detail=_cause(exc)), inner=inner)
    raise exc


def _cause(exc: BaseException) -> str:
    """The message of the operating system or of TLS."""
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not accepted: {cause.verify_message.rstrip('.')}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason or cause}"
    return (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(exc)
