"""Gathers what is known of a device, and checks it."""

from thingstead.clock import Clock
from thingstead.model.device import Device, Page
from thingstead.services.diagnosis.checks import findings
from thingstead.services.diagnosis.facts import DeviceFacts, Finding
from thingstead.services.diagnosis.live_connections import LiveConnection, LiveConnections
from thingstead.services.modbus.insight import ModbusInsight
from thingstead.services.presence.presence import PresenceService
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.storage.base import Store

LOOKED_AT = 100  # newest entries of the log of connections and of refused messages
COMMANDS_LOOKED_AT = 20


class DiagnosisService:
    """The checklist of a device."""

    def __init__(
        self, store: Store, clock: Clock, presence: PresenceService, logs: DeviceLogService, modbus: ModbusInsight
    ) -> None:
        self._store = store
        self._clock = clock
        self._presence = presence
        self._logs = logs
        self._modbus = modbus
        self._connections: LiveConnections | None = None

    def follow(self, connections: LiveConnections) -> None:
        """Asks these about live connections from now on."""
        self._connections = connections

    async def check(self, project_id: str, device_id: str) -> list[Finding]:
        """The findings, in the order in which to look at them.

        Raises:
            NotFound: the project has no such device.
        """
        return findings(await self._facts(project_id, device_id))

    async def _facts(self, project_id: str, device_id: str) -> DeviceFacts:
        view = await self._store.devices.get_view(project_id, device_id)
        device, page = view.device, Page(records=LOOKED_AT)
        connections, _ = await self._logs.list_page(device, "connection", page)
        rejected, _ = await self._logs.list_page(device, "rejected", page)
        commands, _ = await self._logs.list_commands(device, Page(records=COMMANDS_LOOKED_AT))
        gateway = None if device.gateway_id is None else await self._store.devices.find(device.gateway_id)
        online = gateway is not None and await self._presence.find_session(gateway) is not None
        values = await self._store.history.current(device.number)
        modbus = await self._modbus.device(project_id, device_id)
        return DeviceFacts(
            view=view,
            session=await self._presence.find_session(device),
            live=self._live(device),
            connections=connections,
            rejected=rejected,
            commands=commands,
            gateway=gateway,
            gateway_online=online,
            rivals=await self._presence.conflict(device) if view.online else [],
            unknown_log_in=self._presence.unknown_log_in(project_id),
            modbus=[group for stream in modbus.streams for group in stream.groups if group.interval_ms],
            polled=any(stream.polling for stream in modbus.streams),
            newest_ts=max((value.ts for value in values.values()), default=0),
            now=self._clock.now_ms(),
        )

    def _live(self, device: Device) -> LiveConnection | None:
        return None if self._connections is None else self._connections.describe(device.id)
