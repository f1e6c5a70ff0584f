"""Quarantine: damaged rows are moved aside unchanged, so that the rest can be served."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import structlog

from thingstead.errors import ThingsteadError
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.history.totals import projects_of, take_blocks

log = structlog.get_logger("thingstead.history")

WAITING_LIMIT = 1_000  # findings that wait to be moved; further ones are found again by the next reader

COUNT = "SELECT count(*) FROM quarantine"
INSERT = "INSERT INTO quarantine (found_at, kind, device_number, identifier, detail, data) VALUES (?, ?, ?, ?, ?, ?)"
LESS_SPOOLED = (
    "UPDATE device_state SET spooled = spooled - spool.points FROM spool"
    " WHERE spool.id = ? AND spool.reports = ? AND device_state.device_number = spool.device_number"
)
# By table: the condition that selects the row if it is unchanged.
CONDITIONS = {
    "report_log": "seq = ? AND entries = ?",
    "spool": "id = ? AND reports = ?",
    "block": "device_number = ? AND identifier = ? AND first_ts = ? AND data = ?",
}


class UnreadableRow(NamedTuple):
    """A row that could not be read."""

    table: str
    key: tuple[Any, ...]
    device_number: int | None
    identifier: str | None
    reason: str
    data: bytes


def set_aside(connection: Connection, findings: Iterable[UnreadableRow], found_at: int) -> int:
    """Moves damaged rows into the quarantine. Rows that no longer exist were moved by another reader.

    The row of a device's state is copied, and later overwritten by its successor.

    Returns:
        The number of moved rows.
    """
    moved = 0
    for finding in findings:
        if finding.table == "spool":
            connection.execute(LESS_SPOOLED, (*finding.key, finding.data))
        if not _delete(connection, finding):
            continue
        detail = f"{finding.table} {', '.join(map(str, finding.key))}: {finding.reason}"
        connection.execute(
            INSERT,
            (found_at, finding.table, finding.device_number, finding.identifier, detail, finding.data),
        )
        moved += 1
    return moved


def _delete(connection: Connection, finding: UnreadableRow) -> bool:
    """Deletes a row. Returns whether it still existed or must not be deleted."""
    condition = CONDITIONS.get(finding.table)
    if condition is None:
        return True
    parameters = (*finding.key, finding.data)
    if finding.table == "block":
        return bool(take_blocks(connection, projects_of(connection, finding.key[:1]), condition, parameters))
    delete = f"DELETE FROM {finding.table} WHERE {condition}"  # noqa: S608 - texts of this module
    return connection.execute(delete, parameters).rowcount > 0


class Quarantine:
    """Collects damaged rows from readers, and moves each to the quarantine once."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._waiting: set[tuple[str, tuple[Any, ...]]] = set()
        self.rows = 0  # moved by this run and earlier ones

    async def open(self) -> None:
        """Counts the rows that earlier runs moved; none if the quarantine itself is damaged."""
        try:
            (rows,) = await self._database.read_now(
                lambda reader: reader.execute("SELECT count(*) FROM quarantine").fetchone()
            )
        except DamagedFile as exc:
            log.error("the quarantine cannot be read", error=exc.message)
        else:
            self.rows += int(rows)

    def found(self, findings: Sequence[UnreadableRow]) -> None:
        """Logs new findings, and moves them in the background. Must be called on the event loop."""
        new = [finding for finding in findings if (finding.table, finding.key) not in self._waiting]
        new = new[: WAITING_LIMIT - len(self._waiting)]
        if not new:
            return
        _report(new)
        keys = {(finding.table, finding.key) for finding in new}
        self._waiting |= keys
        found_at = self._now_ms()

        def ended(moved: int | None, error: Exception | None) -> None:
            self._waiting -= keys
            self.rows += moved or 0
            if error is not None:
                log.error("damaged rows could not be moved to the quarantine", rows=len(new), error=str(error))

        try:
            self._database.submit(lambda connection: set_aside(connection, new, found_at), ended)
        except ThingsteadError as exc:
            ended(None, exc)

    def note(self, findings: Sequence[UnreadableRow]) -> None:
        """Logs and counts rows that another process has moved."""
        _report(findings)
        self.rows += len(findings)


def _report(findings: Iterable[UnreadableRow]) -> None:
    for finding in findings:
        log.error(
            "a damaged row was moved to the quarantine",
            table=finding.table,
            key=finding.key,
            device_number=finding.device_number,
            identifier=finding.identifier,
            reason=finding.reason,
        )
