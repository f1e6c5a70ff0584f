"""Settings `public.*`."""

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import msgspec

from thingstead.config.settings.declaring import about

HTTP_PORTS = {"http": 80, "https": 443}


class PublicAddress(NamedTuple):
    """A public address of the server."""

    host: str
    port: int | None = None  # None: the port of the listener
    scheme: str = ""


class PublicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Public addresses of the server for devices and people, as the console and the API show them."""

    http_address: Annotated[
        str,
        about("Public address of HTTP, such as `https://iot.example.com`; default: the address of the request."),
    ] = ""
    mqtt_address: Annotated[
        str,
        about(
            "Public address of MQTT, `host` or `host:port`; default: the host of the request, and the port of "
            "the server."
        ),
    ] = ""
    mqtts_address: Annotated[str, about("The same for MQTT over TLS.")] = ""
    tcp_address: Annotated[str, about("The same for raw TCP.")] = ""

    def of(self, kind: str) -> PublicAddress | None:
        """The address for a kind of listener; None: not set. Raises ValueError if it is invalid."""
        text = {"mqtt": self.mqtt_address, "mqtts": self.mqtts_address, "tcp": self.tcp_address}.get(kind, "")
        return _host_and_port(f"//{text}") if text else None

    def http(self) -> PublicAddress | None:
        """The address of HTTP, with its port; None: not set. Raises ValueError if it is invalid."""
        return address_of(self.http_address) if self.http_address else None


def address_of(text: str) -> PublicAddress:
    """The address that an ``http://`` or ``https://`` URL without a path names, with its port. Raises ValueError if it
    is invalid."""
    address = _host_and_port(text)
    if address.scheme not in HTTP_PORTS:
        raise ValueError(f"{text} must begin with http:// or https://")
    return address._replace(port=address.port or HTTP_PORTS[address.scheme])


def _host_and_port(text: str) -> PublicAddress:
    parts = urlsplit(text)
    rest = parts.path.rstrip("/") or parts.query or parts.fragment or parts.username or parts.password
    if not parts.hostname or rest or any(character.isspace() for character in text):
        raise ValueError(f"{text.removeprefix('//')} must be a host, optionally with a port")
    return PublicAddress(parts.hostname, parts.port, parts.scheme)  # raises ValueError for an invalid port
