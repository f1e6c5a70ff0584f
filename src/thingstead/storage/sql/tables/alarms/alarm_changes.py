"""Writes alarm transitions inside the transaction of the report that caused them.

Nothing here may fail because of what others did since the decision was made (the device or the rule is gone, another
node was first): such a change has no effect, and the reports of the transaction are kept all the same.
"""

from collections.abc import Callable, Sequence

from thingstead.model.alarms.alarm import CLEARED, AlarmChange, AlarmLog
from thingstead.model.ids import new_id
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import Layout

ALARM_LOGS = Layout("alarm_logs", AlarmLog, json=("alarm_info",), absent=("device_name", "notify_logs"))
NOTICE_LIFETIME_MS = 24 * 3600 * 1000  # notices that were not sent within a day expire

_SET_LEVEL = "UPDATE alarms SET alarm_level = ? WHERE id = ? AND cleared_at IS NULL"
_RAISE = """
INSERT INTO alarms (id, project_id, device_id, rule_id, rule_name, alarm_level, raised_at)
SELECT ?, project_id, id, ?, ?, ?, ? FROM devices WHERE id = ? AND project_id = ?
ON CONFLICT DO NOTHING
"""
_CLEAR = "UPDATE alarms SET cleared_at = ?, clear_reason = ? WHERE id = ? AND cleared_at IS NULL"
_PUT_STATE = """
INSERT INTO alarm_states (device_id, rule_id, state, due_at)
SELECT d.id, r.id, ?, ? FROM devices d, alarm_rules r WHERE d.id = ? AND r.id = ?
ON CONFLICT (device_id, rule_id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at
"""
_DROP_STATE = "DELETE FROM alarm_states WHERE device_id = ? AND rule_id = ?"
_CHANNELS = "SELECT channel_id, kind FROM rule_channels WHERE rule_id = ?"
_SHELF = "SELECT 1 FROM alarm_shelves WHERE device_id = ? AND rule_id = ? AND shelved_until > ?"
_ADD_NOTICE = """
INSERT INTO notices (id, project_id, device_id, rule_id, message_id, channel_id, channel_kind, kind, body, state,
    create_time, expire_time, update_time)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', 'waiting', ?, ?, ?)
"""
_OPEN = "SELECT id, project_id, device_id, rule_id, rule_name, alarm_level FROM alarms WHERE cleared_at IS NULL AND "


Channels = dict[str, list[tuple[str, str]]]  # id and kind, by rule id


def writer_of(changes: Sequence[AlarmChange]) -> Callable[[Connection], None]:
    """The write of these changes. Encoding errors are raised here, before the transaction is shared."""
    rows = [[ALARM_LOGS.row(message) for message in change.messages] for change in changes]

    def write(connection: Connection) -> None:
        channels: Channels = {}
        for change, messages in zip(changes, rows, strict=True):
            for message, row in zip(change.messages, messages, strict=True):
                if _take_effect(connection, message):
                    connection.execute(ALARM_LOGS.insert, row)
                    add_notices(connection, message, channels=channels)
            if change.state is None:
                connection.execute(_DROP_STATE, (change.device_id, change.rule_id))
            else:
                connection.execute(_PUT_STATE, (change.state, change.due_at, change.device_id, change.rule_id))

    return write


def _take_effect(connection: Connection, message: AlarmLog) -> bool:
    if message.alarm_status == CLEARED:
        reason = str(message.alarm_info.get("reason", ""))
        return connection.execute(_CLEAR, (message.ts, reason, message.alarm_id)).rowcount > 0
    if message.id != message.alarm_id and (
        connection.execute(_SET_LEVEL, (message.alarm_level, message.alarm_id)).rowcount
    ):
        return True
    name = str(message.alarm_info.get("rule_name", ""))
    raised = (message.alarm_id, message.rule_id, name, message.alarm_level, message.ts)
    return connection.execute(_RAISE, (*raised, message.device_id, message.project_id)).rowcount > 0


def add_notices(
    connection: Connection, message: AlarmLog, kind: str = "alarm", channels: Channels | None = None
) -> None:
    """Adds a notice of a message for each channel of its rule, unless the rule is shelved on the device.

    Args:
        channels: cache of the channels of rules within this transaction; missing ones are added.
    """
    now = message.create_time
    channels = {} if channels is None else channels
    found = channels.get(message.rule_id)
    if found is None:
        found = channels[message.rule_id] = connection.execute(_CHANNELS, (message.rule_id,)).fetchall()
    if not found or connection.execute(_SHELF, (message.device_id, message.rule_id, now)).fetchone() is not None:
        return
    for channel_id, channel_kind in found:
        about = (message.project_id, message.device_id, message.rule_id, message.id)
        times = (now, now + NOTICE_LIFETIME_MS, now)
        connection.execute(_ADD_NOTICE, (new_id() + new_id(), *about, channel_id, channel_kind, kind, *times))


def close_open(
    connection: Connection, condition: str, parameters: Sequence[str], at: int, reason: str
) -> list[AlarmLog]:
    """Clears the open alarms that match a condition over ``alarms``. Returns the messages."""
    messages = []
    for alarm_id, project_id, device_id, rule_id, rule_name, level in connection.execute(
        _OPEN + condition, parameters
    ).fetchall():
        info = {"rule_id": rule_id, "rule_name": rule_name, "conditions": [], "attributes": {}, "reason": reason}
        message = AlarmLog(
            id=new_id() + new_id(),
            alarm_id=alarm_id,
            project_id=project_id,
            device_id=device_id,
            rule_id=rule_id,
            alarm_status=CLEARED,
            alarm_level=level,
            alarm_info=info,
            ts=at,
            create_time=at,
        )
        connection.execute(_CLEAR, (at, reason, alarm_id))
        ALARM_LOGS.add(connection, message)
        add_notices(connection, message)
        messages.append(message)
    return messages
