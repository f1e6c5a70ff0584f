"""Imports points from a table into history. It refuses what devices may not report either: impossible timestamps, null,
values that violate the definition of the device type. A repeated import adds nothing, because equal points are stored
once."""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError
from thingstead.model.device import Device
from thingstead.model.report import Report
from thingstead.model.values.checking import UNDEFINED, CompiledFunctions, valid_identifier
from thingstead.services.history.tables import Row
from thingstead.services.shared.commits import settled
from thingstead.services.shared.payloads import check_depth, timestamp_ms
from thingstead.storage.base import Commit, Store

ROWS_PER_TURN = 1_000  # appended before other tasks run
PROBLEMS_LIMIT = 20  # in the answer; further ones are counted

_from_json = msgspec.json.Decoder().decode


class TableImportResult(NamedTuple):
    """Result of an import."""

    points: int  # stored
    refused: int
    problems: list[str]  # of the first refused rows


class _Refused(Exception):
    """Why a row is refused."""


class HistoryImportService:
    """Imports rows for the devices of one project. The current value remains the one with the greatest timestamp."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(
        self, project_id: str, rows: Iterable[Row], progress: Callable[[TableImportResult], None] = lambda _: None
    ) -> TableImportResult:
        """Stores every valid row; the rows are committed on return.

        Args:
            progress: called from time to time.

        Raises:
            Unavailable: cannot be stored now; what was stored before is kept.
        """
        return await _Import(self._store, self._clock, project_id).run(rows, progress)


class _Import:
    """Import of one table."""

    def __init__(self, store: Store, clock: Clock, project_id: str) -> None:
        self._store = store
        self._clock = clock
        self._project_id = project_id
        self._devices: dict[tuple[str, str], Device | None] = {}
        self._definitions: dict[str, CompiledFunctions] = {}  # by type id

    async def run(self, rows: Iterable[Row], progress: Callable[[TableImportResult], None]) -> TableImportResult:
        points = refused = 0
        problems: list[str] = []
        commit: Commit | None = None
        for row in rows:
            try:
                commit = await self._append(row)
                points += 1
            except (_Refused, ThingsteadError) as exc:
                if self._store.trouble() is not None:
                    raise
                refused += 1
                if len(problems) < PROBLEMS_LIMIT:
                    problems.append(f"row {row.number}: {exc}")
            if (points + refused) % ROWS_PER_TURN == 0:
                await self._breathe(commit)
                progress(TableImportResult(points, refused, problems))
        if commit is not None:
            await settled(commit)
        return TableImportResult(points, refused, problems)

    async def _append(self, row: Row) -> Commit:
        device = await self._device(row)
        if self._store.history.crowded(device.number):
            await self._back_pressure(device.number)
        if not valid_identifier(row.identifier):
            raise _Refused(f"identifier: {row.identifier!r} is not a valid identifier")
        now = self._clock.now_ms()
        ts, attributes = timestamp_ms(_number(row.ts), now, "ts"), {row.identifier: _value(row.value)}
        refused = (await self._functions(device)).check(attributes, "import")
        if refused:
            raise _Refused(f"{refused[0].field}: {refused[0].message}")
        return self._store.history.append(Report(device.number, ts, now, attributes, "import"))

    async def _functions(self, device: Device) -> CompiledFunctions:
        """The definition with which values of a device are checked."""
        if device.type_id is None:
            return UNDEFINED
        if device.type_id not in self._definitions:
            device_type = await self._store.device_types.get(self._project_id, device.type_id)
            self._definitions[device.type_id] = CompiledFunctions(device_type.functions)
        return self._definitions[device.type_id]

    async def _device(self, row: Row) -> Device:
        key = (row.device_id, row.device_key)
        if key not in self._devices:
            self._devices[key] = await self._find(row)
        device = self._devices[key]
        if device is None:
            raise _Refused(f"no such device: {row.device_id or row.device_key or 'no device_id or device_key'}")
        return device

    async def _find(self, row: Row) -> Device | None:
        found = self._store.devices
        if row.device_id:
            try:
                return await found.get(self._project_id, row.device_id)
            except ThingsteadError:
                pass  # a device from another installation may exist here under its key
        return await found.find_by_device_key(self._project_id, row.device_key) if row.device_key else None

    async def _breathe(self, commit: Commit | None) -> None:
        """Lets other tasks run, and waits while the store is congested."""
        if self._store.history.congested:
            await self._back_pressure()
        if commit is not None:
            await settled(commit)

    async def _back_pressure(self, device_number: int | None = None) -> None:
        relieved = asyncio.Event()
        self._store.history.when_room(relieved.set, device_number)
        await relieved.wait()


def _number(ts: Any) -> int | float:
    """A timestamp in a table: a number, or its text."""
    try:
        return int(ts)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        number = float(ts)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _Refused(f"ts: {ts!r:.60} is not an instant in ms")
    return number


def _value(text: Any) -> Any:
    try:
        value = _from_json(text)
    except (msgspec.MsgspecError, TypeError, RecursionError) as exc:
        raise _Refused(f"value: {text!r:.60} is not JSON") from exc
    check_depth(value)
    return value
