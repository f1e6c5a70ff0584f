"""What people do to alarms, and which alarms a filter means, as SQL. In the conditions ``a`` are alarms or messages."""

from typing import Any

from thingstead.model.alarms.alarm import RAISED, Alarm, AlarmAction, AlarmComment, AlarmFilter
from thingstead.model.values.unicode_text import search_form
from thingstead.refusals import Reason, reason
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.tables.device_conditions import Conditions

COMMENTS_COUNT = 100  # comments of one alarm

_SHELF_UNTIL = """
EXISTS (
    SELECT 1 FROM alarm_shelves s WHERE s.device_id = a.device_id AND s.rule_id = a.rule_id AND s.shelved_until >= ?
)
"""
_HAS_RULE = "EXISTS (SELECT 1 FROM alarm_rules r WHERE r.id = a.rule_id)"
_SHELVE = """
INSERT INTO alarm_shelves (device_id, rule_id, shelved_until, shelved_by) VALUES (?, ?, ?, ?)
ON CONFLICT (device_id, rule_id) DO UPDATE SET shelved_until = excluded.shelved_until, shelved_by = excluded.shelved_by
"""
# Must match the condition of the partial index of alarms that need attention.
_ATTENTION = "(a.cleared_at IS NULL OR a.acknowledged_at IS NULL)"
_OF_KEYWORD = """
(instr(lower(a.rule_name), ?) > 0 OR instr(a.rule_name, ?) > 0
OR a.device_id IN (SELECT id FROM devices WHERE project_id = ? AND instr(search_text, ?) > 0))
"""


def refusal_of(connection: Connection, alarm: Alarm, action: AlarmAction) -> Reason | None:
    """Why an action on an alarm is refused; None: it is not."""
    if action.comment and len(alarm.comments) >= COMMENTS_COUNT:
        return reason("too_many_comments", maximum=COMMENTS_COUNT)
    if action.verb == "shelve":
        rule = connection.execute("SELECT 1 FROM alarm_rules WHERE id = ?", (alarm.rule_id,)).fetchone()
        return reason("alarm_rule_removed") if rule is None else None
    return None


def take_action(connection: Connection, alarm: Alarm, action: AlarmAction, *, again: bool) -> bool:
    """Takes an action that is not refused. For ``unshelve`` the caller ends the shelving. Returns False if nothing
    changes.

    Args:
        again: a shelving may also be replaced by an earlier end, and ended where there is none.
    """
    if action.verb == "acknowledge":
        if alarm.acknowledged_at is not None:
            return False
        sql = "UPDATE alarms SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?"
        connection.execute(sql, (action.at, action.by, alarm.id))
    elif action.verb == "shelve":
        assert action.until is not None, "a shelf has an end"
        if not again and (alarm.shelved_until or 0) >= action.until:
            return False
        connection.execute(_SHELVE, (alarm.device_id, alarm.rule_id, action.until, action.by))
    elif action.verb == "unshelve" and alarm.shelved_until is None and not again:
        return False
    if action.comment:
        comment = AlarmComment(by=action.by, text=action.comment, ts=action.at)
        sql = "UPDATE alarms SET comments = ? WHERE id = ?"
        connection.execute(sql, (to_json([*alarm.comments, comment]), alarm.id))
    return True


def where_of_messages(project_id: str, alarm_filter: AlarmFilter) -> tuple[str, list[Any]]:
    """Condition and parameters of the alarm messages that match a filter."""
    where = _where(project_id, alarm_filter, "a.create_time")
    if alarm_filter.alarm_status is not None:
        where.add("a.alarm_status = ?", alarm_filter.alarm_status)
    if alarm_filter.alarm_id is not None:
        where.add("a.alarm_id = ?", alarm_filter.alarm_id)
    return str(where), where.parameters


def where_of_alarms(project_id: str, alarm_filter: AlarmFilter) -> tuple[str, list[Any]]:
    """Condition and parameters of the alarms that match a filter."""
    where = _where(project_id, alarm_filter, "a.raised_at")
    if alarm_filter.alarm_status is not None:
        where.add("a.cleared_at IS NULL" if alarm_filter.alarm_status == RAISED else "a.cleared_at NOTNULL")
    if alarm_filter.acknowledged is not None:
        where.add("a.acknowledged_at " + ("NOTNULL" if alarm_filter.acknowledged else "IS NULL"))
    if alarm_filter.attention is not None:
        where.add(_ATTENTION if alarm_filter.attention else f"NOT {_ATTENTION}")
    if alarm_filter.type_id is not None:
        where.add("a.device_id IN (SELECT id FROM devices WHERE type_id = ?)", alarm_filter.type_id)
    if alarm_filter.group_id is not None:
        where.add(
            "a.device_id IN (SELECT device_id FROM device_group_members WHERE group_id = ?)", alarm_filter.group_id
        )
    if alarm_filter.keyword is not None:
        keyword = alarm_filter.keyword
        where.add(_OF_KEYWORD, keyword.lower(), keyword, project_id, search_form(keyword))
    if alarm_filter.cleared_start is not None:
        where.add("a.cleared_at >= ?", alarm_filter.cleared_start)
    if alarm_filter.cleared_end is not None:
        where.add("a.cleared_at <= ?", alarm_filter.cleared_end)
    if alarm_filter.undone is not None:
        _add_undone(where, alarm_filter.undone)
    return str(where), where.parameters


def _add_undone(where: Conditions, action: AlarmAction) -> None:
    if action.verb == "acknowledge":
        where.add("a.acknowledged_at IS NULL")
    elif action.verb == "clear":
        where.add("a.cleared_at IS NULL")
    elif action.verb == "shelve":
        where.add(f"{_HAS_RULE} AND NOT {_SHELF_UNTIL}", action.until)
    elif action.verb == "unshelve":
        where.add(_SHELF_UNTIL, 0)
    if action.comment:
        where.add("json_array_length(a.comments) < ?", COMMENTS_COUNT)


def _where(project_id: str, alarm_filter: AlarmFilter, time: str) -> Conditions:
    where = Conditions()
    where.add("a.project_id = ?", project_id)
    where.add("a.device_id NOT IN (SELECT device_id FROM removed_devices)")
    for condition, value in (
        ("a.device_id = ?", alarm_filter.device_id),
        ("a.rule_id = ?", alarm_filter.rule_id),
        ("a.alarm_level = ?", alarm_filter.alarm_level),
        (f"{time} >= ?", alarm_filter.start_time),
        (f"{time} <= ?", alarm_filter.end_time),
    ):
        if value is not None:
            where.add(condition, value)
    return where
