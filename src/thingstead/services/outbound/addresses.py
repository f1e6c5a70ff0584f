"""Networks to which the server may or may not open connections.

The lists do not depend on a library's notion of "global", which differs between releases. An address that embeds an
IPv4 address is also checked as that.
"""

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


NEVER = _networks(
    "0.0.0.0/8",  # this host [RFC 6890]
    "169.254.0.0/16",  # link-local; metadata of most clouds
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and limited broadcast
    "::/128",
    "fe80::/10",
    "ff00::/8",
    # Addresses at which clouds serve credentials to machines, besides link-local ones.
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle
    "168.63.129.16/32",  # Azure
    "fd00:ec2::/32",  # AWS
    "fd20:ce::254/128",  # Google
)
PRIVATE = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # [RFC 1918]
    "127.0.0.0/8", "::1/128",  # loopback
    "100.64.0.0/10",  # shared by a carrier's customers [RFC 6598]
    "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",  # protocols, 6to4 relays, measurements
    "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20",  # documentation
    "fc00::/7", "fec0::/10",  # unique local, site-local
    "64:ff9b:1::/48",  # translators of the local network [RFC 8215]
    "100::/64", "2001::/23", "5f00::/16",  # discard, protocols and Teredo, segment routing
)  # fmt: skip
# Prefixes with an IPv4 address in the last 32 bits: compatible, mapped, translated [RFC 2765], NAT64 [RFC 6052, RFC
# 8215].
LAST_32_BITS = _networks("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # the upper half of an interface identifier [RFC 5214]
LOOPBACK = ipaddress.IPv6Address("::1")


def may_be_reached(address: str, *, private: bool) -> bool:
    """Whether connections may be made to an IP address. Refused are link-local addresses and others at which clouds
    serve credentials, multicast and reserved ones; and, unless ``private`` is set, private networks and this machine.
    """
    found = list(_meanings(address))
    if any(_among(each, NEVER) for each in found):
        return False
    return private or not any(_among(each, PRIVATE) for each in found)


def is_private(address: str) -> bool:
    """Whether an IP address belongs to a private network or to this machine."""
    return any(_among(each, PRIVATE) for each in _meanings(address))


def _among(ip: Address, networks: tuple[Network, ...]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _meanings(address: str) -> Iterator[Address]:
    """An address, and the IPv4 address that it embeds, if any."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    embedded = None
    if isinstance(ip, ipaddress.IPv6Address) and ip != LOOPBACK:
        number = int(ip)
        if _among(ip, LAST_32_BITS) or number >> 32 & 0xFFFF_FFFF in ISATAP:
            embedded = number & 0xFFFF_FFFF
        elif ip in SIX_TO_FOUR:
            embedded = number >> 80 & 0xFFFF_FFFF
    yield ip
    if embedded is not None:
        yield ipaddress.IPv4Address(embedded)


def private_allowed(setting: bool | str, projects: int) -> bool:
    """Whether what tenants configure may have private addresses.

    Args:
        setting: ``notify.private_addresses``: true, false or ``auto``.
        projects: their number; with several, tenants must not see what answers at private addresses.
    """
    return projects <= 1 if setting == "auto" else setting is True
