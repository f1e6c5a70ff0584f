"""Caches a connection's device, its type and its rules, so that a message needs no lookup."""

import asyncio
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from thingstead.bus.base import Bus
from thingstead.errors import NotFound
from thingstead.model.console.message_stat import MessageTally
from thingstead.model.device import Device
from thingstead.model.device_type import ConnType
from thingstead.model.messages import DeviceChanged, DeviceTypeChanged
from thingstead.model.modbus.compiled import CompiledModbus, compiled_modbus
from thingstead.model.values.checking import UNDEFINED, CompiledFunctions
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.evaluations import AlarmEvaluations
from thingstead.services.forwarding.index import DeviceForwards
from thingstead.services.shared.message_counts import MessageCounts
from thingstead.services.triggers.index import DeviceTriggers
from thingstead.services.triggers.triggers import Triggers
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.ingest")

RECENT_LINKS = 1_000  # cached contexts that no connection holds: of devices that report over HTTP
RECENT_TYPES = 1_000  # cached definitions that no connection uses


class TypeDefinition:
    """The compiled definition of one device type; shared by its devices, and replaced when it changes."""

    __slots__ = ("__weakref__", "compiled", "conn_type", "modbus")

    def __init__(
        self, compiled: CompiledFunctions, conn_type: ConnType = "1", modbus: CompiledModbus | None = None
    ) -> None:
        self.compiled = compiled
        self.conn_type = conn_type
        self.modbus = modbus  # None: the type has no tables of registers


WITHOUT_TYPE = TypeDefinition(UNDEFINED)


class DeviceContext:
    """The cached device, definition and alarm state of a connection, updated when the device, its type or its rules
    change; and the tally of its project."""

    __slots__ = ("__weakref__", "definition", "device", "device_alarms", "forwards", "tally", "triggers")

    def __init__(
        self,
        device: Device,
        definition: TypeDefinition,
        device_alarms: DeviceAlarms,
        tally: MessageTally,
        triggers: DeviceTriggers | None = None,
        forwards: DeviceForwards | None = None,
    ) -> None:
        self.device = device
        self.forwards = forwards  # targets that get its messages; None: there are none
        self.triggers = triggers  # message rules of the device; None: there are none
        self.tally = tally
        self.definition = definition
        self.device_alarms = device_alarms


class DeviceContexts:
    """Registry of the contexts in use, and cache of recent ones; updated by bus messages."""

    def __init__(
        self, store: Store, bus: Bus, evaluations: AlarmEvaluations, counts: MessageCounts, triggers: Triggers
    ) -> None:
        self._store = store
        self._triggers = triggers.index
        triggers.on_change = self._retarget
        self._forwards = evaluations.forwards.index
        evaluations.forwards.on_change = self._redirect
        self._counts = counts
        self._evaluations = evaluations
        self._links: weakref.WeakValueDictionary[str, DeviceContext] = weakref.WeakValueDictionary()
        self._types: weakref.WeakValueDictionary[str, TypeDefinition] = weakref.WeakValueDictionary()
        self._recent_links: deque[DeviceContext] = deque(maxlen=RECENT_LINKS)
        self._recent_types: deque[TypeDefinition] = deque(maxlen=RECENT_TYPES)
        self._changes = 0  # announced so far; what is read meanwhile may be older
        self._order = asyncio.Lock()  # refreshes are applied in the order in which they were announced
        self._refreshes: set[asyncio.Task[None]] = set()
        self._subscriptions = [
            bus.subscribe(
                DeviceChanged, lambda message: self._refresh(partial(self._refresh_device, message.device_id))
            ),
            bus.subscribe(DeviceTypeChanged, lambda message: self._refresh(partial(self._refresh_type, message))),
        ]

    async def link(self, device: Device) -> DeviceContext:
        """The context of a device, whose history is open; the same object for all callers."""
        await self._store.history.open_device(device.number)
        link = self._links.get(device.id)
        if link is None or link.device is not device:
            changes = self._changes
            definition = await self._definition_of(device)
            device_alarms = await self._evaluations.device_alarms(device)
            link = self._links.get(device.id)
            if link is None:
                tally = self._counts.of(device.project_id)
                link = self._links[device.id] = DeviceContext(
                    device, definition, device_alarms, tally, self._triggers.of(device), self._forwards.of(device)
                )
                self._recent_links.append(link)
            else:
                link.device, link.definition, link.triggers = device, definition, self._triggers.of(device)
                link.forwards = self._forwards.of(device)
            if changes != self._changes:
                self._refresh(partial(self._refresh_device, device.id))
        return link

    def cached(self, device_id: str) -> DeviceContext | None:
        """The context of a device, if it is in memory."""
        return self._links.get(device_id)

    async def close(self) -> None:
        """Ends the subscriptions and running refreshes."""
        for subscription in self._subscriptions:
            subscription.cancel()
        for task in self._refreshes:
            task.cancel()
        await asyncio.gather(*self._refreshes, return_exceptions=True)

    async def refreshed(self) -> None:
        """Waits until all announced changes are applied."""
        if self._refreshes:
            await asyncio.wait(list(self._refreshes))

    async def compiled(self, device: Device) -> CompiledFunctions:
        """The compiled definition of a device's type."""
        return (await self._definition_of(device)).compiled

    async def _definition_of(self, device: Device) -> TypeDefinition:
        if device.type_id is None:
            return WITHOUT_TYPE
        definition = self._types.get(device.type_id)
        if definition is None:
            changes = self._changes
            try:
                device_type = await self._store.device_types.get(device.project_id, device.type_id)
            except NotFound:
                return WITHOUT_TYPE
            if changes != self._changes:
                self._refresh(partial(self._refresh_type, DeviceTypeChanged(device.project_id, device.type_id)))
            definition = self._types.get(device.type_id)
            if definition is None:
                definition = self._types[device.type_id] = TypeDefinition(
                    CompiledFunctions(device_type.functions),
                    device_type.conn_type,
                    compiled_modbus(device_type.modbus),
                )
        self._recent_types.append(definition)
        return definition

    def _refresh(self, refresh: Callable[[], Awaitable[None]]) -> None:
        self._changes += 1
        task = asyncio.get_running_loop().create_task(self._in_order(refresh))
        self._refreshes.add(task)
        task.add_done_callback(self._refreshed)

    async def _in_order(self, refresh: Callable[[], Awaitable[None]]) -> None:
        async with self._order:
            await refresh()

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        self._refreshes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a changed device or type could not be reloaded", exc_info=error)

    async def _refresh_device(self, device_id: str) -> None:
        link = self._links.get(device_id)
        if link is None:
            return
        device = await self._store.devices.find_by_number(link.device.number)
        if device is not None:
            link.definition = await self._definition_of(device)
            link.device = device
            link.triggers = self._triggers.of(device)
            link.forwards = self._forwards.of(device)

    def _retarget(self, concerned: Callable[[Device], bool]) -> None:
        """Looks up the message rules of devices again."""
        for link in list(self._links.values()):
            if concerned(link.device):
                link.triggers = self._triggers.of(link.device)

    def _redirect(self, concerned: Callable[[Device], bool]) -> None:
        """Looks up the forward targets of devices again."""
        for link in list(self._links.values()):
            if concerned(link.device):
                link.forwards = self._forwards.of(link.device)

    async def _refresh_type(self, message: DeviceTypeChanged) -> None:
        definition = self._types.get(message.type_id)
        if definition is None:
            return
        try:
            device_type = await self._store.device_types.get(message.project_id, message.type_id)
        except NotFound:  # a type is only removed after its last device
            return
        definition.compiled = CompiledFunctions(device_type.functions)
        definition.conn_type = device_type.conn_type
        definition.modbus = compiled_modbus(device_type.modbus)
