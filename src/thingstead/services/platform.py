"""What the edges (HTTP and MQTT) get to work with: one member a service."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The services of one server."""

    projects: Any
    accounts: Any
    tokens: Any
    devices: Any
    device_types: Any
    device_groups: Any
    customers: Any
    history: Any
    ingest: Any
    control: Any
    presence: Any
    alarms: Any
