"""Alarms and alarm messages."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.alarms.alarm import AlarmComment


class AlarmDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The device of an alarm."""

    id: str
    name: str


class AlarmItem(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm message."""

    id: str
    device_id: str
    alarm_status: int  # 1 raised, 0 cleared
    alarm_level: int  # 1 normal (普通), 2 serious (严重), 3 urgent (紧急)
    alarm_info: dict[str, Any]
    create_time: int  # ms, when the server detected it
    notify_logs: list[dict[str, Any]]
    device: AlarmDevice
    alarm_id: str  # extension: the alarm of this message
    ts: int  # extension: ms, when it happened, by the timestamps of the device


class AlarmInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm, open or cleared."""

    id: str
    device_id: str
    device: AlarmDevice
    rule_id: str
    rule_name: str
    alarm_status: int  # 1 open, 0 cleared
    alarm_level: int
    raised_at: int  # ms
    cleared_at: int | UnsetType = UNSET  # ms
    clear_reason: str | UnsetType = UNSET  # why it was cleared, if not by its condition
    clear_code: str | UnsetType = UNSET  # of the reason, in docs/refusals.md; absent: it has none
    clear_args: dict[str, Any] | UnsetType = UNSET  # values in its text
    acknowledged_at: int | UnsetType = UNSET  # ms
    acknowledged_by: str | UnsetType = UNSET
    shelved_until: int | UnsetType = UNSET  # ms
    comments: list[AlarmComment]
    alarm_info: dict[str, Any]  # of the message of the raise: its conditions, and the values of their attributes


AlarmResult = Literal["done", "unchanged", "refused"]


class AlarmResultItem(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one alarm."""

    id: str
    result: AlarmResult
    code: str | UnsetType = UNSET  # of the refusal
    args: dict[str, Any] | UnsetType = UNSET
    message: str | UnsetType = UNSET


class AlarmResults(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an action on many alarms."""

    done: int
    unchanged: int  # already in the requested state
    refused: int
    remaining: int  # alarms that another call with the same filter would change
    until: int | UnsetType = UNSET  # ms, end of the shelving: repeat it in further calls with the same filter
    items: list[AlarmResultItem]  # one per id; with a filter, unchanged alarms are left out
