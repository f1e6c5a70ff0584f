"""Settings `public.*`."""

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import msgspec

from thingstead.config.settings.declaring import about

HTTP_PORTS = {"http": 80, "https": 443}


class PublicAddress(NamedTuple):
    """An address as others reach it."""

    host: str
    port: int | None = None  # None: the one on which the server listens
    scheme: str = ""


class PublicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Under which addresses devices and people reach the server, as the console and the API show them."""

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
        """The address of a kind of listener; None where none is set. ValueError where one cannot be read."""
        text = {"mqtt": self.mqtt_address, "mqtts": self.mqtts_address, "tcp": self.tcp_address}.get(kind, "")
        return _host_and_port(f"//{text}") if text else None

    def http(self) -> PublicAddress | None:
        """The address of HTTP, with its port; None where none is set. ValueError where one cannot be read."""
        if not self.http_address:
            return None
        address = _host_and_port(self.http_address)
        if address.scheme not in HTTP_PORTS:
            raise ValueError(f"{self.http_address} must begin with http:// or https://")
        return address._replace(port=address.port or HTTP_PORTS[address.scheme])


def _host_and_port(text: str) -> PublicAddress:
    parts = urlsplit(text)
    rest = parts.path.rstrip("/") or parts.query or parts.fragment or parts.username or parts.password
    if not parts.hostname or rest or any(character.isspace() for character in text):
        raise ValueError(f"{text.removeprefix('//')} must be a host, and perhaps a port")
    return PublicAddress(parts.hostname, parts.port, parts.scheme)  # raises ValueError for a port that is none
