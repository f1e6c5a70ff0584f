"""A project and its keys."""

import msgspec


class ProjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The project."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    timezone: str  # whose days its days are (extension)
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read


class PortAddress(msgspec.Struct, frozen=True):
    """Where the server is reached."""

    kind: str  # mqtt, mqtts, http, https, ws, wss (the path is /mqtt), tcp or tcps
    host: str
    port: int


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the devices and the subscribers of the project are configured with, without secrets."""

    project_key: str  # ProjectKey: half of every device certificate
    view_key: str  # ProjectViewKey: user name and topic prefix of the MQTT application subscription
    previous_project_key: str | None = None  # before the last rotation, while devices may still use it
    previous_key_until: int | None = None  # until when (ms)
    endpoints: list[PortAddress] = []  # as whoever asks reaches them


class ViewCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of the MQTT application subscription. The secret is shown only once."""

    view_key: str
    view_secret: str
