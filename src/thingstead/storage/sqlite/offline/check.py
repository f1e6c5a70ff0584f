"""Checks a database: pages, references, checksums, and counts."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from thingstead.errors import ConfigError
from thingstead.storage.blocks import decode_block
from thingstead.storage.frames import Damaged
from thingstead.storage.sql.history.records import (
    decode_active,
    decode_attributes,
    decode_entries,
    decode_spooled,
    decode_values,
)
from thingstead.storage.sql.history.totals import ROW_BYTES
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import require_newest

PROBLEMS_LIMIT = 100  # problems of one kind that are listed; further ones are only counted

HOURS = """
SELECT project_id, hour, sum(points), sum(bytes), sum(begins)
FROM (
    SELECT device_number, last_ts / 3600000 AS hour, points, length(data) + length(identifier) + ? AS bytes, 0 AS begins
    FROM block
    UNION ALL SELECT device_number, first_ts / 3600000, 0, 0, 1 FROM block
) JOIN (SELECT number, project_id FROM devices UNION ALL SELECT number, project_id FROM removed_devices)
    ON number = device_number
GROUP BY 1, 2
"""
KNOWN = "(SELECT number FROM devices UNION ALL SELECT number FROM removed_devices)"


class CheckedPart(NamedTuple):
    """Result of one part of the check."""

    part: str  # what was checked
    looked_at: int  # number of rows, or 1
    problems: list[str]  # empty: no problem


def check(path: Path, *, quick: bool = False) -> Iterator[CheckedPart]:
    """Checks a database part by part, within one snapshot; a server may be writing meanwhile.

    Args:
        quick: skip the parts that read everything: indexes against tables, and the content of blocks.

    Raises:
        ConfigError: the file cannot be opened, is not a database of Thingstead, or has another schema version.
    """
    try:
        with closing(connect(path, read_only=True)) as connection:
            connection.execute("BEGIN")
            require_newest(connection, path)
            parts: list[tuple[str, Callable[[sqlite3.Connection], tuple[int, list[str]]]]] = [
                ("pages", _quick_pages if quick else _pages),
                ("references", _references),
                ("log", _log),
                ("spool", _spool),
                ("states", _states),
                *([] if quick else [("blocks", _blocks)]),
                ("totals", _totals),
                ("quarantine", _quarantine),
            ]
            for part, look in parts:
                yield _looked(part, look, connection)
    except sqlite3.Error as exc:
        raise ConfigError(f"{path} cannot be read as a database: {exc}") from exc


def _looked(
    part: str, look: Callable[[sqlite3.Connection], tuple[int, list[str]]], connection: sqlite3.Connection
) -> CheckedPart:
    try:
        looked_at, problems = look(connection)
    except sqlite3.DatabaseError as exc:
        return CheckedPart(part, 0, [f"cannot be read completely: {exc}"])
    if len(problems) > PROBLEMS_LIMIT:
        problems[PROBLEMS_LIMIT:] = [f"and {len(problems) - PROBLEMS_LIMIT:,} more"]
    return CheckedPart(part, looked_at, problems)


def _pages(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    return _pragma(connection, "integrity_check")


def _quick_pages(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    return _pragma(connection, "quick_check")


def _pragma(connection: sqlite3.Connection, name: str) -> tuple[int, list[str]]:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return pages, [text for (text,) in connection.execute(f"PRAGMA {name}") if text != "ok"]


def _references(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    problems = [
        f"{table} row {rowid}: refers to a row of {parent} that does not exist"
        for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check")
    ]
    looked_at = 0
    for table in ("block", "spool", "device_state"):
        (rows,) = connection.execute(f"SELECT count(DISTINCT device_number) FROM {table}").fetchone()  # noqa: S608
        looked_at += rows
        orphans = connection.execute(
            f"SELECT DISTINCT device_number FROM {table} WHERE device_number NOT IN {KNOWN}"  # noqa: S608
        )
        problems += [f"{table}: device {number} does not exist" for (number,) in orphans]
    return looked_at, problems


def _log(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    rows, problems = 0, []
    for seq, data in connection.execute("SELECT seq, entries FROM report_log"):
        rows += 1
        try:
            decode_entries(data)
        except Damaged as exc:
            problems.append(f"row {seq}: {exc}")
    return rows, problems


def _spool(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    rows, problems = 0, []
    for row_id, number, first_ts, last_ts, points, data in connection.execute(
        "SELECT id, device_number, first_ts, last_ts, points, reports FROM spool"
    ):
        rows += 1
        try:
            reports = decode_spooled(data)
        except Damaged as exc:
            problems.append(f"row {row_id} of device {number}: {exc}")
            continue
        timestamps = [report.ts for report in reports]
        held = sum(len(decode_values(report.body)) for report in reports)
        if held != points or min(timestamps) < first_ts or max(timestamps) > last_ts:
            problems.append(f"row {row_id} of device {number}: content differs from its number or range of points")
    return rows, problems


def _states(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    rows, problems = 0, []
    for number, attributes, active, spooled, held in connection.execute(
        "SELECT device_number, attributes, active, spooled,"
        " (SELECT coalesce(sum(points), 0) FROM spool WHERE spool.device_number = device_state.device_number)"
        " FROM device_state"
    ):
        rows += 1
        try:
            decode_attributes(attributes)
            decode_active(active)
        except Damaged as exc:
            problems.append(f"device {number}: {exc}")
        if spooled != held:
            problems.append(f"device {number}: {spooled} points are counted in the spool, {held} are there")
    return rows, problems


def _blocks(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    rows, problems = 0, []
    before: tuple[Any, ...] = (None, None, 0)
    for number, identifier, first_ts, last_ts, points, data in connection.execute(
        "SELECT device_number, identifier, first_ts, last_ts, points, data FROM block"
        " ORDER BY device_number, identifier, first_ts"
    ):
        rows += 1
        where = f"device {number}, {identifier}, from {first_ts}"
        if before[:2] == (number, identifier) and before[2] >= first_ts:
            problems.append(f"{where}: overlaps the block before it")
        before = number, identifier, last_ts
        try:
            timestamps, _ = decode_block(data)
        except Damaged as exc:
            problems.append(f"{where}: {exc}")
            continue
        if (timestamps[0], timestamps[-1], len(timestamps)) != (first_ts, last_ts, points):
            problems.append(f"{where}: content differs from its number or range of points")
        elif any(earlier > later for earlier, later in pairwise(timestamps)):
            problems.append(f"{where}: its points are not in order")
    return rows, problems


def _totals(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    counted = set(connection.execute("SELECT project_id, hour, points, bytes, begins FROM history_hours"))
    there = set(connection.execute(HOURS, (ROW_BYTES,)))
    wrong = sorted({row[:2] for row in counted ^ there})
    problems = [f"project {project}, hour {hour}: the totals differ from the blocks" for project, hour in wrong]
    return len(there), problems


def _quarantine(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    """Counts quarantined rows; these are not reported as problems."""
    (rows,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    return rows, []
