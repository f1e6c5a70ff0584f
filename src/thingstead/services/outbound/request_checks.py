"""Checks of addresses and headers that tenants choose for requests of the server."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from thingstead.model.limits import Problems

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # a token [RFC 9110, 5.6.2]
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?\Z")
# Headers that the request sets itself, and those that change its framing or destination.
RESERVED_HEADERS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",  # codespell:ignore te
})  # fmt: skip
RESERVED_PREFIX = "x-thingstead-"


def is_url(text: str) -> bool:
    """Whether a text is an http or https address with a host, without user and fragment."""
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not parts.fragment
        and (port is None or port > 0)
    )


def is_header_value(text: str) -> bool:
    """Whether a text can be the value of a header: printable ASCII."""
    return _HEADER_VALUE.match(text) is not None


def check_headers(headers: Mapping[str, str], problems: Problems, field: str) -> None:
    """Adds what is wrong with names and values of headers."""
    if len({name.lower() for name in headers}) < len(headers):
        problems.add(field, "header_repeated")
    for name, value in headers.items():
        if not _HEADER_NAME.match(name):
            problems.add(field, "not_header_name", name=repr(name))
        elif name.lower() in RESERVED_HEADERS or name.lower().startswith(RESERVED_PREFIX):
            problems.add(f"{field}.{name}", "header_set_by_server")
        elif not is_header_value(value):
            problems.add(f"{field}.{name}", "not_printable_ascii")
