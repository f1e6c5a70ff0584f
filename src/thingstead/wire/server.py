"""The state of the server."""

from typing import Any

import msgspec

from thingstead.model.health import HealthWarning


class ServerPort(msgspec.Struct, frozen=True, kw_only=True):
    """An open port."""

    setting: str  # the setting that asks for it
    kind: str  # mqtt, mqtts, http, https, tcp, tcps, open
    host: str  # the address on which it listens
    port: int
    tls: bool
    certificate_until: int | None = None  # ms; None: no TLS, or the certificate does not expire


class SoftwareLicense(msgspec.Struct, frozen=True, kw_only=True):
    """A package that the server uses."""

    name: str
    version: str
    license: str


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The server, of which a project is one of several."""

    version: str
    python: str
    sqlite: str
    started_at: int  # ms
    uptime_s: int
    ports: list[ServerPort]
    data_bytes: int  # files of the data folder; over PostgreSQL the database
    disk_total_bytes: int
    disk_free_bytes: int
    low_disk_bytes: int  # free space below which reports are refused
    history_points: int  # of the project, in blocks
    history_bytes: int  # of the project
    history_oldest_ts: int | None  # ms; None: no history
    memory_bytes: int  # resident memory of the process; 0: not known
    trouble: str  # why nothing can be stored now; empty: it can be
    trouble_code: str = ""  # of `trouble`, in docs/refusals.md
    trouble_args: dict[str, Any] = {}  # values in its text
    warnings: list[HealthWarning]  # as those of /healthz
    licenses: list[SoftwareLicense]
