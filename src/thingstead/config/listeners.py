"""Configuration of the ports of a server."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port, as a table ``[[listeners]]`` configures it. ``mqtts``, ``https`` and ``tcps`` use TLS."""

    kind: Literal["mqtt", "mqtts", "http", "https", "tcp", "tcps", "open"]
    port: Annotated[int, Meta(ge=0, le=65_535)]  # 0: picks a free port
    host: str = ""  # "": the setting ``host``
    certificate: str = ""  # file; "": the setting ``tls_certificate``; likewise below
    key: str = ""
    client_ca: str = ""
    proxy_protocol: bool = False  # every connection begins with a PROXY header

    @property
    def secure(self) -> bool:
        """Whether it uses TLS."""
        return self.kind.endswith("s")


class ListenerSpec(NamedTuple):
    """A port to open, with all defaults applied."""

    setting: str  # name of the setting that configures it, for messages
    listener: Listener
    optional: bool = False  # if the port is in use, continue without it
