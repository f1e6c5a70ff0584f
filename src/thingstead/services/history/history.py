"""Reads current values and history of attributes, with their definitions."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.bus.base import Bus
from thingstead.errors import InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.device import Device, Page, Sent, ValueSource
from thingstead.model.device_type import AttributeDefinition, AttrType, DataType, DeviceType
from thingstead.model.messages import AttributesRemoved
from thingstead.model.report import SeriesPoint, json_type
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store
from thingstead.wire.history import AttributeItem, AttributeModel, ReportedValue, SeriesItem

SHEETS_KEPT = 1_000
SIZED = (str, list, dict)  # types of values that can be large
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Defined(NamedTuple):
    """A defined attribute."""

    attr_type: AttrType
    data_type: DataType
    model: AttributeModel  # encoded once: it is in every answer, and changes only with the type


class _Sheet(NamedTuple):
    """The defined attributes of a type, in order; cached for each version of the type."""

    device_type: DeviceType
    attributes: Mapping[str, _Defined]


NOTHING_SENT: Mapping[str, Sent] = {}
NOTHING_DEFINED: Mapping[str, _Defined] = {}


class HistoryService:
    """Current values and history of devices."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._sheets: Lru[str, _Sheet] = Lru(SHEETS_KEPT)

    async def current_values(self, device: Device, keys: Sequence[str] = ()) -> dict[str, Any]:
        """Values by identifier: those of ``keys`` that exist, in that order, or all."""
        current = await self._store.history.current(device.number)
        if not keys:
            return {identifier: kept.value for identifier, kept in current.items()}
        return {key: current[key].value for key in keys if key in current}

    async def list_attributes(self, project_id: str, device_id: str, at: int | None = None) -> list[AttributeItem]:
        """The attributes of a device with their current values, or those at an instant (ms): first the defined ones, in
        the order of the definition, then the others by identifier (official clients stop at the first one without
        ``model``)."""
        device = await self._store.devices.get(project_id, device_id)
        defined = await self._defined(device)
        source: ValueSource | UnsetType = "report"
        sent: Mapping[str, Sent] = NOTHING_SENT
        if at is None:
            current = await self._store.history.current(device.number)
            sent = await self._store.history.sent(device.number)
        else:
            current = await self._store.ranges.values_at(device.number, at)
            source = UNSET
        items = [
            AttributeItem(identifier, kept.value, attr_type, data_type, kept.ts, source, UNSET, model)
            if (kept := current.get(identifier)) is not None
            else AttributeItem(identifier, None, attr_type, data_type, 0, UNSET, UNSET, model)
            for identifier, (attr_type, data_type, model) in defined.items()
        ]
        for identifier in sorted(current.keys() - defined.keys()):
            kept = current[identifier]
            items.append(AttributeItem(identifier, kept.value, "report", json_type(kept.value), kept.ts, source))
        return [_sourced(item, sent) for item in items] if sent else items

    async def series(
        self,
        project_id: str,
        device_id: str,
        identifier: str,
        page: Page,
        *,
        start_time: float | None = None,
        end_time: float | None = None,
    ) -> list[SeriesItem]:
        """One page of an attribute's history, newest first; of equal timestamps the last arrived first.

        Args:
            start_time, end_time: ms, inclusive, at most 30 days apart. Unless both are given, the page counts from the
                newest point.

        Raises:
            NotFound: no such device. An attribute without a value has an empty history.
            InvalidInput: names the invalid bound.
        """
        start, end = _time_range(start_time, end_time)
        device = await self._store.devices.get(project_id, device_id)
        limits.require_id(identifier, "no_such_attribute")
        defined = (await self._defined(device)).get(identifier)
        points = await self._store.history.series(
            device.number, identifier, start, end, offset=page.offset, limit=page.records
        )
        _check_size(points)
        return [
            SeriesItem(
                ts=point.ts,
                timestamp=iso_utc(point.ts),
                name=identifier,
                value=point.value,
                type=json_type(point.value) if defined is None else defined.data_type,
            )
            for point in points
        ]

    async def remove_attributes(self, project_id: str, device_id: str, identifiers: Sequence[str]) -> None:
        """Removes current values and history of attributes; unknown ones are ignored. Definitions are not changed."""
        limits.check_keys(identifiers)
        device = await self._store.devices.get(project_id, device_id)
        named = [identifier for identifier in identifiers if limits.is_id(identifier)]
        if named:
            changes = differences({}, {"attributes": named})
            edit = Edit(project_id, "device", device.id, device.name, "remove_attributes", changes)
            await self._store.history.remove_attributes(device.number, named, edit)
            self._bus.publish(AttributesRemoved(device.id, named))

    async def _defined(self, device: Device) -> Mapping[str, _Defined]:
        type_id = device.type_id
        if type_id is None:
            return NOTHING_DEFINED
        try:
            device_type = await self._store.device_types.get(device.project_id, type_id)
        except NotFound:  # removed after the device was read
            return NOTHING_DEFINED
        sheet = self._sheets.get(type_id)
        # Rows are immutable: the same object has the same definition. The store decides which row is current.
        if sheet is not None and sheet.device_type is device_type:
            return sheet.attributes
        attributes = {
            each.identifier: _Defined(each.attr_type, each.data_type, _model(each))
            for each in device_type.functions.attributes
        }
        self._sheets.put(type_id, _Sheet(device_type, attributes))
        return attributes


def iso_utc(instant: int) -> str:
    """``2024-05-01T08:00:00.000Z`` for ms since the epoch."""
    return (EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds")[:-6] + "Z"


def _sourced(item: AttributeItem, sent: Mapping[str, Sent]) -> AttributeItem:
    """Adds the source of the value to an item."""
    covering = sent.get(item.identifier)
    if covering is None:
        return item
    reported = covering.reported
    shown = UNSET if reported is None else ReportedValue(reported.value, reported.ts)
    return msgspec.structs.replace(item, source=covering.source, reported=shown)


def _model(definition: AttributeDefinition) -> AttributeModel:
    model = AttributeModel(
        name=definition.name or definition.identifier,
        attr_type=definition.attr_type,
        data_type=definition.data_type,
        data_options=definition.data_options,
    )
    return cast(AttributeModel, msgspec.Raw(msgspec.json.encode(model)))


def _time_range(start_time: float | None, end_time: float | None) -> tuple[int, int]:
    """Converts bounds to whole milliseconds; everything unless both are given (as in the reference)."""
    if start_time is None or end_time is None:
        return 0, limits.INSTANT_MS
    for field, bound in (("start_time", start_time), ("end_time", end_time)):
        if not 0 <= bound <= limits.INSTANT_MS:  # also refuses NaN
            raise InvalidInput.field(field, "bad_instant", maximum=limits.INSTANT_MS)
    if start_time > end_time:
        raise InvalidInput.field("start_time", "start_after_end")
    if end_time - start_time > limits.SERIES_SPAN_MS:
        raise InvalidInput.field("end_time", "range_too_wide")
    return math.ceil(start_time), math.floor(end_time)


def _check_size(points: Sequence[SeriesPoint]) -> None:
    """Raises InvalidInput on ``page_records`` if a page is too large. Only texts, arrays and objects can be large."""
    size_bytes = 0
    for count, point in enumerate(points):
        if type(point.value) in SIZED:
            size_bytes += len(msgspec.json.encode(point.value))
            if size_bytes > limits.PAGE_BYTES and count:
                raise limits.page_too_large(count)
