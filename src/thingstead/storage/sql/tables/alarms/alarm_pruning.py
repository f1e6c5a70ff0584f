"""Drops expired alarms and notices, some hundred a transaction.

An alarm expires by the server time of its end, not by the timestamps of its device, whose clock may be years behind.
"""

from collections.abc import Sequence
from typing import Any

from thingstead.storage.sql.access.connection import Connection

STEP = 500  # rows selected in one transaction; dependent rows are deleted with them

_ENDED = """
SELECT alarm_id FROM alarm_logs WHERE project_id = ? AND create_time < ? AND alarm_status = 0
ORDER BY create_time, seq LIMIT ?
"""
_COUNT = """
INSERT INTO alarm_totals (rule_id, alarms, open_ms, last_raised_at, last_cleared_at)
SELECT rule_id, count(*), sum(cleared_at - raised_at), max(raised_at), max(cleared_at) FROM alarms
WHERE cleared_at IS NOT NULL AND rule_id IN (SELECT id FROM alarm_rules) AND {} GROUP BY rule_id
ON CONFLICT (rule_id) DO UPDATE SET alarms = alarm_totals.alarms + excluded.alarms,
    open_ms = alarm_totals.open_ms + excluded.open_ms,
    last_raised_at = max(alarm_totals.last_raised_at, excluded.last_raised_at),
    last_cleared_at = max(alarm_totals.last_cleared_at, excluded.last_cleared_at)
"""
_DROP_ALARMS = f"DELETE FROM alarms WHERE id IN ({_ENDED})"  # noqa: S608 - words of this module
# An alarm may be open for years and change its level often: its first and its newest message stay.
_DROP_CHANGES = """
DELETE FROM alarm_logs WHERE seq IN (
    SELECT m.seq FROM alarm_logs m JOIN alarms a ON a.id = m.alarm_id AND a.cleared_at IS NULL
    WHERE m.project_id = ? AND m.create_time < ? AND m.id <> m.alarm_id
    AND m.seq < (SELECT max(seq) FROM alarm_logs n WHERE n.alarm_id = m.alarm_id)
    ORDER BY m.create_time, m.seq LIMIT ?)
"""
_DROP_NOTICES = """
DELETE FROM notices WHERE seq IN (
    SELECT seq FROM notices WHERE state NOT IN ('waiting', 'held') AND create_time < ? ORDER BY create_time LIMIT ?)
"""


def count_alarms(connection: Connection, condition: str, parameters: Sequence[Any]) -> None:
    """Adds the alarms that match a condition, and are about to be deleted, to the statistics of their rules."""
    connection.execute(_COUNT.format(condition), parameters)


def prune_alarms(connection: Connection, project_id: str, before: int) -> int:
    """Deletes some alarms that ended before an instant (ms), with their messages. Returns the number of selected
    rows."""
    step = (project_id, before, STEP)
    count_alarms(connection, f"id IN ({_ENDED})", step)
    alarms = connection.execute(_DROP_ALARMS, step).rowcount
    return alarms + connection.execute(_DROP_CHANGES, step).rowcount


def prune_notices(connection: Connection, before: int) -> int:
    """Deletes some notices that were added before an instant (ms), with their attempts. Returns how many."""
    return connection.execute(_DROP_NOTICES, (before, STEP)).rowcount
