"""The public addresses of the open ports, as the caller can reach them."""

from collections.abc import Sequence
from typing import NamedTuple

from thingstead.config import PublicSettings
from thingstead.model.addresses import host_and_port
from thingstead.wire.projects import PortAddress

EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
WEB_SOCKET = {"http": "ws", "https": "wss"}
ORDER = ("mqtt", "mqtts", "http", "https", "ws", "wss", "tcp", "tcps")
HTTP_PORT, HTTPS_PORT = 80, 443


class OpenListener(NamedTuple):
    """An open port."""

    kind: str  # as in the configuration
    host: str  # the address on which it listens
    port: int


class Installation:
    """The ports of one server.

    Args:
        listeners: open ports, without those behind a load balancer.
        public: configured public addresses.
    """

    def __init__(self, listeners: Sequence[OpenListener] = (), public: PublicSettings | None = None) -> None:
        self._listeners = listeners
        self._public = public or PublicSettings()

    def addresses(self, host: str, *, secure: bool) -> list[PortAddress]:
        """The public addresses, without duplicates, by kind.

        Args:
            host: the header ``Host`` of the request; empty: unknown.
            secure: the request came over TLS.
        """
        asked, port = host_and_port(host)
        name = asked or "localhost"
        found = self._http(name, port or (HTTPS_PORT if secure else HTTP_PORT), secure=secure, asked=bool(asked))
        found += [PortAddress(WEB_SOCKET[each.kind], each.host, each.port) for each in found]
        for listener in self._listeners:
            if listener.kind in ("mqtt", "mqtts", "tcp", "tcps"):
                public = self._public.of(listener.kind)
                if public is not None:
                    found.append(PortAddress(listener.kind, public.host, public.port or listener.port))
                else:
                    found.append(_under(listener, name))
        return sorted(dict.fromkeys(found), key=lambda each: ORDER.index(each.kind))

    def _http(self, name: str, port: int, *, secure: bool, asked: bool) -> list[PortAddress]:
        """The configured address; otherwise the one of the request, and those of other ports."""
        public = self._public.http()
        if public is not None:
            return [PortAddress(public.scheme, public.host, public.port or HTTP_PORT)]
        own = PortAddress("https" if secure else "http", name, port)
        listened = [_under(each, name) for each in self._listeners if each.kind in WEB_SOCKET]
        return [own, *listened] if asked else listened


def _under(listener: OpenListener, name: str) -> PortAddress:
    """The address of a listener under a host name."""
    return PortAddress(listener.kind, name if listener.host in EVERY_ADDRESS else listener.host, listener.port)
