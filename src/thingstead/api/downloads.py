"""Downloads of firmware: ``GET /ota/<token>/<name>``, as small HTTP clients of devices expect them (wire reference
§11.4): a length always, 200 without a range, 206 with one, no compression, no redirect, no 304."""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from thingstead.api.body import Receive, Scope
from thingstead.api.dialect import NO_STORE, HttpAnswer
from thingstead.refusals import reason
from thingstead.services.platform import Platform

BINARY = b"application/octet-stream"
TEXT = b"text/plain; charset=utf-8"
RETRY_S = 5
_UNKNOWN, _FULL = reason("no_such_ota_link"), reason("too_many_ota_downloads")
NOT_FOUND = HttpAnswer(404, _UNKNOWN.message.encode(), TEXT, (NO_STORE,), code=_UNKNOWN.code)
TOO_MANY = HttpAnswer(503, _FULL.message.encode(), TEXT, (NO_STORE, (b"retry-after", b"%d" % RETRY_S)), code=_FULL.code)
_RANGE = re.compile(rb"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*\Z", re.IGNORECASE)


class ByteSpan(NamedTuple):
    """Bytes of a file, both inclusive."""

    first: int
    last: int


def span_of(value: bytes | None, size: int) -> ByteSpan | None:
    """The bytes that a Range header asks for; None: the whole file, because the header is missing, asks for several
    ranges, or has another form. An empty span (``last`` before ``first``) cannot be satisfied."""
    match = None if value is None else _RANGE.match(value.strip())
    if match is None or match[0].strip().endswith(b"=-"):
        return None
    begin, end = match[1], match[2]
    if not begin:  # the last bytes
        return ByteSpan(max(0, size - int(end)), size - 1) if end else None
    first, last = int(begin), min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:
        return None
    return ByteSpan(first, last)


class OtaDownloadPage:
    """Answers the links."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """Answers one request. The name behind the token is for people and for the ending of the file."""
        downloads = self._platform.ota.downloads
        found = await downloads.find(path["token"])
        if found is None:
            return NOT_FOUND
        scope.get("proved", _nobody)()  # thousands of devices may have one address, and a download lasts
        file = found.file
        etag = b'"%s"' % file.sha256.encode()
        headers = [
            (b"accept-ranges", b"bytes"),
            (b"etag", etag),
            (b"x-md5", file.md5.encode()),
            (b"x-content-type-options", b"nosniff"),
            NO_STORE,
        ]
        given = _headers(scope)
        asked = given.get(b"range") if given.get(b"if-range", etag).strip() == etag else None
        span = span_of(asked, file.size_bytes)
        status = 200
        if span is not None:
            if span.last < span.first:
                unsatisfied = (b"content-range", b"bytes */%d" % file.size_bytes)
                return HttpAnswer(416, b"", BINARY, (*headers, unsatisfied))
            status = 206
            headers.append((b"content-range", b"bytes %d-%d/%d" % (*span, file.size_bytes)))
        else:
            span = ByteSpan(0, file.size_bytes - 1)
        headers.append((b"content-length", b"%d" % (span.last - span.first + 1)))
        if scope["method"] == "HEAD":
            return HttpAnswer(status, b"", BINARY, tuple(headers), pieces=_nothing())
        if not downloads.admit(found):
            return TOO_MANY
        return HttpAnswer(
            status,
            b"",
            BINARY,
            tuple(headers),
            pieces=downloads.pieces(found, *span, scope.get("unsent_bytes", _all_sent)),
        )


def _nobody() -> None:
    """Told that a peer is known, where nobody counts those that are not."""


def _all_sent() -> int:
    """Bytes that the peer has not received, where the server cannot tell."""
    return 0


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Headers by name; one that is given twice is joined, so that it is no range."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = b"%s,%s" % (found[name], value) if name in found else value
    return found


async def _nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece
