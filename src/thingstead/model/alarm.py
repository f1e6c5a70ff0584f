"""An alarm as it was raised or cleared."""

from typing import Any

import msgspec


class AlarmLog(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm message: status 1 raised, 0 cleared (wire reference §15.12)."""

    id: str
    project_id: str
    device_id: str
    device_name: str = ""  # filled when read
    rule_id: str
    alarm_status: int
    alarm_level: int  # 1 普通, 2 严重, 3 紧急
    alarm_info: dict[str, Any] = {}  # {rule_id, rule_name, conditions, attributes}
    notify_logs: tuple[dict[str, Any], ...] = ()
    create_time: int  # ms


class AlarmFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alarm messages a list shows; unset members do not narrow it."""

    device_id: str | None = None
    alarm_level: int | None = None
    alarm_status: int | None = None
    start_time: int | None = None  # ms, inclusive
    end_time: int | None = None  # ms, inclusive
