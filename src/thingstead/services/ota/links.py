"""Links by which devices download: short, random, for one device and one version, stored as hashes."""

import hashlib
import re
import secrets
import socket
from collections.abc import Sequence
from typing import NamedTuple

from thingstead.config import OtaSettings, PublicSettings
from thingstead.model.ota.version import OtaVersion, url_name
from thingstead.services.shared.installation import EVERY_ADDRESS, OpenListener

TOKEN_BYTES = 12  # 16 characters: the command must fit into the buffers of small devices
HASH_DIGITS = 32  # hexadecimal digits
DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16}\Z")
_ELSEWHERE = ("192.0.2.1", 9)  # of no network (RFC 5737); nothing is sent to it


class NewLink(NamedTuple):
    """A link that was made."""

    url: str
    token_hash: str


def hash_of(token: str) -> str | None:
    """The hash under which a token is stored; None: it cannot be a token."""
    if _TOKEN.match(token) is None:
        return None
    return hashlib.sha256(token.encode()).hexdigest()[:HASH_DIGITS]


class Links:
    """Makes links.

    Args:
        listeners: open ports, without those behind a load balancer.
    """

    def __init__(
        self, settings: OtaSettings, public: PublicSettings | None = None, listeners: Sequence[OpenListener] = ()
    ) -> None:
        self._bases = {
            secure: _base(settings, public or PublicSettings(), listeners, secure=secure) for secure in (False, True)
        }

    def base(self, *, secure: bool) -> str:
        """The address that links begin with; empty: devices cannot reach the server in this way."""
        return self._bases[secure]

    def make(self, version: OtaVersion) -> NewLink | None:
        """A new link to the file of a version; None: devices cannot reach the server in the way that it wants. Without
        a port for HTTP, HTTPS is used."""
        base = self.base(secure=version.https) or ("" if version.https else self.base(secure=True))
        if not base or version.file is None:
            return None
        token = secrets.token_urlsafe(TOKEN_BYTES)
        token_hash = hash_of(token)
        assert token_hash is not None, "it was made as they are"
        return NewLink(f"{base}/ota/{token}/{url_name(version.file.name)}", token_hash)


def _base(settings: OtaSettings, public: PublicSettings, listeners: Sequence[OpenListener], *, secure: bool) -> str:
    scheme = "https" if secure else "http"
    address = settings.base(secure=secure)
    if address is None:
        found = public.http()
        address = found if found is not None and found.scheme == scheme else None
    if address is not None:
        return _url(scheme, address.host, address.port or DEFAULT_PORTS[scheme])
    for listener in listeners:
        if listener.kind == scheme:
            host = own_address() if listener.host in EVERY_ADDRESS else listener.host
            return _url(scheme, host, listener.port)
    return ""


def _url(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{name}:{port}"


def own_address() -> str:
    """The address of this machine in the network that its default route leads to; loopback if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(_ELSEWHERE)  # chooses the route; a datagram socket sends nothing here
            return str(sock.getsockname()[0])
        except OSError:
            return "127.0.0.1"
