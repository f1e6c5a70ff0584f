"""Operations on devices: create, describe, set the type, remove; their certificates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput, NotFound, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import (
    Device,
    DeviceFilter,
    DevicesAlarmStat,
    DevicesStat,
    DeviceView,
    FacetName,
    FacetValue,
    Page,
)
from thingstead.model.limits import Problems
from thingstead.model.messages import DeviceChanged, DeviceRemoved, DevicesAdded, SessionsRevoked, SubDeviceAdded
from thingstead.model.project import Tags
from thingstead.model.values.unicode_text import normal, trimmed_key
from thingstead.model.versions import of_version
from thingstead.services.registry.imports import import_devices
from thingstead.services.registry.new_device import (
    DIRECT,
    DRAW_ATTEMPTS,
    GATEWAY,
    SUB_DEVICE,
    NewDevice,
    check_gateway,
    check_new_device,
    check_sub_address,
    draw_device,
    is_drawn_twice,
    normal_tags,
    normalized,
)
from thingstead.storage.base import Store
from thingstead.wire.devices import DeviceCredential
from thingstead.wire.imports import RowResult

ACTIVE_WITHIN_MS = 24 * 3600 * 1000  # wire reference §15.16


class DeviceService:
    """Operations on devices. Changes are committed and published on return.

    If a device, type or group does not exist in the project, they raise NotFound if it is the object of the call, and
    InvalidInput if a field refers to it.

    Args:
        active_within_ms: a device is active if its newest uplink is not older than this.
    """

    def __init__(self, store: Store, bus: Bus, clock: Clock, *, active_within_ms: int = ACTIVE_WITHIN_MS) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._active_within_ms = active_within_ms

    async def stat(self, project_id: str) -> DevicesStat:
        """Number of devices: total, online, active and with open alarms."""
        return await self._store.devices.stat(project_id, self._clock.now_ms() - self._active_within_ms)

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat:
        """Counts of devices by their highest open alarm."""
        return await self._store.devices.alarm_stat(project_id)

    async def list_views(
        self, project_id: str, device_filter: DeviceFilter, page: Page, attributes: Sequence[str] = ()
    ) -> tuple[list[DeviceView], int]:
        """One page, oldest first by default, and the number of matches. An empty tuple in a filter matches nothing.
        ``attributes``: identifiers whose current values are included."""
        if device_filter.active is not None:
            device_filter = self.dated(device_filter)
        return await self._store.devices.list_views(project_id, device_filter, page, attributes)

    async def facets(
        self, project_id: str, device_filter: DeviceFilter, wanted: Sequence[tuple[FacetName, str]]
    ) -> list[list[FacetValue]]:
        """For each facet its values among the matching devices, ignoring the filter on the facet itself; see
        :meth:`~thingstead.storage.base.DeviceStore.facets`."""
        return await self._store.devices.facets(project_id, self.dated(device_filter), wanted)

    def dated(self, device_filter: DeviceFilter) -> DeviceFilter:
        """The filter with the instant since which a device counts as active."""
        return msgspec.structs.replace(device_filter, active_since=self._clock.now_ms() - self._active_within_ms)

    async def get(self, project_id: str, device_id: str) -> Device:
        """Raises NotFound for an unknown device."""
        return await self._store.devices.get(project_id, device_id)

    async def get_view(self, project_id: str, device_id: str) -> DeviceView:
        """A device with its type, groups, alarm and online state."""
        return await self._store.devices.get_view(project_id, device_id)

    async def create(self, project_id: str, new: NewDevice) -> Device:
        """Creates a device.

        Raises:
            InvalidInput: a text is invalid, or the type or gateway does not exist or does not fit.
            Conflict: ``device_key`` is not unique in the project, or ``sub_address`` in the gateway.
        """
        problems, new = Problems(), normalized(new)
        check_new_device(new, problems)
        conn_type = await self._conn_type(project_id, new.type_id, problems)
        if new.gateway_id is not None:
            check_gateway(conn_type, await self._gateway_conn_type(project_id, new.gateway_id), problems)
        problems.refuse()
        device = await self._create_drawing(project_id, new)
        self._bus.publish(DevicesAdded(project_id, [device.id]))
        if device.gateway_id is not None:
            self._bus.publish(SubDeviceAdded(project_id, device.gateway_id, device.id))
        return device

    async def _create_drawing(self, project_id: str, new: NewDevice) -> Device:
        for _ in range(DRAW_ATTEMPTS):
            try:
                return await self._store.devices.create(draw_device(project_id, new, self._clock.now_ms()))
            except Conflict as exc:
                if not is_drawn_twice(exc):
                    raise
        raise Unavailable("no_free_id")

    async def import_rows(self, project_id: str, rows: Sequence[Any]) -> list[RowResult]:
        """Creates many devices, idempotent by ``device_key``.

        Returns:
            A result for each row, in order.

        Raises:
            InvalidInput: there are too many rows.
        """
        return await import_devices(self._store, self._bus, self._clock, project_id, rows)

    async def _conn_type(self, project_id: str, type_id: str | None, problems: Problems) -> str | None:
        """The conn_type of a type; a device without a type is direct (wire reference §5)."""
        if type_id is None:
            return DIRECT
        try:
            return (await self._store.device_types.get(project_id, type_id)).conn_type
        except NotFound:
            problems.add("type", "no_such_device_type")
            return None

    async def _gateway_conn_type(self, project_id: str, gateway_id: str) -> str | None:
        try:
            return (await self.get_view(project_id, gateway_id)).conn_type or DIRECT
        except NotFound:
            return None

    async def certificate(self, project_id: str, device_id: str) -> DeviceCredential:
        """The current certificate of a device."""
        device = await self.get(project_id, device_id)
        project = await self._store.projects.get(project_id)
        return DeviceCredential(
            id=device.id, name=device.name, access_token=device.access_token, project_key=project.project_key
        )

    async def reset_certificate(self, project_id: str, device_id: str) -> DeviceCredential:
        """Replaces the access token of a device. The old one becomes invalid, and its connection is closed."""
        await self.get(project_id, device_id)
        await self._update_drawing(project_id, device_id, lambda: {"access_token": ids.new_access_token()})
        self._bus.publish(DeviceChanged(device_id))
        self._bus.publish(SessionsRevoked([device_id], "certificate reset"))
        return await self.certificate(project_id, device_id)

    async def _update_drawing(self, project_id: str, device_id: str, draw: Callable[[], Mapping[str, Any]]) -> None:
        for _ in range(DRAW_ATTEMPTS):
            try:
                await self._store.devices.update(project_id, device_id, draw())
            except Conflict as exc:
                if not is_drawn_twice(exc):
                    raise
            else:
                return
        raise Unavailable("no_free_token")

    async def update_info(
        self,
        project_id: str,
        device_id: str,
        *,
        name: str | UnsetType = UNSET,
        descr: str | UnsetType = UNSET,
        device_key: str | UnsetType | None = UNSET,
        version: int | None = None,
    ) -> None:
        """Changes the given members. A ``device_key`` of None or ``""`` removes the key.

        Args:
            version: the version that the device must have; None: any.

        Raises:
            InvalidInput: nothing is given, or a text is invalid.
            Conflict: another device of the project has this ``device_key``, or the device has another version.
        """
        changes: dict[str, Any] = {}
        problems = Problems()
        if name is not UNSET:
            problems.name(name)
            changes["name"] = name
        if descr is not UNSET:
            problems.descr(descr)
            changes["descr"] = descr
        if device_key is not UNSET:
            trimmed = trimmed_key(device_key or "")
            problems.key("device_key", trimmed, limits.DEVICE_KEY_LENGTH, min_length=1 if device_key else 0)
            changes["device_key"] = trimmed or None
        problems.refuse()
        device = await self.get(project_id, device_id)
        if not changes:
            raise InvalidInput("give_one_of", members=["name", "descr", "device_key"])
        await self._store.devices.update(project_id, device.id, of_version(changes, version))
        self._bus.publish(DeviceChanged(device.id))

    async def put_tags(self, project_id: str, device_id: str, tags: Tags) -> None:
        """Adds tags, or replaces those with the same key."""
        device = await self.get(project_id, device_id)
        tags = normal_tags(tags)
        limits.check_merged_tags(device.tags, tags)
        await self._store.devices.merge_tags(project_id, device_id, tags, ())
        self._bus.publish(DeviceChanged(device_id))

    async def remove_tags(self, project_id: str, device_id: str, keys: Sequence[str]) -> None:
        """Removes tags; unknown keys are ignored."""
        await self.get(project_id, device_id)
        limits.check_keys(keys)
        await self._store.devices.merge_tags(project_id, device_id, {}, [normal(key) for key in keys])
        self._bus.publish(DeviceChanged(device_id))

    async def change_type(
        self, project_id: str, device_id: str, type_id: str | None, version: int | None = None
    ) -> None:
        """Changes the type of a device, or removes it. Reported values stay.

        If ``conn_type`` changes, the live session ends: the device must connect again in its new role.

        Raises:
            InvalidInput: no such type, or a sub-device would get a type that is not for sub-devices.
            Conflict: a gateway with sub-devices would no longer be a gateway.
        """
        view = await self.get_view(project_id, device_id)
        problems = Problems()
        conn_type = await self._conn_type(project_id, type_id, problems)
        if view.device.gateway_id is not None and conn_type not in (SUB_DEVICE, None):
            problems.add("type", "not_sub_device_type")
        problems.refuse()
        if view.conn_type == GATEWAY and conn_type != GATEWAY:
            await self._check_no_sub_devices(project_id, device_id)
        await self._store.devices.update(project_id, device_id, of_version({"type_id": type_id}, version))
        self._bus.publish(DeviceChanged(device_id))
        if (view.conn_type or DIRECT) != conn_type:
            self._bus.publish(SessionsRevoked([device_id], "type changed"))

    async def change_gateway(
        self,
        project_id: str,
        device_id: str,
        gateway_id: str | None,
        sub_address: str | None,
        version: int | None = None,
    ) -> None:
        """Moves a device behind a gateway, with an address there, or removes it from its gateway (both None). Its live
        session over another gateway ends.

        Raises:
            InvalidInput: only one is given, the type is not one of sub-devices, or there is no such gateway.
            Conflict: another device of the gateway has this address.
        """
        view = await self.get_view(project_id, device_id)
        device, problems = view.device, Problems()
        sub_address = None if sub_address is None else trimmed_key(sub_address)
        check_sub_address(gateway_id, sub_address, problems)
        if gateway_id is not None:
            gateway_conn_type = await self._gateway_conn_type(project_id, gateway_id)
            check_gateway(view.conn_type or DIRECT, gateway_conn_type, problems)
        problems.refuse()
        if (device.gateway_id, device.sub_address) == (gateway_id, sub_address):
            return
        changes = of_version({"gateway_id": gateway_id, "sub_address": sub_address}, version)
        await self._store.devices.update(project_id, device_id, changes)
        self._bus.publish(DeviceChanged(device_id))
        self._bus.publish(SessionsRevoked([device_id], "gateway changed"))
        if gateway_id is not None:
            self._bus.publish(SubDeviceAdded(project_id, gateway_id, device_id))

    async def _check_no_sub_devices(self, project_id: str, device_id: str) -> None:
        sub_devices = DeviceFilter(gateway_id=device_id)
        _, count = await self._store.devices.list_views(project_id, sub_devices, Page(records=1))
        if count:
            raise Conflict("gateway_has_some_sub_devices", count=count)

    async def delete(self, project_id: str, device_id: str) -> None:
        """Removes a device with its history, and ends its live session.

        Raises:
            Conflict: it is a gateway with sub-devices.
        """
        await self.get(project_id, device_id)
        await self._store.devices.delete(project_id, device_id)
        self._bus.publish(DeviceChanged(device_id))
        self._bus.publish(SessionsRevoked([device_id], "device removed"))
        self._bus.publish(DeviceRemoved(device_id))
