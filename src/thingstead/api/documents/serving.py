"""The documentation over HTTP: ``/openapi.json``, and the pages below ``/docs``."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from thingstead.api.body import Receive, Scope
from thingstead.api.credentials import is_secure, request_host
from thingstead.api.dialect import UNKNOWN_RESOURCE, HttpAnswer
from thingstead.api.documents.site import ASSETS, START, Site, asset
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import LANGUAGES, preferred
from thingstead.api.encodings import gzipped
from thingstead.api.endpoint import Endpoint
from thingstead.model.http_headers import value_of

T = TypeVar("T")

# Any other Host is not shown: what stands in the examples is copied into shells.
HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
DEFAULT_ORIGIN = "http://localhost:8080"
POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# A page contains the host of its request, so no cache may give it to others.
PAGE_HEADERS = (*HEADERS, (b"cache-control", b"private, no-cache"))
ASSET_HEADERS = (*HEADERS, (b"cache-control", b"public, max-age=86400"))  # their address contains a hash
HTML = b"text/html; charset=utf-8"


class DocumentPages:
    """The handlers. What they serve is made on first use, in a thread, one thing at a time."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._site = Site(endpoints)
        self._making = asyncio.Lock()
        self._openapi: HttpAnswer | None = None
        self._assets: dict[str, HttpAnswer] = {}

    async def openapi(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """The OpenAPI document as JSON."""
        if self._openapi is None:
            body = await self._made(lambda: msgspec.json.encode(self._site.document))
            self._openapi = HttpAnswer(200, body, gzip_body=await gzipped(body))
        return self._openapi

    async def start(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """The first page, in the language that the browser prefers."""
        accepted = (value_of(scope["headers"], b"accept-language") or b"").decode("latin-1")
        return await self._page(scope, preferred(accepted), START, (b"vary", b"accept-language"))

    async def page(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """A page: ``/docs/{language}/{page}``."""
        return await self._page(scope, path["language"], path.get("page", START))

    async def asset(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """A file that the pages load: style, script, and what the search finds."""
        name = path["file"]
        if name not in self._assets:
            language = name.removeprefix("search.").removesuffix(".json")
            if name in ASSETS:
                made = HttpAnswer(200, asset(name), content_type=ASSETS[name].encode(), headers=ASSET_HEADERS)
            elif name == f"search.{language}.json" and language in LANGUAGES:
                body = await self._made(lambda: msgspec.json.encode(self._site.search(language)))
                made = HttpAnswer(200, body, headers=ASSET_HEADERS)
            else:
                return UNKNOWN_RESOURCE
            self._assets[name] = made._replace(gzip_body=await gzipped(made.body))
        return self._assets[name]

    async def _made(self, make: Callable[[], T]) -> T:
        async with self._making:
            return await asyncio.to_thread(make)

    async def _page(self, scope: Scope, language: str, name: str, *headers: tuple[bytes, bytes]) -> HttpAnswer:
        html = self._site.pages.get((language, name))
        if html is None:
            html = await self._made(lambda: self._site.page(language, name))
        if html is None:
            return UNKNOWN_RESOURCE
        body = html.replace(ORIGIN, origin_of(scope)).encode()
        return HttpAnswer(200, body, content_type=HTML, headers=(*PAGE_HEADERS, *headers))


def origin_of(scope: Scope) -> str:
    """Scheme, host and port under which a client reached the server, as far as the server knows."""
    host = request_host(scope)
    if HOST.fullmatch(host) is None:
        return DEFAULT_ORIGIN
    return f"{'https' if is_secure(scope) else 'http'}://{host}"
