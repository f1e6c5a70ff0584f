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
CHUNK_POINTS_FIRST = 16  # of the first read: how long the values are is not known yet
PIECE_BYTES = 262_144  # values of a piece, unless one alone is longer; a peer that does not read keeps one waiting
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
        return device, self._pieces(device, named, first, last)

    async def _pieces(self, device: Device, identifiers: Sequence[str], start: int, end: int) -> AsyncIterator[bytes]:
        """Raises NotFound if the device was removed meanwhile: a file that ends early must not look complete."""
        yield _text([HEAD])
        for identifier in identifiers:
            until, passed = end, 0  # points at ``until`` that were written already
            limit, more = CHUNK_POINTS_FIRST, True
            while more:
                points = await self._store.history.series(
                    device.number, identifier, start, until, offset=passed, limit=limit
                )
                await self._store.devices.get(device.project_id, device.id)
                more, count = len(points) == limit, len(points)
                rows, size_bytes = _fitting(identifier, points)
                if not rows:
                    break
                # What does not fit is read again, so that it takes no memory while the peer reads this piece.
                del points[len(rows) :]
                more = more or len(points) < count
                oldest = points[-1].ts
                same = sum(point.ts == oldest for point in points)
                until, passed = oldest, same + (passed if oldest == until else 0)
                limit = max(1, min(CHUNK_POINTS, 4 * limit, PIECE_BYTES * len(rows) // size_bytes))
                yield _text(rows)


def _fitting(identifier: str, points: Sequence[SeriesPoint]) -> tuple[list[tuple[str, ...]], int]:
    """The rows of the first points that fit into a piece, at least one, and their size in bytes."""
    rows: list[tuple[str, ...]] = []
    size_bytes = 0
    for point in points:
        row = _row(identifier, point)
        row_bytes = sum(len(cell.encode("utf-8", "replace")) for cell in row)
        if rows and size_bytes + row_bytes > PIECE_BYTES:
            break
        rows.append(row)
        size_bytes += row_bytes
    return rows, size_bytes


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
