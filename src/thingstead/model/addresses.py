"""Addresses of peers: the client of an HTTP request behind proxies, and the key for throttling an address."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Headers = Iterable[tuple[bytes, bytes]]  # names in lower case
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HOPS_LIMIT = 32  # at most so many hops of a forwarding header are followed, from the right
IPV6_PREFIX_BITS = 64  # the smallest network that one subscriber gets: its addresses count as one sender


class ClientAddress(NamedTuple):
    """The client of a request, as far as it is known."""

    host: str
    port: int  # 0: unknown
    secure: bool | None  # whether the client used https; None: unknown


def throttling_key(host: str) -> str:
    """The key under which requests are throttled: an IPv4 address, the /64 of an IPv6 address, any other text
    unchanged."""
    address = _address(host)
    if address is None:
        return host
    if address.version == 4:
        return str(address)
    return str(ipaddress.IPv6Network((int(address), IPV6_PREFIX_BITS), strict=False))


def host_of(remote_address: str) -> str:
    """The host part of ``192.0.2.1:49152``, ``[2001:db8::1]:49152``, or of either without a port."""
    if remote_address.startswith("["):
        return remote_address[1:].partition("]")[0]
    host, colon, _ = remote_address.rpartition(":")
    return host if colon and ":" not in host else remote_address


def is_loopback(host: str) -> bool:
    """Whether the address is a loopback address."""
    address = _address(host)
    return address is not None and address.is_loopback


def is_own_host(host: str) -> bool:
    """Whether the header ``Host`` names this machine in a way that DNS cannot redirect (DNS rebinding): ``localhost``
    or an address, with or without a port."""
    name, _ = host_and_port(host.strip())
    return name.lower().rstrip(".") == "localhost" or _address(name) is not None


class TrustedProxies:
    """The proxies whose forwarding headers are trusted.

    Args:
        networks: addresses and networks, as in the setting ``http.trusted_proxies``.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, host: str) -> bool:
        """Whether the peer at this address is a trusted proxy."""
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: tuple[str, int], headers: Headers) -> ClientAddress:
        """The client of a request with these headers that arrived from ``peer``.

        The client is the right-most hop in the headers that is not a trusted proxy; if all are trusted, the left-most.
        If ``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) name different clients, both are ignored: a proxy that sets
        one of them may have forwarded the other as its client sent it.
        """
        direct = ClientAddress(peer[0], peer[1], None)
        if not self._networks or not self.trusts(peer[0]):
            return direct
        lines: dict[bytes, list[str]] = {}
        for name, value in headers:
            if name in _FORWARDING:
                lines.setdefault(name, []).append(value.decode("latin-1"))
        given = lines.get(b"x-forwarded-for")
        standard = lines.get(b"forwarded")
        named = self._walk(direct, [(hop, None) for hop in _hops(given)]) if given else None
        other = self._walk(direct, map(_element, _hops(standard))) if standard else None
        if named is not None and other is not None and named.host != other.host:
            return direct
        client = named or other or direct
        schemes = _hops(lines.get(b"x-forwarded-proto"))
        return client._replace(secure=_is_secure(schemes[0])) if schemes else client

    def _walk(self, direct: ClientAddress, hops: Iterable[tuple[str, bool | None]]) -> ClientAddress:
        client = direct
        for hop, secure in hops:
            host, port = host_and_port(hop)
            address = _address(host)
            if address is None:  # "unknown", an obfuscated name, or not an address
                break
            client = ClientAddress(str(address), port, secure)
            if not self.trusts(client.host):
                break
        return client


_FORWARDING = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"})


def _hops(lines: Sequence[str] | None) -> list[str]:
    """The elements of a header, last one first."""
    if not lines:
        return []
    return [hop.strip() for hop in reversed(",".join(lines).rsplit(",", HOPS_LIMIT)[-HOPS_LIMIT:])]


def _element(text: str) -> tuple[str, bool | None]:
    """Node and scheme of one element of ``Forwarded``: ``for="[2001:db8::1]:4711";proto=https``."""
    pairs = (pair.partition("=") for pair in text.split(";"))
    members = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return members.get("for", ""), _is_secure(members.get("proto", ""))


def _is_secure(scheme: str) -> bool | None:
    return {"https": True, "wss": True, "http": False, "ws": False}.get(scheme.lower())


def host_and_port(hop: str) -> tuple[str, int]:
    """Host, as :func:`host_of` returns it, and port of a text; port 0 if there is none."""
    host = hop if _address(hop) is not None else host_of(hop)
    port = hop.rpartition(":")[2]
    is_port = host != hop and port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535
    return host, int(port) if is_port else 0


def _address(host: str) -> _Address | None:
    """The parsed address, or None; an IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
