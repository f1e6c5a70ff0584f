"""Serves the console under ``/console/``: files with their caching, one page for all of its routes, strict headers."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from thingstead.console.files import HASHED_FOLDER, INDEX, StaticFile, StaticFiles
from thingstead.metrics import HttpRequests
from thingstead.model.http_headers import names_gzip

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

PREFIX = "/console"
ROUTE = "/console/{path}"  # in metrics
JSON_TYPE = b"application/json"
NOT_FOUND = b'{"message":"Request invalid","hint":"the console has no such file"}'
NOT_ALLOWED = b'{"message":"Request invalid","hint":"files of the console are read with GET"}'

# Paths as browsers send them. Other spellings, and paths out of the folder, match no file.
_PATH = re.compile(rb"/console(?:/[A-Za-z0-9_~@-][A-Za-z0-9_~@.-]*)*/?")

_NO_CACHE = (b"cache-control", b"no-cache")
_IMMUTABLE = (b"cache-control", b"public, max-age=31536000, immutable")
_VARY = (b"vary", b"accept-encoding")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"
)


class _Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes = b""


class ConsolePages:
    """The console as an ASGI application.

    Args:
        files: the files to serve.
        requests: counter of responses.
        hsts_max_age_s: max-age of Strict-Transport-Security for responses over TLS; 0: no such header.
    """

    def __init__(self, files: StaticFiles, requests: HttpRequests, hsts_max_age_s: int = 0) -> None:
        self._files = files
        self._requests = requests
        self._headers = strict_headers(files.style_hashes)
        self._over_tls: Headers = (
            ((b"strict-transport-security", b"max-age=%d" % hsts_max_age_s),) if hsts_max_age_s else ()
        )

    @staticmethod
    def serves(scope: Scope) -> bool:
        """Whether a request is for the console, or for ``/``, which is redirected there."""
        path: str = scope["path"]
        if path == "/":
            return scope["method"] in ("GET", "HEAD")
        return path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in ("", "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun_s = time.perf_counter()
        answer = await self._answer(scope)
        method = scope["method"]
        headers = [*answer.headers, *self._headers]
        if scope.get("scheme") == "https":
            headers += self._over_tls
        if answer.status != 304:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
        route = "/" if scope["path"] == "/" else ROUTE
        self._requests.count(method, route, answer.status, time.perf_counter() - begun_s)

    async def _answer(self, scope: Scope) -> _Answer:
        if scope["path"] in ("/", PREFIX):
            return _Answer(302, ((b"location", b"/console/"), _NO_CACHE))
        if scope["method"] not in ("GET", "HEAD"):
            allow = ((b"allow", b"GET, HEAD"), (b"content-type", JSON_TYPE))
            return _Answer(405, allow, NOT_ALLOWED)
        file = self._find(scope.get("raw_path") or scope["path"].encode())
        if file is None:
            return _Answer(404, ((b"content-type", JSON_TYPE), _NO_CACHE), NOT_FOUND)
        return await _serve(file, scope)

    def _find(self, raw_path: bytes) -> StaticFile | None:
        """The file of a path. A path without a file is a route of the page, which handles unknown routes itself."""
        if _PATH.fullmatch(raw_path) is None:
            return None
        name = raw_path.decode("ascii")[len(PREFIX) + 1 :]
        file = self._files.find(name)
        if file is not None or name.startswith(HASHED_FOLDER) or "." in name.rpartition("/")[2]:
            return file
        return self._files.find(INDEX)


async def _serve(file: StaticFile, scope: Scope) -> _Answer:
    given = {name: value for name, value in scope["headers"] if name in (b"accept-encoding", b"if-none-match")}
    compressed = file.compressible and names_gzip(given.get(b"accept-encoding", b""))
    tag = b'"%s%s"' % (file.tag, b"-gzip" if compressed else b"")
    headers: Headers = ((b"etag", tag), _IMMUTABLE if file.hashed else _NO_CACHE)
    if file.compressible:
        headers += (_VARY,)
    if _matches(given.get(b"if-none-match", b""), tag):
        return _Answer(304, headers)
    headers += ((b"content-type", file.content_type),)
    if compressed:
        return _Answer(200, (*headers, (b"content-encoding", b"gzip")), await file.gzip_body())
    return _Answer(200, headers, file.body)


def strict_headers(style_hashes: tuple[str, ...] = ()) -> Headers:
    """Security headers of every response: what the page may load and run, and where it may be embedded."""
    styles = "".join(f" '{style}'" for style in style_hashes)
    return (
        (b"content-security-policy", _POLICY.format(styles=styles).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
    )


def _matches(tags: bytes, tag: bytes) -> bool:
    """Whether ``tag`` is in the list ``tags`` by weak comparison (RFC 9110, 13.1.2)."""
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in tags.split(b","))
