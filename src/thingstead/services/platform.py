"""What the edges (HTTP and MQTT) get to work with: one member a service."""

from dataclasses import dataclass
from typing import Any

from thingstead.services.alarms import AlarmService
from thingstead.services.control import ControlService
from thingstead.services.device_groups import DeviceGroupService
from thingstead.services.device_types import DeviceTypeService
from thingstead.services.devices import DeviceService
from thingstead.services.history import HistoryService
from thingstead.services.ingest import IngestService
from thingstead.services.presence import PresenceService


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The services of one server."""

    projects: Any
    accounts: Any
    tokens: Any
    devices: DeviceService
    device_types: DeviceTypeService
    device_groups: DeviceGroupService
    customers: Any
    history: HistoryService
    ingest: IngestService
    control: ControlService
    presence: PresenceService
    alarms: AlarmService
