"""Parses headers of HTTP requests: accepted encodings, cookies, origin of the page."""

import re
from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]  # names in lower case

_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def names_gzip(accepted: bytes) -> bool:
    """Whether ``Accept-Encoding`` accepts gzip: named, or matched by ``*``, with a weight above zero (RFC 9110,
    12.5.3)."""
    weights: dict[bytes, bytes] = {}
    for part in accepted.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        weights[coding.strip()] = parameters.strip()
    weight = weights.get(b"gzip", weights.get(b"*"))
    return weight is not None and not (weight.startswith(b"q=") and not weight[2:].strip(b" 0."))


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header; of several, the last."""
    found = None
    for each, value in headers:
        if each == name:
            found = value
    return found


def cookie_of(headers: Headers, name: str) -> str:
    """The value of a cookie (RFC 6265, 4.2); empty if it is absent or occurs more than once: then another path or a
    wider domain set one too, and ours cannot be determined."""
    wanted = name.encode()
    values = [
        value.strip()
        for header, line in headers
        if header == b"cookie"
        for key, _, value in [pair.partition(b"=") for pair in line.split(b";")]
        if key.strip() == wanted
    ]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def is_own_origin(origin: str, host: str, *, secure: bool) -> bool:
    """Whether this server served the page of an origin.

    Args:
        origin: the header ``Origin``, such as ``https://iot.example:8443``.
        host: the header ``Host`` of the same request.
        secure: the server knows that the request came over TLS; False if a TLS proxy in front did not say so.
    """
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None or not host or (secure and match[1] != "https"):
        return False
    port = _DEFAULT_PORTS[match[1]]
    return match[2].removesuffix(port) == host.lower().removesuffix(port)


def comes_from_here(headers: Headers, *, changes: bool, secure: bool) -> bool:
    """Whether a request was sent by a page of this server, or by a client that is not a browser page.

    ``Sec-Fetch-Site`` and ``Origin`` decide if they are present. A browser sends neither with a same-origin GET over
    plain HTTP, and at least one of them with every request that changes something.

    Args:
        changes: whether at least one of the two headers must be present.
    """
    given = list(headers)
    site, origin = value_of(given, b"sec-fetch-site"), value_of(given, b"origin")
    if origin is not None:
        host = (value_of(given, b"host") or b"").decode("latin-1")
        if not is_own_origin(origin.decode("latin-1"), host, secure=secure):
            return False
    if site is not None and site not in (b"same-origin", b"none"):
        return False
    return not changes or origin is not None or site == b"same-origin"
