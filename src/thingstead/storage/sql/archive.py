"""Reads the history of a database from another process, while a server runs or not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from thingstead.model.device import Device
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.access.transactions import snapshot
from thingstead.storage.sql.history.heads import without_attributes
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.ranges import RangeReader
from thingstead.storage.sql.history.rebuild import identifiers_in_blocks
from thingstead.storage.sql.history.records import REMOVE_CODE, SOURCES, PendingReport, decode_identifiers, is_timed
from thingstead.storage.sql.history.report_log import Log, read_log
from thingstead.storage.sql.history.spool import EVER, Unpacked
from thingstead.storage.sql.tables.device_list import DEVICES


class SqlArchive:
    """See :class:`~thingstead.storage.base.Archive`.

    The log is read once, when the archive is opened. Each series is then read in a transaction of its own, so that the
    database need not keep an old snapshot for long; a point that has left the log meanwhile is found where it is then.
    Raises errors of the driver.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        log = read_log(connection)
        self._pending = _pending_by_device(log)
        self._damaged: set[tuple[str, tuple[Any, ...]]] = set()  # table and key of damaged rows
        self._lost = log.lost
        self._note(log.findings)

    def devices(
        self, project_id: str | None = None, type_id: str | None = None, device_ids: Sequence[str] = ()
    ) -> list[Device]:
        wanted = {
            "project_id = ?": project_id,
            "type_id = ?": type_id,
            "id IN (SELECT value FROM json_each(?))": to_json(list(device_ids)) if device_ids else None,
        }
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f" WHERE {' AND '.join(given)}" if given else ""
        sql = f"{DEVICES.select}{where} ORDER BY project_id, create_time, id"
        with snapshot(self._connection):
            rows = self._connection.execute(sql, tuple(given.values())).fetchall()
        return [DEVICES.load(row) for row in rows]

    def identifiers(self, device_number: int) -> list[str]:
        with snapshot(self._connection):
            unpacked = self._unpacked(device_number)
            found = {*identifiers_in_blocks(self._connection, device_number), *unpacked.identifiers()}
            self._note(unpacked.findings)
            return sorted(found)

    def points(
        self, device_number: int, identifier: str, start: int = EVER[0], end: int = EVER[1]
    ) -> Iterator[tuple[list[int], list[object]]]:
        with snapshot(self._connection):
            reader = RangeReader(self._connection, device_number, self._unpacked(device_number))
            for column in reader.columns(identifier, start, end):
                if column.timestamps:
                    yield column.timestamps, column.values()
            self._note(reader.findings)

    def _note(self, findings: Sequence[UnreadableRow]) -> None:
        self._damaged |= {(finding.table, finding.key) for finding in findings}
        self.damaged_rows = self._lost + len(self._damaged)

    def _unpacked(self, number: int) -> Unpacked:
        return Unpacked(self._connection, number, self._pending.get(number, ()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        raise NotImplementedError


def _pending_by_device(log: Log) -> dict[int, list[PendingReport]]:
    """Reports in the log, as a server would have them in its heads after a start."""
    pending: dict[int, list[PendingReport]] = defaultdict(list)
    for seq, entries in log.rows:
        for entry in entries:
            number, ts, _, code, body = entry
            if code < len(SOURCES):
                pending[number].append(PendingReport(seq, ts, body, is_timed(entry)))
            elif code == REMOVE_CODE:
                pending[number], _ = without_attributes(pending[number], set(decode_identifiers(body)))
    return dict(pending)
