"""Which connected devices the server sends requests to: those whose types have tables with polls or writes."""

from collections.abc import Callable

from thingstead.bus.base import Bus
from thingstead.config.settings import ModbusSettings
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.device import Device, DeviceFilter
from thingstead.model.messages import DeviceChanged, DeviceTypeChanged, PresenceChanged
from thingstead.model.modbus.compiled import CompiledModbus, compiled_modbus
from thingstead.services.modbus.state import StreamState
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.storage.base import Store

LOOK_UPS_AT_ONCE = 50  # devices that are looked up before streams have their turn

Key = tuple[str, str]  # device id, identifier of the stream


class PolledDevices:
    """Follows connections, device types and devices.

    Args:
        begun, ended: called when requests to a stream begin, and when they end.
        wake: called when there is something to look up.

    Attributes:
        over: devices that get no requests, because the project has too many.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        streams: ModbusStreams,
        settings: ModbusSettings,
        begun: Callable[[Key, StreamState], None],
        ended: Callable[[Key], None],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._streams = streams
        self._most = settings.project_max_polled_devices
        self._begun = begun
        self._ended = ended
        self._wake = wake
        # Types whose tables make the server send something, with these and the stream that is bound to TCP.
        self._types: dict[str, tuple[CompiledModbus, str | None]] = {}
        self._keys: dict[str, list[Key]] = {}  # of the streams of a device
        self._per_project: dict[str, int] = {}  # devices
        self._pending: dict[str, None] = {}  # devices that are to be looked up, in order
        self._changed: dict[str, str] = {}  # types that are to be read again: their project, by id
        self.over = 0
        self._subscriptions = [
            bus.subscribe(PresenceChanged, self._presence),
            bus.subscribe(DeviceChanged, lambda message: self._look_up(message.device_id)),
            bus.subscribe(DeviceTypeChanged, self._type_changed),
        ]

    def __len__(self) -> int:
        return len(self._keys)

    def keys_of(self, device_id: str) -> list[Key]:
        """The streams of a device that get requests."""
        return self._keys.get(device_id, [])

    async def read_types(self) -> None:
        """Reads which types have tables."""
        for project_id, type_id in await self._store.device_types.with_modbus():
            await self._read_type(project_id, type_id)

    def close(self) -> None:
        """Ends the subscriptions."""
        for subscription in self._subscriptions:
            subscription.cancel()

    async def look_up(self) -> bool:
        """Looks up what changed, as much as others can wait for. Returns whether there is more.

        Raises:
            Unavailable: the store cannot be read; it is tried again with the next call.
        """
        while self._changed:
            type_id, project_id = next(iter(self._changed.items()))
            del self._changed[type_id]
            try:
                await self._reload_type(project_id, type_id)
            except ThingsteadError:
                self._changed.setdefault(type_id, project_id)
                raise
        for _ in range(min(LOOK_UPS_AT_ONCE, len(self._pending))):
            device_id = next(iter(self._pending))
            del self._pending[device_id]
            try:
                await self._begin(device_id)
            except ThingsteadError:
                self._pending.setdefault(device_id, None)
                raise
        return bool(self._changed or self._pending)

    def _presence(self, message: PresenceChanged) -> None:
        if self._types:
            self._drop(message.device_id)  # of the connection before, if another takes over
            self._pending.pop(message.device_id, None)
            if message.online:
                self._look_up(message.device_id)

    def _look_up(self, device_id: str) -> None:
        if self._types:
            self._pending[device_id] = None
            self._wake()

    def _type_changed(self, message: DeviceTypeChanged) -> None:
        self._changed[message.type_id] = message.project_id
        self._wake()

    async def _read_type(self, project_id: str, type_id: str) -> bool:
        """Reads what the tables of a type send. Returns whether that changed."""
        before = self._types.get(type_id)
        try:
            found = await self._store.device_types.get(project_id, type_id)
        except NotFound:
            return self._types.pop(type_id, None) is not None
        compiled = compiled_modbus(found.modbus)
        if compiled is None or not compiled.sends:
            return self._types.pop(type_id, None) is not None
        self._types[type_id] = compiled, next((each.identifier for each in found.functions.streams if each.tcp), None)
        return self._types[type_id] != before

    async def _reload_type(self, project_id: str, type_id: str) -> None:
        """Looks up the devices of a type again, if what its tables send changed."""
        if not await self._read_type(project_id, type_id):
            return
        for device_id, keys in self._keys.items():
            if self._streams.polled[keys[0]].device.type_id == type_id:
                self._pending[device_id] = None
        if type_id in self._types:
            wanted = DeviceFilter(type_id=type_id, online=True)
            for device_id in await self._store.jobs.list_ids(project_id, wanted, self._most):
                self._pending[device_id] = None

    async def _begin(self, device_id: str) -> None:
        """Begins requests to a device, if it is connected and its type has tables; else ends them."""
        device = await self._store.devices.find(device_id)
        of_type = None if device is None or device.type_id is None else self._types.get(device.type_id)
        session = None if device is None or of_type is None else await self._store.presence.find_session(device.number)
        if device is None or of_type is None or session is None or session.protocol == "gateway":
            self._drop(device_id)
            return
        compiled, bound = of_type
        tables = {
            name: table
            for name, table in compiled.streams.items()
            if (table.polled or table.writes) and (session.protocol != "tcp" or name == bound)
        }
        present = [self._streams.polled[key] for key in self.keys_of(device_id)]
        if present and [state.table for state in present] == list(tables.values()):
            for state in present:
                state.device = device
            return  # something else of the device changed
        self._drop(device_id)
        if tables and self._has_room(device):
            self._keys[device_id] = [(device_id, name) for name in tables]
            for name, table in tables.items():
                state = self._streams.polled[device_id, name] = StreamState(device, table)
                self._begun((device_id, name), state)

    def _has_room(self, device: Device) -> bool:
        count = self._per_project.get(device.project_id, 0)
        if count >= self._most:
            self.over += 1
            return False
        self._per_project[device.project_id] = count + 1
        return True

    def _drop(self, device_id: str) -> None:
        keys = self._keys.pop(device_id, None)
        if keys is None:
            return
        project_id = self._streams.polled[keys[0]].device.project_id
        for key in keys:
            del self._streams.polled[key]
            self._ended(key)
        self._per_project[project_id] -= 1
        if not self._per_project[project_id]:
            del self._per_project[project_id]
