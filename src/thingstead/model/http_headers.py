"""What headers of an HTTP request say: whether gzip is taken, which cookie came along, from which page it was sent."""

import re
from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]  # names in lower case

_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def names_gzip(accepted: bytes) -> bool:
    """RFC 9110, 12.5.3: ``Accept-Encoding`` names gzip, or everything, and not with a weight of zero."""
    weights: dict[bytes, bytes] = {}
    for part in accepted.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        weights[coding.strip()] = parameters.strip()
    weight = weights.get(b"gzip", weights.get(b"*"))
    return weight is not None and not (weight.startswith(b"q=") and not weight[2:].strip(b" 0."))


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header that stands there once; of several, the last."""
    found = None
    for each, value in headers:
        if each == name:
            found = value
    return found


def cookie_of(headers: Headers, name: str) -> str:
    """The value of a cookie (RFC 6265, 4.2); empty where it did not come along, or came more than once: it was set by
    whoever owns another path or a wider domain then, and nobody knows which one is ours."""
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
    """Whether a page of this origin was served by this server.

    Args:
        origin: the header ``Origin``, such as ``https://iot.example:8443``.
        host: the header ``Host`` of the same request.
        secure: the request came over TLS, as far as the server knows: what ends TLS in front of it may not have said.
    """
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None or not host or (secure and match[1] != "https"):
        return False
    port = _DEFAULT_PORTS[match[1]]
    return match[2].removesuffix(port) == host.lower().removesuffix(port)


def comes_from_here(headers: Headers, *, changes: bool, secure: bool) -> bool:
    """Whether a request was sent by a page of this server, or by no page at all.

    What ``Sec-Fetch-Site`` and ``Origin`` say counts where they were sent. A browser sends neither with a GET of its
    own page over plain HTTP, and at least one of them with everything that changes something.

    Args:
        changes: at least one of the two must say so.
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
