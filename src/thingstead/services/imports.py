"""Many devices in one call: idempotent by ``device_key``, and one bad row spares the others."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.clock import Clock
from thingstead.errors import Conflict, FieldError, InvalidInput, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import Device
from thingstead.model.limits import Problems
from thingstead.model.project import Tags
from thingstead.services.new_device import DRAW_ATTEMPTS, NewDevice, check_new_device, draw_device, is_drawn_twice
from thingstead.storage.base import Store

ROWS_PER_COMMIT = 250  # also how long the event loop is held between two commits: some milliseconds


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One device to be imported."""

    name: Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
    descr: Annotated[str, Meta(max_length=limits.DESCR_LENGTH)] = ""
    type: str | None = None  # a device type's id
    tags: Tags = {}
    device_key: Annotated[str, Meta(max_length=limits.DEVICE_KEY_LENGTH)] | None = None
    groups: Annotated[tuple[str, ...], Meta(max_length=limits.GROUPS_PER_IMPORT_ROW)] = ()  # ids


class RowError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a row."""

    field: str
    message: str


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a row: ``created``, ``exists`` (its ``device_key`` was there already), or ``refused``."""

    index: int  # from 0
    result: Literal["created", "exists", "refused"]
    id: str | UnsetType = UNSET
    device_key: str | UnsetType = UNSET
    errors: list[RowError] | UnsetType = UNSET


class _Checked(NamedTuple):
    row_index: int
    new: NewDevice
    groups: tuple[str, ...]


class _Names(NamedTuple):
    """What rows may name."""

    types: frozenset[str]
    groups: frozenset[str]


async def import_devices(store: Store, clock: Clock, project_id: str, rows: Sequence[Any]) -> list[RowResult]:
    """Adds what can be added and answers for each row, in order.

    A row whose ``device_key`` the project knows, or that came earlier in the same call, changes nothing of that
    device, but it joins the row's groups. So a call that broke off can be repeated, for rows that have a key.
    """
    if len(rows) > limits.IMPORT_ROWS:
        raise InvalidInput.field("devices", f"must have at most {limits.IMPORT_ROWS} entries")
    names = _Names(
        frozenset([device_type.id for device_type in await store.device_types.list_all(project_id)]),
        frozenset([group.id for group in await store.device_groups.list_all(project_id)]),
    )
    results: list[RowResult] = []
    for start in range(0, len(rows), ROWS_PER_COMMIT):
        part = _Part(store, clock, project_id)
        part.check(start, rows[start : start + ROWS_PER_COMMIT], names)
        results += await part.add()
    return results


class _Part:
    """Some rows on their way into one commit."""

    def __init__(self, store: Store, clock: Clock, project_id: str) -> None:
        self._store = store
        self._clock = clock
        self._project_id = project_id
        self._waiting: list[_Checked] = []
        self._results: dict[int, RowResult] = {}
        self._members: defaultdict[str, list[str]] = defaultdict(list)  # ids of devices by group

    def check(self, start: int, rows: Sequence[Any], names: _Names) -> None:
        """Takes the rows in; those that are wrong are refused."""
        for index, row in enumerate(rows, start):
            checked = _check_row(index, row, names)
            if isinstance(checked, RowResult):
                self._results[index] = checked
            else:
                self._waiting.append(checked)

    async def add(self) -> list[RowResult]:
        """Creates the devices, puts them into their groups, and returns the results in the order of the rows."""
        attempts = DRAW_ATTEMPTS
        while self._waiting:
            if not attempts:
                raise Unavailable("no free ids were found")
            attempts -= 1
            self._waiting = await self._create()
        for group_id, device_ids in self._members.items():
            await self._store.device_groups.add_devices(self._project_id, group_id, device_ids)
        return [self._results[index] for index in sorted(self._results)]

    async def _create(self) -> list[_Checked]:
        """Creates what waits; returns what must be tried again."""
        now = self._clock.now_ms()
        ascending = sorted(ids.new_id() for _ in self._waiting)  # lists show equal times by id: rows keep their order
        drafts = [
            draw_device(self._project_id, checked.new, now, device_id)
            for checked, device_id in zip(self._waiting, ascending, strict=True)
        ]
        again: list[_Checked] = []
        for checked, answer in zip(self._waiting, await self._store.devices.create_many(drafts), strict=True):
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
        """The result of one row; None where it must be tried again."""
        index, key = checked.row_index, checked.new.device_key
        if isinstance(answer, Device):
            return RowResult(index=index, result="created", id=answer.id, device_key=key or UNSET)
        if not isinstance(answer, InvalidInput | Conflict):
            raise answer
        if isinstance(answer, InvalidInput):  # its type was removed since the rows were checked
            return _refused(index, answer.errors or [FieldError("row", answer.message)])
        if key is None or is_drawn_twice(answer):
            return None
        existing = await self._store.devices.find_by_device_key(self._project_id, key)
        if existing is None:  # it was removed since
            return None
        return RowResult(index=index, result="exists", id=existing.id, device_key=key)


def _check_row(index: int, row: Any, names: _Names) -> _Checked | RowResult:
    try:
        fields = msgspec.convert(row, ImportRow)
    except msgspec.ValidationError:
        return _refused(index, _shape_errors(row))
    new = NewDevice(
        name=fields.name,
        descr=fields.descr,
        type_id=fields.type or None,
        tags=fields.tags,
        device_key=fields.device_key or None,
    )
    problems = Problems()
    check_new_device(new, problems)
    if new.type_id is not None and new.type_id not in names.types:
        problems.add("type", "no such device type")
    for position, group_id in enumerate(fields.groups):
        if group_id not in names.groups:
            problems.add(f"groups[{position}]", "no such device group")
    if problems.errors:
        return _refused(index, problems.errors)
    return _Checked(index, new, fields.groups)


def _shape_errors(row: Any) -> list[FieldError]:
    """Every member of a row that is missing or of the wrong type."""
    if not isinstance(row, dict):
        return [FieldError("row", "must be an object")]
    errors = []
    for field in msgspec.structs.fields(ImportRow):
        if field.name not in row:
            if field.required:
                errors.append(FieldError(field.name, "is required"))
            continue
        try:
            msgspec.convert(row[field.name], field.type)
        except msgspec.ValidationError as exc:
            errors.append(FieldError(field.name, str(exc).replace("`", "'")))
    return errors


def _refused(index: int, errors: Sequence[FieldError]) -> RowResult:
    return RowResult(index=index, result="refused", errors=[RowError(*error) for error in errors])
