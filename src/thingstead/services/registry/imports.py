"""Creates many devices in one call: idempotent by ``device_key``; a bad row does not affect the others."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, FieldError, InvalidInput, NotFound, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import Device
from thingstead.model.limits import Problems
from thingstead.model.messages import DevicesAdded, SubDeviceAdded
from thingstead.model.project import Tags
from thingstead.model.wording import member_problem, not_known
from thingstead.services.registry.new_device import (
    DIRECT,
    DRAW_ATTEMPTS,
    NewDevice,
    check_gateway,
    check_new_device,
    draw_device,
    normalized,
)
from thingstead.storage.base import Store
from thingstead.wire.imports import RowError, RowResult

ROWS_PER_COMMIT = 250
ROWS_PER_TURN = 25  # processed before other tasks run: some milliseconds
ROW_LENGTH = 262_144  # bytes; more than the longest texts and tags of a device


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One device to import."""

    name: Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
    descr: Annotated[str, Meta(max_length=limits.DESCR_LENGTH)] = ""
    type: str | None = None  # id of a device type
    tags: Tags = {}
    device_key: Annotated[str, Meta(max_length=limits.DEVICE_KEY_LENGTH)] | None = None
    groups: Annotated[tuple[str, ...], Meta(max_length=limits.GROUPS_PER_IMPORT_ROW)] = ()  # ids
    gateway: str | None = None  # id of a device; makes it a sub-device, with sub_address
    sub_address: Annotated[str, Meta(max_length=limits.SUB_ADDRESS_LENGTH)] | None = None
    customer: str | None = None  # id of a customer


class _Checked(NamedTuple):
    row_index: int
    new: NewDevice
    groups: tuple[str, ...]


class _Names(NamedTuple):
    """Objects to which rows may refer."""

    types: dict[str, str]  # conn_type by id
    groups: frozenset[str]
    gateways: dict[str, str | None]  # of the devices to which rows refer as gateway: conn_type by id
    customers: frozenset[str]  # to which rows refer


async def import_devices(store: Store, bus: Bus, clock: Clock, project_id: str, rows: Sequence[Any]) -> list[RowResult]:
    """Creates the devices of valid rows.

    If a device with the ``device_key`` of a row exists, or a row before has the same, the device is not changed, except
    that it joins the groups of the row. So an interrupted call can be repeated for rows with a key. Devices with a
    gateway are published as :class:`SubDeviceAdded`.

    Args:
        rows: decoded, or JSON (``msgspec.Raw``), which is decoded in small parts.

    Returns:
        A result for each row, in order.
    """
    if len(rows) > limits.IMPORT_ROWS:
        raise InvalidInput.field("devices", "too_many_entries", maximum=limits.IMPORT_ROWS)
    results: list[RowResult] = []
    for start in range(0, len(rows), ROWS_PER_COMMIT):
        part = _ImportPart(store, bus, clock, project_id)
        decoded = [_decoded(row) for row in rows[start : start + ROWS_PER_COMMIT]]
        await part.check(start, decoded, await _names(store, project_id, decoded))
        results += await part.add()
    return results


def _decoded(row: Any) -> Any:
    """The decoded row, or the reason why it cannot be decoded."""
    if not isinstance(row, msgspec.Raw):
        return row
    if len(memoryview(row)) > ROW_LENGTH:
        return FieldError.of("row", "message_too_large", maximum=ROW_LENGTH)
    try:
        return msgspec.json.decode(row)
    except msgspec.ValidationError:  # such as 1e999
        return FieldError.of("row", "has_number_out_of_range")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return FieldError.of("row", "row_not_json")


async def _names(store: Store, project_id: str, rows: Sequence[Any]) -> _Names:
    gateways: dict[str, str | None] = {}
    customers: set[str] = set()
    for number, (gateway_id, customer_id) in enumerate({_named(row, "gateway", "customer") for row in rows}, 1):
        if gateway_id is not None and gateway_id not in gateways:
            with suppress(NotFound):
                gateways[gateway_id] = (await store.devices.get_view(project_id, gateway_id)).conn_type
        if customer_id is not None and customer_id not in customers:
            with suppress(NotFound):
                customers.add((await store.customers.get(project_id, customer_id)).id)
        if number % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
    return _Names(
        await store.device_types.conn_types(project_id, {row["type"] for row in rows if _is_text(row, "type")}),
        frozenset(await store.device_groups.known(project_id, _group_ids(rows))),
        gateways,
        frozenset(customers),
    )


def _is_text(row: Any, member: str) -> bool:
    return isinstance(row, dict) and isinstance(row.get(member), str)


def _group_ids(rows: Sequence[Any]) -> set[str]:
    """The texts in ``groups`` of all rows that are possible ids."""
    named = [row.get("groups") for row in rows if isinstance(row, dict)]
    return {
        group_id
        for group_ids in named
        if isinstance(group_ids, list)
        for group_id in group_ids[: limits.GROUPS_PER_IMPORT_ROW]
        if isinstance(group_id, str) and limits.is_id(group_id)
    }


def _named(row: Any, *members: str) -> tuple[str | None, ...]:
    """The values of members of a row that are possible ids."""
    found = [row.get(member) if isinstance(row, dict) else None for member in members]
    return tuple(value if isinstance(value, str) and limits.is_id(value) else None for value in found)


class _ImportPart:
    """A batch of rows that is created in one commit."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, project_id: str) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._project_id = project_id
        self._waiting: list[_Checked] = []
        self._results: dict[int, RowResult] = {}
        self._members: defaultdict[str, list[str]] = defaultdict(list)  # ids of devices by group

    async def check(self, start: int, rows: Sequence[Any], names: _Names) -> None:
        """Checks rows; invalid ones are refused."""
        for index, row in enumerate(rows, start):
            checked = _check_row(index, row, names)
            if isinstance(checked, RowResult):
                self._results[index] = checked
            else:
                self._waiting.append(checked)
            if index % ROWS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def add(self) -> list[RowResult]:
        """Creates the devices and adds them to their groups. Returns the results in the order of the rows."""
        attempts = DRAW_ATTEMPTS
        while self._waiting:
            if not attempts:
                raise Unavailable("no_free_ids")
            attempts -= 1
            self._waiting = await self._create()
        for group_id, device_ids in self._members.items():
            await self._store.device_groups.add_devices(self._project_id, group_id, device_ids)
        return [self._results[index] for index in sorted(self._results)]

    async def _create(self) -> list[_Checked]:
        """Creates the checked devices; returns those that must be retried."""
        now = self._clock.now_ms()
        ascending = sorted(ids.new_id() for _ in self._waiting)  # lists sort equal times by id: rows keep their order
        drafts = [
            draw_device(self._project_id, checked.new, now, device_id)
            for checked, device_id in zip(self._waiting, ascending, strict=True)
        ]
        again: list[_Checked] = []
        answers = await self._store.devices.create_many(drafts)
        created = [answer.id for answer in answers if isinstance(answer, Device)]
        if created:
            self._bus.publish(DevicesAdded(self._project_id, created))
        for checked, answer in zip(self._waiting, answers, strict=True):
            result = await self._result_of(checked, answer)
            if result is None:
                again.append(checked)
                continue
            self._results[checked.row_index] = result
            if result.id is not UNSET:
                for group_id in checked.groups:
                    self._members[group_id].append(result.id)
        return again

    async def _result_of(self, checked: _Checked, answer: Device | Exception) -> RowResult | None:
        """The result of one row; None if it must be retried."""
        index, key = checked.row_index, checked.new.device_key
        if isinstance(answer, Device):
            if answer.gateway_id is not None:
                self._bus.publish(SubDeviceAdded(self._project_id, answer.gateway_id, answer.id))
            return RowResult(index=index, result="created", id=answer.id, device_key=key or UNSET)
        if not isinstance(answer, InvalidInput | Conflict):
            raise answer
        if isinstance(answer, InvalidInput):  # an object it refers to was removed after the check
            return _refused(index, answer.errors or [FieldError("row", answer.reason)])
        existing = None if key is None else await self._store.devices.find_by_device_key(self._project_id, key)
        if existing is None:
            taken = [error for error in answer.errors if error.field == "sub_address"]
            return _refused(index, taken) if taken else None  # None: collision of ids, or the other was removed
        return RowResult(
            index=index,
            result="exists",
            id=existing.id,
            device_key=key or UNSET,
            errors=_differences(checked.new, existing),
        )


def _check_row(index: int, row: Any, names: _Names) -> _Checked | RowResult:
    if isinstance(row, FieldError):
        return _refused(index, [row])
    try:
        fields = msgspec.convert(row, ImportRow)
    except msgspec.ValidationError:
        return _refused(index, _shape_errors(row))
    strange = [name for name in row if name not in ImportRow.__struct_fields__]
    if strange:
        known = ImportRow.__struct_fields__
        return _refused(index, [FieldError(name[:64], not_known(name, known)) for name in strange[:20]])
    new = NewDevice(
        name=fields.name,
        descr=fields.descr,
        type_id=fields.type or None,
        tags=fields.tags,
        device_key=fields.device_key or None,
        gateway_id=fields.gateway or None,
        sub_address=fields.sub_address or None,
        customer_id=fields.customer or None,
    )
    new, problems = normalized(new), Problems()
    for member in row.keys() - ImportRow.__struct_encode_fields__:
        problems.add(str(member)[:64], "not_a_row_member")
    check_new_device(new, problems)
    if new.type_id is not None and new.type_id not in names.types:
        problems.add("type", "no_such_device_type")
    elif new.gateway_id is not None:
        conn_type = DIRECT if new.type_id is None else names.types[new.type_id]
        gateway_conn_type = names.gateways[new.gateway_id] or DIRECT if new.gateway_id in names.gateways else None
        check_gateway(conn_type, gateway_conn_type, problems)
    for position, group_id in enumerate(fields.groups):
        if group_id not in names.groups:
            problems.add(f"groups[{position}]", "no_such_device_group")
    if new.customer_id is not None and new.customer_id not in names.customers:
        problems.add("customer", "no_such_customer")
    if problems.errors:
        return _refused(index, problems.errors)
    return _Checked(index, new, fields.groups)


def _row_error(error: FieldError) -> RowError:
    return RowError(error.field, error.message, error.reason.code, dict(error.reason.args))


def _differences(new: NewDevice, existing: Device) -> list[RowError] | UnsetType:
    """The references of a row that differ from the existing device with its key."""
    wanted = {"gateway": new.gateway_id, "sub_address": new.sub_address, "customer": new.customer_id}
    has = {"gateway": existing.gateway_id, "sub_address": existing.sub_address, "customer": existing.customer_id}
    errors = [
        _row_error(FieldError.of(field, "existing_differs"))
        for field, value in wanted.items()
        if value is not None and value != has[field]
    ]
    return errors or UNSET


def _shape_errors(row: Any) -> list[FieldError]:
    """Every member of a row that is missing or of the wrong type."""
    if not isinstance(row, dict):
        return [FieldError.of("row", "must_be_object")]
    errors = []
    for field in msgspec.structs.fields(ImportRow):
        if field.name not in row:
            if field.required:
                errors.append(FieldError.of(field.name, "required"))
            continue
        try:
            msgspec.convert(row[field.name], field.type)
        except msgspec.ValidationError as exc:
            errors.append(FieldError(field.name, member_problem(str(exc).split(" - at ")[0], field.type)))
    return errors


def _refused(index: int, errors: Sequence[FieldError]) -> RowResult:
    return RowResult(index=index, result="refused", errors=[_row_error(error) for error in errors])
