"""A project and its keys."""

import msgspec


class ProjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The project."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    timezone: str  # extension: time zone of its calendar days
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class PortAddress(msgspec.Struct, frozen=True):
    """A public address of the server."""

    kind: str  # mqtt, mqtts, http, https, ws, wss (the path is /mqtt), tcp or tcps
    host: str
    port: int


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parameters for devices and subscribers of the project, without secrets."""

    project_key: str  # ProjectKey: half of every device certificate
    view_key: str  # ProjectViewKey: user name and topic prefix of the MQTT application subscription
    previous_project_key: str | None = None  # before the last rotation, while still valid
    previous_key_until: int | None = None  # ms: end of its validity
    endpoints: list[PortAddress] = []  # as the caller can reach them


class ViewCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of the MQTT application subscription. The secret is shown only once."""

    view_key: str
    view_secret: str
