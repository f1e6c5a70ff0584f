"""Changes of many devices in one transaction, each device by itself: what one is refused leaves the others alone."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

import msgspec

from thingstead.errors import InvalidInput
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.console.bulk import (
    BulkCustomer,
    BulkGroups,
    BulkGroupsRemoval,
    BulkRemoval,
    BulkTags,
    BulkTagsRemoval,
    BulkType,
    RegistryChange,
)
from thingstead.model.limits import check_merged_tags
from thingstead.refusals import Arg, Reason, because
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.device_list import DEVICES
from thingstead.wire.bulk import BulkItem

DIRECT, SUB_DEVICE, GATEWAY = "1", "2", "3"  # the conn_type of a type; a device without one is a direct device

_ROWS = """
SELECT d.id, d.name, d.number, d.tags, d.type_id, d.customer_id, d.gateway_id, coalesce(t.conn_type, '1')
FROM devices d LEFT JOIN device_types t ON t.id = d.type_id
WHERE d.project_id || '' = ?1 AND d.id IN (SELECT value FROM json_each(?2))
"""
_ADD_MEMBER = """
INSERT INTO device_group_members (group_id, create_time, device_id, device_number)
SELECT ?1, create_time, id, number FROM devices WHERE number = ?2
ON CONFLICT DO NOTHING
"""
_REMOVE_MEMBER = "DELETE FROM device_group_members WHERE group_id = ? AND device_number = ?"
_COUNT_SUB_DEVICES = "SELECT count(*) FROM devices WHERE gateway_id = ?"


class _Row(NamedTuple):
    """Columns of a device that changes need."""

    id: str
    name: str
    number: int
    tags: str  # JSON
    type_id: str | None
    customer_id: str | None
    gateway_id: str | None
    conn_type: str


class Applied(NamedTuple):
    """Results for devices, in order, and the messages for the bus."""

    items: list[BulkItem]
    numbers: dict[str, int]  # numbers of removed devices, by id
    revoked: list[str]  # devices whose connections must be closed
    type_ids: set[str]  # types whose device_count changed


def refused(device_id: str, why: str | Reason, /, **args: Arg) -> BulkItem:
    """The item of a device that was not changed."""
    reason = because(why, args)
    return BulkItem(id=device_id, result="refused", code=reason.code, args=dict(reason.args), message=reason.message)


def apply_change(connection: Connection, project_id: str, change: RegistryChange, device_ids: Sequence[str]) -> Applied:
    """Changes each of these devices. Repeated ids count once; sub-devices are removed before their gateways."""
    rows = {row.id: row for row in map(_Row._make, connection.execute(_ROWS, (project_id, to_json(device_ids))))}
    applied = Applied([], {}, [], set())
    step = _step(connection, project_id, change, applied)
    items: dict[str, BulkItem] = {}
    ordered = [rows[device_id] for device_id in dict.fromkeys(device_ids) if device_id in rows]
    if isinstance(change, BulkRemoval):
        ordered.sort(key=lambda row: row.gateway_id is None)
    for row in ordered:
        items[row.id] = step(row)
    for device_id in dict.fromkeys(device_ids):
        applied.items.append(items.get(device_id) or refused(device_id, "no_such_device"))
    return applied


_Step = Callable[[_Row], BulkItem]


def _step(connection: Connection, project_id: str, change: RegistryChange, applied: Applied) -> _Step:
    """Makes the function that changes one device; if the change names an object that does not exist, it refuses each
    device."""
    match change:
        case BulkTags() | BulkTagsRemoval():
            return _tags_step(connection, project_id, change)
        case BulkGroups() | BulkGroupsRemoval():
            for group_id in change.group_ids:
                if not _exists(connection, "device_groups", project_id, group_id):
                    return lambda row: refused(row.id, "no_such_device_group")
            return lambda row: _members(connection, project_id, change, row)
        case BulkType():
            return _type_step(connection, project_id, change, applied)
        case BulkCustomer():
            customer_id = change.customer_id
            if customer_id is not None and not _exists(connection, "customers", project_id, customer_id):
                return lambda row: refused(row.id, "no_such_customer")
            return lambda row: _customer(connection, project_id, customer_id, row)
        case BulkRemoval():
            return lambda row: _removal(connection, project_id, row, applied)
        case _:
            assert_never(change)


def _exists(connection: Connection, table: str, project_id: str, row_id: str) -> bool:
    sql = f"SELECT 1 FROM {table} WHERE id = ? AND project_id = ?"  # noqa: S608 - tables of ours
    return connection.execute(sql, (row_id, project_id)).fetchone() is not None


def _tags_step(connection: Connection, project_id: str, change: BulkTags | BulkTagsRemoval) -> _Step:
    put = change.tags if isinstance(change, BulkTags) else {}
    keys = change.keys if isinstance(change, BulkTagsRemoval) else ()

    def step(row: _Row) -> BulkItem:
        tags: dict[str, str] = msgspec.json.decode(row.tags)
        after = {key: value for key, value in {**tags, **put}.items() if key not in keys}
        if after == tags:
            return BulkItem(id=row.id, result="unchanged")
        try:
            check_merged_tags(tags, put)
        except InvalidInput as exc:
            return refused(row.id, exc.errors[0].reason if exc.errors else exc.reason)
        DEVICES.update(connection, project_id, row.id, {"tags": after}, "no_such_device")
        before = {key: tags.get(key) for key in (*put, *keys) if tags.get(key) != after.get(key)}
        return BulkItem(id=row.id, result="done", before=before)

    return step


def _members(connection: Connection, project_id: str, change: BulkGroups | BulkGroupsRemoval, row: _Row) -> BulkItem:
    sql = _ADD_MEMBER if isinstance(change, BulkGroups) else _REMOVE_MEMBER
    changed = [
        group_id for group_id in change.group_ids if connection.execute(sql, (group_id, row.number)).rowcount > 0
    ]
    if changed:
        action = "join_groups" if isinstance(change, BulkGroups) else "leave_groups"
        note(Edit(project_id, DEVICES.kind, row.id, row.name, action, differences({}, {"groups": changed})))
    return BulkItem(id=row.id, result="done" if changed else "unchanged")


def _type_step(connection: Connection, project_id: str, change: BulkType, applied: Applied) -> _Step:
    type_id, conn_type = change.type_id, DIRECT
    if type_id is not None:
        sql = "SELECT conn_type FROM device_types WHERE id = ? AND project_id = ?"
        found = connection.execute(sql, (type_id, project_id)).fetchone()
        if found is None:
            return lambda row: refused(row.id, "no_such_device_type")
        conn_type = found[0]

    def step(row: _Row) -> BulkItem:
        if row.type_id == type_id:
            return BulkItem(id=row.id, result="unchanged")
        if row.gateway_id is not None and conn_type != SUB_DEVICE:
            return refused(row.id, "not_sub_device_type")
        if row.conn_type == GATEWAY and conn_type != GATEWAY:
            [(count,)] = connection.execute(_COUNT_SUB_DEVICES, (row.id,)).fetchall()
            if count:
                return refused(row.id, "gateway_has_some_sub_devices", count=count)
        DEVICES.update(connection, project_id, row.id, {"type_id": type_id}, "no_such_device")
        applied.type_ids.update(filter(None, (row.type_id, type_id)))
        if row.conn_type != conn_type:
            applied.revoked.append(row.id)
        return BulkItem(id=row.id, result="done", before=row.type_id)

    return step


def _customer(connection: Connection, project_id: str, customer_id: str | None, row: _Row) -> BulkItem:
    if row.customer_id == customer_id:
        return BulkItem(id=row.id, result="unchanged")
    DEVICES.update(connection, project_id, row.id, {"customer_id": customer_id}, "no_such_device")
    return BulkItem(id=row.id, result="done", before=row.customer_id)


def _removal(connection: Connection, project_id: str, row: _Row, applied: Applied) -> BulkItem:
    [(count,)] = connection.execute(_COUNT_SUB_DEVICES, (row.id,)).fetchall()
    if count:
        return refused(row.id, "gateway_has_some_sub_devices", count=count)
    SqlHistory.delete_in(connection, row.number)
    DEVICES.delete(connection, project_id, row.id, "no_such_device")
    applied.numbers[row.id] = row.number
    applied.type_ids.update(filter(None, (row.type_id,)))
    return BulkItem(id=row.id, result="done")


def done_ids(items: Sequence[BulkItem]) -> list[str]:
    """Ids of changed devices."""
    return [item.id for item in items if item.result == "done"]
