"""The ports of a server as data."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port, as a table ``[[listeners]]`` describes it. ``mqtts``, ``https`` and ``tcps`` are behind TLS."""

    kind: Literal["mqtt", "mqtts", "http", "https", "tcp", "tcps", "open"]
    port: Annotated[int, Meta(ge=0, le=65_535)]  # 0: a free one
    host: str = ""  # "": the setting host
    certificate: str = ""  # file; "": the setting tls_certificate, and so on
    key: str = ""
    client_ca: str = ""
    proxy_protocol: bool = False  # every connection begins with a PROXY header

    @property
    def secure(self) -> bool:
        """Whether it is behind TLS."""
        return self.kind.endswith("s")


class ListenerSpec(NamedTuple):
    """A port to be opened, with everything that its setting leaves to others filled in."""

    setting: str  # which asks for it, for messages
    listener: Listener
    optional: bool = False  # where the port is taken, it stays closed
