"""The registry of devices in SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from thingstead.errors import Conflict, InvalidInput, NotFound, ThingsteadError
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
from thingstead.model.limits import require_id
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.access.transactions import savepoint
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.customers import CUSTOMERS
from thingstead.storage.sql.tables.device_list import DEVICES, DeviceList, search_text

ROWS_AT_ONCE = 500  # devices that are added by one statement
STEPS_AT_ONCE = 20  # steps of deleting a device's data before its deletion is answered


class _Touched(NamedTuple):
    """Cache entries of a device that must be dropped."""

    device_id: str
    type_ids: tuple[str | None, ...] = ()


class SqlDevices:
    """See :class:`~thingstead.storage.base.DeviceStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history
        self._list = DeviceList(access, history)

    async def create(self, device: Device) -> Device:
        return await self._access.write(
            lambda connection: _add(connection, device), lambda kept: self._forget(_Touched(kept.id, (kept.type_id,)))
        )

    async def create_many(self, devices: Sequence[Device]) -> list[Device | Exception]:
        def committed(_: list[Device | Exception]) -> None:
            for type_id in {device.type_id for device in devices}:
                self._forget_type(type_id)

        return await self._access.write(lambda connection: _add_many(connection, devices), committed)

    async def count_all(self) -> int:
        return await self._access.count("devices")

    async def get(self, project_id: str, device_id: str) -> Device:
        device = self._access.caches.device(device_id)
        if device is None:
            require_id(device_id, "no_such_device")
            device = await self._load("id = ?", device_id)
        if device is None or device.project_id != project_id:
            raise NotFound("no_such_device")
        return device

    async def find_by_access_token(self, access_token: str) -> Device | None:
        return self._access.caches.device_by_token(access_token) or await self._load("access_token = ?", access_token)

    async def find(self, device_id: str) -> Device | None:
        return self._access.caches.device(device_id) or await self._load("id = ?", device_id)

    async def find_by_number(self, number: int) -> Device | None:
        return self._access.caches.device_by_number(number) or await self._load("number = ?", number)

    async def find_by_device_key(self, project_id: str, device_key: str) -> Device | None:
        return await self._load("project_id = ? AND device_key = ?", project_id, device_key)

    async def find_by_sub_address(self, gateway_id: str, sub_address: str) -> Device | None:
        return await self._load("gateway_id = ? AND sub_address = ?", gateway_id, sub_address)

    async def _load(self, condition: str, *parameters: Any) -> Device | None:
        caches = self._access.caches
        row, current = await self._access.current_one(caches.devices, f"{DEVICES.select} WHERE {condition}", parameters)
        if row is None:
            return None
        device = DEVICES.load(row)
        if current:
            caches.put_device(device)
        return device

    async def get_view(self, project_id: str, device_id: str) -> DeviceView:
        return await self._list.view(project_id, device_id)

    async def list_views(
        self, project_id: str, device_filter: DeviceFilter, page: Page, attributes: Sequence[str] = ()
    ) -> tuple[list[DeviceView], int]:
        return await self._list.views(project_id, device_filter, page, attributes)

    async def facets(
        self, project_id: str, device_filter: DeviceFilter, wanted: Sequence[tuple[FacetName, str]]
    ) -> list[list[FacetValue]]:
        return await self._list.facets(project_id, device_filter, wanted)

    async def stat(self, project_id: str, active_since: int) -> DevicesStat:
        return await self._list.stat(project_id, active_since)

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat:
        return await self._list.alarm_stat(project_id)

    async def update(self, project_id: str, device_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(lambda connection: _update(connection, project_id, device_id, changes), self._forget)

    async def merge_tags(self, project_id: str, device_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        await self._access.write(
            lambda connection: DEVICES.merge_tags(connection, project_id, device_id, put, remove, "no_such_device"),
            lambda _: self._forget(_Touched(device_id)),
        )

    async def bind_customer(self, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
        def committed(_: None) -> None:
            for device_id in device_ids:
                self._forget(_Touched(device_id))

        await self._access.write(
            lambda connection: _bind(connection, project_id, customer_id, device_ids, bind=bind), committed
        )

    async def delete(self, project_id: str, device_id: str) -> None:
        def run(connection: Connection) -> Device:
            device = _get(connection, project_id, device_id)
            sub_device = connection.execute("SELECT 1 FROM devices WHERE gateway_id = ? LIMIT 1", (device_id,))
            if sub_device.fetchone() is not None:
                raise Conflict("gateway_has_sub_devices")
            self._history.delete_in(connection, device.number)
            DEVICES.delete(connection, project_id, device_id, "no_such_device")
            return device

        def committed(device: Device) -> None:
            self._forget(_Touched(device_id, (device.type_id,)))
            self._history.forget(device.number)

        await self._access.write(run, committed)
        for _ in range(STEPS_AT_ONCE):
            if not await self._history.drop_removed():
                break

    def _forget(self, touched: _Touched) -> None:
        self._access.caches.drop_device(touched.device_id)
        for type_id in touched.type_ids:
            self._forget_type(type_id)

    def _forget_type(self, type_id: str | None) -> None:
        if type_id is not None:  # its device_count changed
            self._access.caches.device_types.drop(type_id)


def require_devices(connection: Connection, project_id: str, device_ids: Sequence[str]) -> None:
    """Raises NotFound, which names the first, if any of these is not a device of the project."""
    row = connection.execute(
        "SELECT value FROM json_each(?) e WHERE NOT EXISTS"
        " (SELECT 1 FROM devices WHERE devices.id = e.value AND devices.project_id = ?) LIMIT 1",
        (to_json(device_ids), project_id),
    ).fetchone()
    if row is not None:
        raise NotFound("no_such_device_named", device=row[0])


def _get(connection: Connection, project_id: str, device_id: str) -> Device:
    row = connection.execute(DEVICES.select_one, (device_id, project_id)).fetchone()
    if row is None:
        raise NotFound("no_such_device")
    return DEVICES.load(row)


_NOTHING: Mapping[str, str] = {}


def _check_references(connection: Connection, device: Device, beside: Mapping[str, str] = _NOTHING) -> None:
    """Raises InvalidInput if a device refers to what its project does not have.

    Args:
        beside: projects of devices that are added with it, by their ids.
    """
    for field, row_id, sql in (
        ("type", device.type_id, "SELECT 1 FROM device_types WHERE id = ? AND project_id = ?"),
        ("customer", device.customer_id, "SELECT 1 FROM customers WHERE id = ? AND project_id = ?"),
        ("gateway", device.gateway_id, "SELECT 1 FROM devices WHERE id = ? AND project_id = ?"),
    ):
        if row_id is None or (field == "gateway" and beside.get(row_id) == device.project_id):
            continue
        if connection.execute(sql, (row_id, device.project_id)).fetchone() is None:
            raise InvalidInput.field(field, "not_in_project")
    if device.gateway_id == device.id:
        raise InvalidInput.field("gateway", "own_gateway")


def _add(connection: Connection, device: Device) -> Device:
    _check_references(connection, device)
    return msgspec.structs.replace(device, number=DEVICES.add(connection, device))


def _add_many(connection: Connection, devices: Sequence[Device]) -> list[Device | Exception]:
    if not connection.dialect.savepoints:
        return [_added(connection, device) for device in devices]
    # Where a failed statement must be rolled back, many rows share one: savepoints and counts of types are dear.
    return [
        answer
        for begin in range(0, len(devices), ROWS_AT_ONCE)
        for answer in _add_some(connection, devices[begin : begin + ROWS_AT_ONCE])
    ]


def _added(connection: Connection, device: Device) -> Device | Exception:
    try:
        return _add(connection, device)
    except ThingsteadError as exc:
        return exc
    except connection.dialect.driver_errors as exc:
        if connection.dialect.ends_all(exc):
            raise
        return connection.dialect.translated(exc)


def _add_some(connection: Connection, devices: Sequence[Device]) -> list[Device | Exception]:
    """Adds devices by one statement, or if that fails, one half and then the other."""
    answers: list[Device | Exception] = []
    fine: dict[str, str] = {}
    for device in devices:
        try:
            _check_references(connection, device, fine)
        except ThingsteadError as exc:
            answers.append(exc)
        else:
            answers.append(device)
            fine.setdefault(device.id, device.project_id)
    wanted = [answer for answer in answers if isinstance(answer, Device)]
    if not wanted:
        return answers
    try:
        with savepoint(connection):
            numbers = DEVICES.add_many(connection, wanted)
    except ThingsteadError as exc:
        error = exc
    except connection.dialect.driver_errors as exc:
        if connection.dialect.ends_all(exc):
            raise
        error = connection.dialect.translated(exc)
    else:
        return [
            msgspec.structs.replace(answer, number=numbers[answer.id]) if isinstance(answer, Device) else answer
            for answer in answers
        ]
    if len(devices) == 1:
        return [error]
    half = len(devices) // 2
    return _add_some(connection, devices[:half]) + _add_some(connection, devices[half:])


def _update(connection: Connection, project_id: str, device_id: str, changes: Mapping[str, Any]) -> _Touched:
    before = _get(connection, project_id, device_id)
    DEVICES.check_changes(changes)
    after = msgspec.structs.replace(before, **changes)
    _check_references(connection, after)
    DEVICES.update(connection, project_id, device_id, changes, "no_such_device")
    connection.execute("UPDATE devices SET search_text = ? WHERE id = ?", (search_text(after), device_id))
    return _Touched(device_id, (before.type_id, after.type_id) if before.type_id != after.type_id else ())


def _bind(connection: Connection, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
    row = connection.execute("SELECT 1 FROM customers WHERE id = ? AND project_id = ?", (customer_id, project_id))
    if row.fetchone() is None:
        raise NotFound("no_such_customer")
    require_devices(connection, project_id, device_ids)
    if bind:
        sql = "UPDATE devices SET customer_id = ?1 WHERE id IN (SELECT value FROM json_each(?2))"
    else:
        sql = "UPDATE devices SET customer_id = NULL WHERE customer_id = ?1 AND id IN (SELECT value FROM json_each(?2))"
    connection.execute(sql, (customer_id, to_json(device_ids)))
    CUSTOMERS.note_devices(connection, project_id, customer_id, "bind" if bind else "unbind", device_ids)
