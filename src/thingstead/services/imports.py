"""Many devices in one call: idempotent by ``device_key``, and one bad row spares the others."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.clock import Clock
from thingstead.errors import Conflict, FieldError, InvalidInput, ThingsteadError, Unavailable
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
    index: int
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
        part = rows[start : start + ROWS_PER_COMMIT]
        results += await _import_part(store, clock, project_id, names, start, part)
    return results


async def _import_part(
    store: Store, clock: Clock, project_id: str, names: _Names, start: int, rows: Sequence[Any]
) -> list[RowResult]:
    results: dict[int, RowResult] = {}
    waiting: list[_Checked] = []
    for index, row in enumerate(rows, start):
        checked = _check_row(index, row, names)
        if isinstance(checked, RowResult):
            results[index] = checked
        else:
            waiting.append(checked)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for _ in range(DRAW_ATTEMPTS):
        if not waiting:
            break
        now = clock.now_ms()
        ascending = sorted(ids.new_id() for _ in waiting)  # lists show equal times by id: rows keep their order
        drafts = [
            draw_device(project_id, checked.new, now, device_id)
            for checked, device_id in zip(waiting, ascending, strict=True)
        ]
        answers = await store.devices.create_many(drafts)
        again: list[_Checked] = []
        for checked, answer in zip(waiting, answers, strict=True):
            result = await _result_of(store, project_id, checked, answer)
            if result is None:
                again.append(checked)
                continue
            results[checked.index] = result
            if isinstance(result.id, str):
                for group_id in checked.groups:
                    members[group_id].append(result.id)
        waiting = again
    if waiting:
        raise Unavailable("no free ids were found")
    for group_id, device_ids in members.items():
        await store.device_groups.add_devices(project_id, group_id, device_ids)
    return [results[index] for index in sorted(results)]


async def _result_of(store: Store, project_id: str, checked: _Checked, answer: Device | Exception) -> RowResult | None:
    """The result of one row; None where it must be tried again."""
    index, key = checked.index, checked.new.device_key
    if isinstance(answer, Device):
        return RowResult(index=index, result="created", id=answer.id, device_key=key or UNSET)
    if isinstance(answer, Conflict) and is_drawn_twice(answer):
        return None
    if isinstance(answer, Conflict) and key is not None:
        existing = await store.devices.find_by_device_key(project_id, key)
        if existing is None:  # it was removed since
            return None
        return RowResult(index=index, result="exists", id=existing.id, device_key=key)
    if isinstance(answer, InvalidInput | Conflict):
        return _refused(index, answer.errors or [FieldError("name", answer.message)])
    if isinstance(answer, ThingsteadError):
        return _refused(index, [FieldError("name", answer.message)])
    raise answer


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
