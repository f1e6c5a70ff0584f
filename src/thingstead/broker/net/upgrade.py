"""What the HTTP request of a WebSocket states: session cookies, and the origin of the page."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from thingstead.model.http_headers import cookie_of, is_own_origin, value_of
from thingstead.services.accounts.browser_sessions import COOKIE, SECRET_CHARACTERS

_NAME = re.compile(rf"(?:__Host-)?{COOKIE}[0-9a-f]+")


class Upgrade(NamedTuple):
    """HTTP upgrade request of a browser that has sessions, perhaps with other servers on this host."""

    secrets: Mapping[str, str]  # by cookie name
    secure: bool  # received over TLS
    from_own_page: bool  # Origin is this server


def upgrade_of(headers: Iterable[tuple[bytes, bytes]], *, secure: bool) -> Upgrade | None:
    """Parses the headers of an upgrade request. Returns None if it has no session cookie."""
    headers = list(headers)
    cookies = b";".join(value for name, value in headers if name == b"cookie").decode("latin-1")
    if COOKIE not in cookies:
        return None
    found = {name: cookie_of(headers, name) for name in _NAME.findall(cookies)}
    secrets = {name: secret for name, secret in found.items() if len(secret) == SECRET_CHARACTERS}
    if not secrets:
        return None
    origin, host = ((value_of(headers, name) or b"").decode("latin-1") for name in (b"origin", b"host"))
    return Upgrade(secrets, secure, is_own_origin(origin, host, secure=secure))
