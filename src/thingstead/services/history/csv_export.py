"""The points of a device as CSV, in pieces: memory does not grow with their number."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.limits import INSTANT_MS
from thingstead.model.report import SeriesPoint
from thingstead.storage.base import Store

CHUNK_POINTS = 500  # of one read, and of one piece
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of a text that a spreadsheet would evaluate
HEAD = ("time", "ts", "identifier", "value")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CsvExport:
    """Writes history as CSV (RFC 4180, UTF-8)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(
        self, project_id: str, device_id: str, identifiers: Sequence[str], start: float, end: float
    ) -> tuple[Device, AsyncIterator[bytes]]:
        """The device, and its rows in ``start <= ts <= end`` (ms): attribute by attribute, newest first.

        Raises:
            NotFound: the project has no such device.
            InvalidInput: an identifier or the range is invalid.
        """
        device = await self._store.devices.get(project_id, device_id)
        named = list(dict.fromkeys(identifiers))
        if not 1 <= len(named) <= limits.IDENTIFIERS_COUNT:
            raise InvalidInput.field("identifiers", "keys_count", maximum=limits.IDENTIFIERS_COUNT)
        for identifier in named:
            if not limits.is_id(identifier):
                raise InvalidInput.field("identifiers", "cannot_be_identifier", identifier=repr(identifier))
        first, last = int(max(start, 0)), int(min(end, INSTANT_MS))
        return device, self._pieces(device.number, named, first, last)

    async def _pieces(self, number: int, identifiers: Sequence[str], start: int, end: int) -> AsyncIterator[bytes]:
        yield _text([HEAD])
        for identifier in identifiers:
            until, passed = end, 0  # points at ``until`` that were written already
            while True:
                points = await self._store.history.series(
                    number, identifier, start, until, offset=passed, limit=CHUNK_POINTS
                )
                if points:
                    yield _text([_row(identifier, point) for point in points])
                if len(points) < CHUNK_POINTS:
                    break
                oldest = points[-1].ts
                same = sum(point.ts == oldest for point in points)
                until, passed = oldest, same + (passed if oldest == until else 0)


def _row(identifier: str, point: SeriesPoint) -> tuple[str, ...]:
    instant = EPOCH + timedelta(milliseconds=point.ts)
    time = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return time, str(point.ts), _safe(identifier), _cell(point.value)


def _cell(value: Any) -> str:
    """A text as it is, other values as JSON. A text that would be evaluated gets an apostrophe in front."""
    return _safe(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(rows: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")
