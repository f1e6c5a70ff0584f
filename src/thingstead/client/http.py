"""A request and a response of HTTP, as data: what the blocking and the asyncio transport have in common."""

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from thingstead.errors import InvalidInput

TIMEOUT_S = 35.0  # for one request; a synchronous command may take 30 s
IDLE_S = 30.0  # for which an unused connection is kept; servers close them later
BODY_BYTES = 256 * 1024 * 1024  # largest response
SAFE_TO_REPEAT = frozenset({"GET", "PUT", "DELETE"})


class Request(NamedTuple):
    """An HTTP request; ``target`` is path and query, relative to the base URL."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None = None


class Response(NamedTuple):
    """An HTTP response with its whole body; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Origin(NamedTuple):
    """Scheme, host, port and base path of a server."""

    secure: bool
    host: str
    port: int
    path: str  # prefix of the path of every request, without a trailing slash

    @property
    def name(self) -> str:
        """Host and port, for the header Host and for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Parses a base URL. Raises InvalidInput if it is not an http or https URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise InvalidInput.field("url", "not_valid", detail="is not a URL") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidInput.field("url", "not_valid", detail="must be like https://things.example.com")
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))


def target(path: str, query: dict[str, Any] | None = None) -> str:
    """A path with a query; None values are omitted, booleans are 1 and 0, a list is one parameter for each value."""
    given = {name: _texts(value) for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def segment(text: str) -> str:
    """Encodes a text as a path segment."""
    quoted = quote(text, safe="")
    # "." and ".." would be resolved by proxies
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _texts(value: Any) -> str | list[str]:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return str(int(value)) if isinstance(value, bool) else str(value)


def header_value(name: str, text: str) -> str:
    """Checks a text for use in a header. Raises InvalidInput if it may not be used there."""
    if not text or not text.isascii() or not text.isprintable():
        raise InvalidInput.field(name, "not_printable_ascii")
    return text
